"""The signing protocol `/sign/v1/*`, a public interface. Each handler parses the request, calls one verb, and answers.

Bodies are JSON with binary values in standard base64 and hashes in lower-case hex. `open` and `verify` return `session`
and set it as a cookie; a bearer takes precedence over the cookie. `?id=` names the contract if the session holds
several. `POST phone {phone}` in a verified session asks for another phone number, or confirms one.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable

from aiohttp import web

from hub.errors import AlreadySigned, BadInput, SessionNotValid, WrongSignature
from hub.lifecycle.contract.decline import decline as decline_contract
from hub.lifecycle.messaging import resend_link
from hub.lifecycle.school import guests
from hub.lifecycle.signing import sign, signer_certificates
from hub.lifecycle.signing.device_keys import ShownKey
from hub.lifecycle.signing.entry import verify_identity
from hub.lifecycle.signing.entry.open_link import open_ticket, resume_session
from hub.lifecycle.signing.questions import ask as ask_question
from hub.lifecycle.staff import change_phone
from hub.model.contract.person import normalise_phone
from hub.model.signing.pickup_code import is_pickup_secret
from hub.model.staff.phone_change import PhoneChangeState
from hub.model.staff.scope import EVERYTHING
from hub.web.http.app_keys import HUB, RATE_LIMITS
from hub.web.http.ids import read_id
from hub.web.http.ranges import file_answer
from hub.web.http.security import clear_session, refuse_other_sites, session_secret, set_session
from hub.web.pages.i18n import remember_choice
from hub.web.pages.scripts import SCRIPTS
from hub.web.signer import schemas
from hub.web.signer.answers import base64, contract_id, contracts_json, iso, school_and_campus
from hub.web.signer.schemas import body
from hub.web.signer.school import enrolling
from hub.web.signer.signing import device_keys, passkeys, pickup_code


def routes() -> Iterable[web.AbstractRouteDef]:
    base = "/sign/v1"
    return [
        web.post(f"{base}/open", open_link),
        web.post(f"{base}/code", code),
        web.post(f"{base}/verify", verify),
        web.post(f"{base}/enrol", enrolling.enrol),
        web.get(f"{base}/session", session),
        web.post(f"{base}/key", key),
        web.post(f"{base}/prepare", prepare),
        web.get(f"{base}/prepared/{{request}}", prepared_file),
        web.post(f"{base}/signature", signature),
        web.post(f"{base}/refused", refused),
        web.post(f"{base}/decline", decline),
        web.post(f"{base}/question", question),
        web.post(f"{base}/relink", relink),
        web.post(f"{base}/phone", phone),
    ]


# ---- landing


async def open_link(request: web.Request) -> web.Response:
    """Begin a session. The following pages keep the language of the requesting page (`?lang=`)."""
    await request.app[RATE_LIMITS].slow_down(request, "open")
    response = await _opened(request, await body(request, schemas.Open))
    remember_choice(request, response)
    return response


async def _opened(request: web.Request, asked: schemas.Open) -> web.Response:
    if asked.poster is not None:
        return await enrolling.open_poster(request, asked.poster, asked.phone or "", asked.name or "")
    if asked.pickup_code is not None:
        return await pickup_code.open_pickup(request, asked.pickup_code, asked.phone or "")
    landed = await open_ticket(request.app[HUB].services, asked.ticket or "")
    response = web.json_response(
        {
            "session": landed.secret,
            "key_challenge": base64(landed.session.key_challenge),
            **school_and_campus(request, landed.campus, landed.language),
        }
    )
    set_session(response, landed.secret, request.app[HUB].services.clock(), landed.session.expires_at)
    return response


async def code(request: web.Request) -> web.Response:
    await request.app[RATE_LIMITS].slow_down(request, "code")
    channel = (await body(request, schemas.CodeAsked)).channel
    services, secret = request.app[HUB].services, session_secret(request)
    if is_pickup_secret(secret):
        await pickup_code.take_same_time(pickup_code.send_code(services, secret, channel))
        return web.json_response({}, status=202)
    try:
        await verify_identity.send_code(services, secret, channel)
    except SessionNotValid:
        await guests.send_code(services, secret, channel)  # it may be the session of a poster's visitor
    return web.json_response({}, status=202)


async def verify(request: web.Request) -> web.Response:
    await request.app[RATE_LIMITS].slow_down(request, "verify")
    asked = await body(request, schemas.Verify)
    services, secret = request.app[HUB].services, session_secret(request)
    if asked.name is None or asked.id_tail is None:
        if is_pickup_secret(secret):
            raise BadInput("name and id_tail are also needed", field="name")
        return await enrolling.verify(request, asked.code)
    if is_pickup_secret(secret):
        verified = await pickup_code.take_same_time(
            pickup_code.verify(services, secret, asked.code, asked.name, asked.id_tail)
        )
    else:
        verified = await verify_identity.verify(services, secret, asked.code, asked.name, asked.id_tail)
    response = web.json_response({"session": verified.secret, "contracts": contracts_json(verified.contracts)})
    set_session(response, verified.secret, services.clock(), verified.session.expires_at)
    return response


async def session(request: web.Request) -> web.Response:
    """Return the session with a fresh challenge. The former one ends, so a request from another site, which could spoil
    a signature, is refused."""
    refuse_other_sites(request)
    services = request.app[HUB].services
    if is_pickup_secret(session_secret(request)):
        return await pickup_code.session(request)
    try:
        found, contracts = await resume_session(services, session_secret(request))
    except SessionNotValid:
        return await enrolling.session(request)
    async with services.database.transaction(EVERYTHING) as tx:
        signer = await tx.contracts.get_signer(found.signer)
        campus = await tx.school.get_campus(signer.campus)
    return web.json_response(
        {
            "verified": found.verified_at is not None,
            "contracts": contracts_json(contracts),
            "key_challenge": base64(found.key_challenge),
            **school_and_campus(request, campus, signer.language),
        }
    )


# ---- signing


async def key(request: web.Request) -> web.Response:
    asked = await body(request, schemas.Key)
    services, secret, proof = request.app[HUB].services, session_secret(request), b64decode(asked.proof)
    if asked.spki is not None:
        shown = ShownKey(b64decode(asked.spki), proof, asked.custody)
        certified = await signer_certificates.certify_key(
            services, secret, contract_id(request), shown, device_keys.presented(asked)
        )
    else:
        own = tuple(b64decode(certificate) for certificate in asked.certificate_chain or ())
        brought = signer_certificates.BroughtCertificate(own, proof, asked.custody)
        certified = await signer_certificates.bring_certificate(services, secret, contract_id(request), brought)
    return web.json_response(
        {
            "certificate_chain": [base64(certificate) for certificate in certified.chain],
            "custody": certified.custody.value,
            **device_keys.bound(certified.held),
        }
    )


async def prepare(request: web.Request) -> web.Response:
    asked = await body(request, schemas.Prepare)
    consent = sign.AgreedConsent(asked.consent.version, asked.consent.sha256)
    wanted = sign.PrepareRequest(asked.document_sha256, consent, _strokes(asked.appearance))
    prepared = await sign.prepare(request.app[HUB].services, session_secret(request), contract_id(request), wanted)
    made = prepared.request
    start, end = made.gap
    return web.json_response(
        {
            "request": str(made.id),
            "expires_at": iso(made.expires_at),
            "to_be_signed": base64(made.to_be_signed),
            "byte_range": [0, start, end, prepared.size - end],
            "prepared": f"/sign/v1/prepared/{made.id}",
            "update": base64(prepared.update),
        }
    )


def _strokes(appearance: schemas.Appearance | None) -> list[list[tuple[float, float]]] | None:
    if appearance is None:
        return None
    return [[(point[0], point[1]) for point in stroke] for stroke in appearance.strokes if stroke]


async def prepared_file(request: web.Request) -> web.Response:
    """Return the whole prepared file, for programs that do not use the `update` in the answer of `prepare`."""
    wanted = read_id(request.match_info["request"], WrongSignature("there is no such request in this session"))
    content = await sign.prepared_file(request.app[HUB].services, session_secret(request), wanted)
    return file_answer(request, content, "application/pdf")


async def signature(request: web.Request) -> web.Response:
    """Accept a signature. Idempotent. `assertion`: see `passkeys`. `scripts_sha256`: hash of the scripts of the page
    that made it (see `hub.web.pages.scripts`)."""
    asked = await body(request, schemas.Signature)
    wanted = read_id(asked.request, BadInput("invalid request id", field="request"))
    contract_id(request)  # refuses an invalid id; the signature request itself says which contract is meant
    try:
        state = await sign.accept_signature(
            request.app[HUB].services,
            session_secret(request),
            wanted,
            b64decode(asked.signature),
            sign.SignatureExtras(passkeys.given(asked.assertion), asked.scripts_sha256, request.app[SCRIPTS].sha256),
        )
    except AlreadySigned:
        return web.json_response({"state": "SIGNED"})
    return web.json_response({"state": state.value})


async def refused(request: web.Request) -> web.Response:
    asked = await body(request, schemas.RefusalBody)
    wanted = read_id(asked.request, BadInput("invalid request id", field="request"))
    await sign.note_refusal(request.app[HUB].services, session_secret(request), wanted, asked.reason)
    return web.json_response({})


# ---- other acts than signing


async def decline(request: web.Request) -> web.Response:
    asked = await body(request, schemas.Decline)
    state = await decline_contract(
        request.app[HUB].services, session_secret(request), contract_id(request), asked.reason
    )
    return web.json_response({"state": state.value})


async def question(request: web.Request) -> web.Response:
    await request.app[RATE_LIMITS].slow_down(request, "question")
    asked = await body(request, schemas.QuestionBody)
    services, secret = request.app[HUB].services, session_secret(request)
    if is_pickup_secret(secret):
        await pickup_code.take_same_time(pickup_code.ask(services, secret, asked.kind, asked.text))
    else:
        await ask_question(services, secret, asked.kind, asked.text)
    return web.json_response({}, status=202)


async def relink(request: web.Request) -> web.Response:
    """Send the link again. Answers 202 whether or not there is anything to send."""
    await request.app[RATE_LIMITS].slow_down(request, "relink")
    asked = await body(request, schemas.Relink)
    await pickup_code.take_same_time(_relink(request, asked))
    return web.json_response({}, status=202)


async def _relink(request: web.Request, asked: schemas.Relink) -> None:
    try:
        number = normalise_phone(asked.phone) if asked.phone else None
    except BadInput:
        return
    await resend_link.relink(request.app[HUB].services, ticket=asked.ticket, phone=number)


async def phone(request: web.Request) -> web.Response:
    """Request or confirm a change of the phone number: `{phone}` → 202 `{state}`.

    `state`: `waiting-for-approval` by the school, or `changed`, which ends this session. The session was verified by a
    code to the old phone, which is one of the two approvals. It is the second one if the school requested this number.
    """
    await request.app[RATE_LIMITS].slow_down(request, "relink")
    asked = await body(request, schemas.Phone)
    change = await change_phone.ask_with_old_phone(
        request.app[HUB].services, session_secret(request), contract_id(request), asked.phone
    )
    state = "changed" if change.state is PhoneChangeState.CHANGED else "waiting-for-approval"
    response = web.json_response({"state": state}, status=202)
    if state == "changed":
        clear_session(response)
    return response
