"""A client of the signing protocol `/sign/v1/*`, for native apps, programs and tests (needs the extra `client`).

`SigningClient` has one method for each call. `sign` does everything from key to signature and never signs blindly
(`qianda.checks`). Binary values are standard base64, hashes lower-case hex, ECDSA values raw r‖s.
"""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import aiohttp
from cryptography.hazmat.primitives import serialization

from qianda.certificate_loading import load_certificate
from qianda.checks import PreparedFile, RefusedToSign, check_prepared
from qianda.holder import AppHolder, Holder, SoftwareKey
from qianda.update import check_update
from qianda.wire import BadAnswer, Json, ProtocolProblem, Wire, binary, new_http_session, origin_of

BUSY_TIMEOUT = 240  # seconds; another signer's lease on the document lasts three minutes
MAX_PAUSE = 10.0
_KEY_PURPOSE = b"qianda-key-v1"


@dataclass(frozen=True)
class ShownConsent:
    version: str
    text: str
    sha256: str


@dataclass(frozen=True)
class ShownContract:
    """A contract to be signed. `document_sha256` is the hash of the bytes that `document` returns to this signer.
    `custody` names where the signer's key may be kept; empty: anywhere."""

    title: str
    summary: Any
    pages: Any
    document_sha256: str
    consent: ShownConsent
    signers: Any
    custody: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreparedRequest:
    """The answer of `prepare`. `to_be_signed`: the signed attributes as a DER SET. `prepared`: the URL of the file.
    `update`: what the file has behind the document that was shown; empty from older hubs. `shown`, if given: that
    document, which then need not be loaded again."""

    request: str
    expires_at: str
    to_be_signed: bytes
    byte_range: tuple[int, ...]
    prepared: str
    update: bytes = b""
    shown: bytes = b""


@dataclass(frozen=True)
class SigningResult:
    state: str
    request: str
    certificate_chain: tuple[bytes, ...]
    document_sha256: str


class SigningClient:
    """One session of one signer. Use it as an async context manager, or pass an aiohttp session and close that.

    `base_url` is the hub's public address. `origin` (scheme, host, port) is part of the proof of possession; the
    default is taken from `base_url`. Network errors raise aiohttp.ClientError or TimeoutError.
    """

    def __init__(
        self,
        base_url: str,
        *,
        http: aiohttp.ClientSession | None = None,
        origin: str | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        language: str = "en",
    ) -> None:
        self._origin = origin or origin_of(base_url)
        self._owns_http = http is None
        self._http = http or new_http_session()
        self._wire = Wire(base_url, self._http)
        self._wire.language = language
        self._sleep = sleep
        self._challenge: bytes | None = None
        self._certified: tuple[bytes, tuple[bytes, ...]] | None = None
        self.custody = ""  # where the key is kept, as far as the hub accepts the proof: `app-keystore` …

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._owns_http:
            await self._http.close()

    @property
    def bearer(self) -> str | None:
        """The secret of the session, with which `resume` continues it. Never log it."""
        return self._wire.bearer

    def resume(self, bearer: str) -> None:
        """Continue a session that was opened earlier."""
        self._wire.bearer, self._challenge, self._certified = bearer, None, None

    # ---- landing -----------------------------------------------------------------------------------------------

    async def open(self, ticket: str) -> Json:
        """Return `{session, key_challenge, school, campus}`. `link-not-valid`: unknown, expired, revoked."""
        return await self._open({"ticket": ticket})

    async def open_pickup(self, pickup_code: str, phone: str) -> Json:
        return await self._open({"pickup_code": pickup_code, "phone": phone})

    async def open_poster(self, poster: str, phone: str, name: str) -> Json:
        return await self._open({"poster": poster, "phone": phone, "name": name})

    async def _open(self, body: Json) -> Json:
        return self._remember(await self._wire.post("open", body))

    async def code(self) -> None:
        """Ask for a one-time code. The hub sends it to the phone on file."""
        await self._wire.post("code", {})

    async def verify(self, code: str, name: str, id_tail: str) -> list[Json]:
        """Check code and identity; return the waiting contracts, `{id, title, state}` each. The secret changes."""
        answer = self._remember(await self._wire.post("verify", {"code": code, "name": name, "id_tail": id_tail}))
        return list(answer["contracts"])

    async def verify_phone(self, code: str) -> list[Json]:
        """Check the code after `open_poster`; return the courses on offer, `{id, name, fee, …}` each."""
        return list(self._remember(await self._wire.post("verify", {"code": code}))["courses"])

    async def enrol(self, course: str, student: Json, signers: list[Json]) -> list[Json]:
        """Enrol a student; return the contract drawn (as `verify` lists it), or none if the school reviews it first.
        People are given as in the integration API; the one signer has the phone that got the code. The secret
        changes."""
        body = {"course": course, "student": student, "signers": signers}
        return list(self._remember(await self._wire.post("enrol", body))["contracts"])

    async def session(self) -> Json:
        """Return `{verified, contracts, key_challenge}`. The challenge is fresh."""
        return self._remember(await self._wire.get("session"))

    async def relink(self, *, ticket: str | None = None, phone: str | None = None) -> None:
        """Ask for a new link. The answer is always the same, so that it does not reveal whether a link is sent."""
        await self._wire.post("relink", {"ticket": ticket} if ticket is not None else {"phone": phone})

    # ---- a program on the signer's own computer --------------------------------------------------------------------

    async def pair(self, contract_id: str | None = None) -> Json:
        """Return `{code, expires_at}`. With the code, a program may join this session, to sign with its token."""
        return await self._wire.post("pair", {}, contract_id)

    async def claim(self, code: str) -> Json:
        """Join the session that showed this code; return `{session, key_challenge, origin, contract, school, campus,
        …}`. The new session can only sign, and only after the other side called `confirm_pairing`."""
        return self._remember(await self._wire.post("/agent/v1/claim", {"code": code}))

    async def pairing(self) -> Json:
        """Return `{state, certificate, task, …}` to either side: WAITING, CLAIMED, CERTIFIED, CONFIRMED or ENDED."""
        return await self._wire.get("pairing")

    async def confirm_pairing(self, certificate_sha256: str) -> None:
        """Confirm that the certificate is the person's own. `not-confirmed`: the program now has another one."""
        await self._wire.post("pairing/confirm", {"certificate_sha256": certificate_sha256})

    async def end_pairing(self) -> None:
        await self._wire.post("pairing/end", {})

    # ---- keys of apps ------------------------------------------------------------------------------------------

    async def devices(self) -> list[Json]:
        """Return the devices: `{id, label, platform, attestation, level, bound_at, used_at, revoked_at, this}`."""
        return list((await self._wire.get("devices"))["devices"])

    async def revoke_device(self, device: str) -> None:
        """Revoke the key of a device, so that it can no longer sign. Repeating this is not an error."""
        await self._wire.post("devices/revoke", {"id": device})

    # ---- reading -----------------------------------------------------------------------------------------------

    async def contract(self, contract_id: str | None = None) -> ShownContract:
        """Return the contract. Raises BadAnswer if the hash of the consent is not that of its text."""
        answer = await self._wire.get("contract", contract_id)
        try:
            consent = ShownConsent(**{name: answer["consent"][name] for name in ("version", "text", "sha256")})
        except (KeyError, TypeError) as error:
            raise BadAnswer("the contract's consent is incomplete") from error
        if hashlib.sha256(consent.text.encode()).hexdigest() != consent.sha256:
            raise BadAnswer("the consent's hash is not that of its text")
        title, document = str(answer.get("title", "")), str(answer.get("document_sha256", ""))
        custody = tuple(map(str, answer.get("custody") or ()))
        return ShownContract(
            title, answer.get("summary"), answer.get("pages"), document, consent, answer.get("signers"), custody
        )

    async def page(self, number: int, contract_id: str | None = None) -> bytes:
        """Return one page as PNG. Pages are counted from 1."""
        return await self._wire.get_bytes(f"pages/{number}.png", contract_id)

    async def text(self, contract_id: str | None = None) -> str:
        return (await self._wire.get_bytes("text", contract_id)).decode()

    async def document(self, contract_id: str | None = None) -> bytes:
        """Return the PDF as it is shown to this signer."""
        return await self._wire.get_bytes("document.pdf", contract_id)

    async def final(self, contract_id: str | None = None) -> bytes:
        """Return the finished PDF. It exists once the contract is completed."""
        return await self._wire.get_bytes("final.pdf", contract_id)

    async def evidence(self, contract_id: str | None = None) -> bytes:
        return await self._wire.get_bytes("evidence.zip", contract_id)

    # ---- answering ---------------------------------------------------------------------------------------------

    async def decline(self, reason: str, contract_id: str | None = None) -> Json:
        return await self._wire.post("decline", {"reason": reason}, contract_id)

    async def question(self, text: str, contract_id: str | None = None) -> Json:
        """Send a question ("not me", "wrong", …), which somebody at the school answers. Reminders stop."""
        return await self._wire.post("question", {"text": text}, contract_id)

    async def change_phone(self, phone: str, contract_id: str | None = None) -> str:
        """Ask for another phone number, or confirm the one that the school asked for. Return `waiting-for-approval`, or
        `changed`, after which this session has ended."""
        return str((await self._wire.post("phone", {"phone": phone}, contract_id))["state"])

    async def refused(self, request: str, reason: str, contract_id: str | None = None) -> None:
        """Report that the prepared file did not pass the checks."""
        await self._wire.post("refused", {"request": request, "reason": reason}, contract_id)

    # ---- signing, step by step ---------------------------------------------------------------------------------

    async def key(
        self, holder: Holder, contract_id: str | None = None, *, chain: tuple[bytes, ...] | None = None
    ) -> tuple[bytes, ...]:
        """Prove possession of the holder's key; return its certificate chain in DER, the signer's first.

        `chain` is the key's own certificate with its issuers; without it, an authority issues one. The platform's
        statement about an app's key is sent as well; afterwards `custody` says which custody the hub accepts as proved.
        """
        if self._challenge is None:
            await self.session()
        challenge, self._challenge = self._challenge or b"", None  # a challenge can be used once
        proof = holder.sign(possession_statement(challenge, self._origin, holder.spki))
        body: Json = {"proof": b64encode(proof).decode(), "custody": holder.custody}
        if chain is None:
            body["spki"] = b64encode(holder.spki).decode()
            if isinstance(holder, AppHolder):
                body |= {"device": holder.device, "attestation": holder.attestation(challenge)}
        else:
            body["certificate_chain"] = [b64encode(certificate).decode() for certificate in chain]
        answer = await self._wire.post("key", body, contract_id)
        issued = tuple(binary(value) for value in answer.get("certificate_chain") or ()) or chain or ()
        self._certified, self.custody = (holder.spki, issued), str(answer.get("custody") or "")
        return issued

    async def prepare(
        self, contract: ShownContract, contract_id: str | None = None, *, strokes: Any = None
    ) -> PreparedRequest:
        """Let the hub prepare the file for this signature, and lease the document to this signer for three minutes.

        `strokes` is the signer's drawing of the name, as the page sends it. Raises ProtocolProblem `document-busy`
        while somebody else holds the lease, and `document-changed` if the document was signed in the meantime.
        """
        body = {
            "document_sha256": contract.document_sha256,
            "consent": {"version": contract.consent.version, "sha256": contract.consent.sha256},
            "appearance": None if strokes is None else {"strokes": strokes},
        }
        answer = await self._wire.post("prepare", body, contract_id)
        try:
            byte_range = tuple(answer["byte_range"])
            parts = binary(answer["to_be_signed"]), byte_range, answer["prepared"], binary(answer.get("update", ""))
            return PreparedRequest(answer["request"], answer["expires_at"], *parts)
        except (KeyError, TypeError) as error:
            raise BadAnswer("the answer to prepare is incomplete") from error

    async def prepared_file(self, prepared: PreparedRequest) -> bytes:
        """Return the prepared file. Raises BadAnswer if it is on another origin, which must not get the secret."""
        if prepared.shown and prepared.update:
            return prepared.shown + prepared.update
        return await self._wire.follow(prepared.prepared, prepared.shown)

    async def signature(
        self, request: str, signature: bytes, contract_id: str | None = None, *, assertion: Any = None
    ) -> Json:
        """Submit the raw signature; return `{state}`. Submitting it again also succeeds."""
        body: Json = {"request": request, "signature": b64encode(signature).decode()}
        if assertion is not None:
            body["assertion"] = assertion
        return await self._wire.post("signature", body, contract_id)

    # ---- signing, in one go ------------------------------------------------------------------------------------

    async def sign(
        self,
        key: Holder | None = None,
        contract_id: str | None = None,
        strokes: Any = None,
        *,
        shown: bytes | None = None,
        contract: ShownContract | None = None,
    ) -> SigningResult:
        """Sign one contract: key, certificate, prepare, the four checks, signature. Also check that the prepared file
        changes nothing except the signature, which the four checks cannot see.

        `shown`: the bytes of the document that the person saw. `contract`: the answer of `contract()` at that moment,
        with the consent that is agreed to. By default both are fetched now. If the hub's document or consent has
        changed in the meantime, the call raises ProtocolProblem `document-changed`, `wrong-document` or
        `wrong-consent`. One holder signs all contracts of a bundle with one certificate. The call waits while another
        signer holds the document. Raises RefusedToSign, after reporting it, if the prepared file is not what was shown.
        """
        holder = key or SoftwareKey()
        contract = await self.contract(contract_id) if contract is None else contract
        shown = await self.document(contract_id) if shown is None else shown
        if hashlib.sha256(shown).hexdigest() != contract.document_sha256:
            raise RefusedToSign(1, "the document is not the one whose hash the contract names")
        chain = await self._chain_for(holder, contract_id)
        prepared = await self._prepare_in_turn(contract, contract_id, strokes)
        await self._check(shown, prepared, holder, chain, contract_id)
        answer = await self.signature(prepared.request, holder.sign(prepared.to_be_signed), contract_id)
        return SigningResult(answer["state"], prepared.request, chain, contract.document_sha256)

    async def _chain_for(self, holder: Holder, contract_id: str | None) -> tuple[bytes, ...]:
        if self._certified is not None and self._certified[0] == holder.spki:
            return self._certified[1]
        return await self.key(holder, contract_id)

    async def _prepare_in_turn(self, contract: ShownContract, contract_id: str | None, strokes: Any) -> PreparedRequest:
        waited = 0.0
        while True:
            try:
                return await self.prepare(contract, contract_id, strokes=strokes)
            except ProtocolProblem as problem:
                # `retry_after` lasts until the lease ends at the latest; most signers are done within a second.
                pause = max(min(problem.retry_after or 5.0, 1.0 + waited, MAX_PAUSE), 0.05)
                if problem.code != "document-busy" or waited + pause > BUSY_TIMEOUT:
                    raise
                await self._sleep(pause)
                waited += pause

    async def _check(
        self, shown: bytes, prepared: PreparedRequest, holder: Holder, chain: tuple[bytes, ...], contract_id: str | None
    ) -> None:
        try:
            if not chain or _spki_of(chain[0]) != holder.spki:
                raise RefusedToSign(3, "the certificate is not for this key")
            file = await self.prepared_file(replace(prepared, shown=shown))
            check_prepared(shown, PreparedFile(file, prepared.byte_range, prepared.to_be_signed), chain[0])
            await asyncio.to_thread(check_update, shown, file)
        except RefusedToSign as refusal:
            await self._report(prepared.request, refusal, contract_id)
            raise

    async def _report(self, request: str, refusal: RefusedToSign, contract_id: str | None) -> None:
        """Report a refusal. If reporting fails, add a note to the refusal, which must still be raised."""
        try:
            await self.refused(request, str(refusal), contract_id)
        except (ProtocolProblem, BadAnswer, aiohttp.ClientError, TimeoutError) as error:
            refusal.add_note(f"the refusal could not be reported: {error}")

    def _remember(self, answer: Json) -> Json:
        self._wire.bearer = answer.get("session") or self._wire.bearer
        if answer.get("key_challenge"):
            self._challenge = binary(answer["key_challenge"])
        return answer


def possession_statement(challenge: bytes, origin: str, spki: bytes) -> bytes:
    """Return the bytes that a key signs to prove that somebody at this origin holds the key."""
    return _KEY_PURPOSE + challenge + hashlib.sha256(origin.encode()).digest() + spki


def _spki_of(certificate: bytes) -> bytes:
    try:
        public_key = load_certificate(certificate).public_key()
    except ValueError as error:
        raise RefusedToSign(3, "the certificate cannot be read") from error
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public_key.public_bytes(serialization.Encoding.DER, form)
