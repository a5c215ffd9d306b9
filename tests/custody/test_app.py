"""The app's whole story through the client library: its key is attested and bound, used again, and revoked."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from hub.errors import ContractNotFound, NotFound
from hub.lifecycle.signing import device_keys
from hub.lifecycle.staff import change_phone
from hub.model.signing.device_key import MAX_DEVICES
from hub.model.staff.scope import EVERYTHING, Scope
from qianda.client import SigningClient
from qianda.wire import ProtocolProblem
from tests.attestations.platforms import hardware, integer
from tests.custody.app import AppKey, Phones, Saying
from tests.custody.test_own_certificate import facts_of
from tests.running import ADULT_ID, STUDENT_PHONE
from tests.web.signer.test_sign_protocol import ADULT, ANY_ORDER
from tests.web.signer_visits import asked, opened, verified

pytestmark = [pytest.mark.custody, pytest.mark.asyncio(loop_scope="module")]
CODE_APART = timedelta(minutes=2)


async def refusal(call: Any) -> tuple[int, str]:
    with pytest.raises(ProtocolProblem) as refused:
        await call
    return refused.value.status, refused.value.code


async def test_an_app_binds_its_key_signs_comes_back_and_is_revoked(phones: Phones) -> None:
    running, key = phones.running, phones.android("Chen's phone")
    first, second = await running.issue_minor(), await running.issue_minor()
    async with verified(running, first) as app:
        assert (await app.sign(key, str(first.id))).state == "SIGNED"
        assert app.custody == "app-keystore"
    await running.completed(first)
    (bound,) = await facts_of(running, first, "app-key-bound")
    assert (bound["attestation"], bound["platform"], bound["level"]) == ("verified", "android", "tee")
    (accepted,) = await facts_of(running, first, "signature-accepted")
    assert (accepted["custody_claimed"], accepted["custody"]) == ("app-keystore", "app-keystore")
    running.clock.advance(CODE_APART)
    async with verified(running, second, count=2) as app:  # another session, the same key, no new statement
        assert (await app.sign(key, str(second.id))).state == "SIGNED"
        assert (app.custody, len(key.said)) == ("app-keystore", 1)
        (device,) = await app.devices()
        assert (device["label"], device["attestation"], device["this"]) == ("Chen's phone", "verified", True)
        assert device["used_at"] > device["bound_at"]
        assert await facts_of(running, second, "app-key-bound") == []
        await app.revoke_device(device["id"])
        await app.revoke_device(device["id"])
        (device,) = await app.devices()
        assert device["revoked_at"] and device["this"]
    await running.completed(second)
    (revoked,) = await facts_of(running, second, "app-key-revoked")
    assert (revoked["device"], revoked["reason"]) == (device["id"], "by-its-person")
    third = await running.issue_minor()
    running.clock.advance(CODE_APART)
    async with verified(running, third, count=3) as app:
        assert await refusal(app.sign(key, str(third.id))) == (403, "key-revoked")
        assert (await app.sign(phones.iphone(), str(third.id))).state == "SIGNED"  # a new device
        assert [each["platform"] for each in await app.devices()] == ["ios", "android"]
    assert [each["reason"] for each in await facts_of(running, third, "key-refused")] == ["key-revoked"]


async def test_what_app_attest_says_and_a_key_that_nobody_speaks_for(phones: Phones) -> None:
    contract = await phones.running.issue_minor()
    async with verified(phones.running, contract) as app:
        await app.key(phones.iphone())
        assert app.custody == "app-keystore"
        await app.key(plain := AppKey())
        assert app.custody == "software"
        levels = {each["level"]: each["attestation"] for each in await app.devices()}
        assert levels == {"vouched": "verified", "": "none"}
        plain.attestation = lambda challenge: phones.keystore.statement(  # type: ignore[method-assign]
            plain.private.public_key(), challenge
        )
        await app.key(plain)  # later it can
        assert app.custody == "app-keystore" and len(await app.devices()) == 2
    (attested,) = await facts_of(phones.running, contract, "app-key-attested")
    assert attested["level"] == "tee"


async def test_statements_that_are_not_believed(phones: Phones) -> None:
    """The key counts as software; its claim and the reasons for the refusal are kept."""
    running, contract = phones.running, await phones.running.issue_minor()
    honest = phones.android()
    timed = hardware(tag_505=integer(60))
    not_believed = [
        (
            AppKey(lambda key, challenge: phones.keystore.statement(key, challenge, in_hardware=timed)),
            ["not-asked-each-time"],
        ),
        (AppKey(lambda key, challenge: phones.app_attest.statement(key, challenge, counter=3)), ["used-before"]),
        (AppKey(lambda key, challenge: phones.keystore.statement(key, bytes(32))), ["another-challenge"]),
    ]
    async with verified(running, contract) as app:
        await app.key(honest)
        not_believed.append((Saying(honest.said[0]), ["another-challenge", "another-key"]))  # replayed
        for key, _ in not_believed:
            await app.key(key)
            assert app.custody == "software"
    bound = await facts_of(running, contract, "app-key-bound")
    assert [each.get("reasons", []) for each in bound] == [[], *(reasons for _, reasons in not_believed)]
    issued = await facts_of(running, contract, "certificate-issued")
    assert {each["custody_claimed"] for each in issued} == {"app-keystore"}
    assert [each["custody"] for each in issued] == ["app-keystore", *["software"] * len(not_believed)]


async def test_the_statement_itself_is_kept_with_what_it_answers(phones: Phones) -> None:
    contract, key = await phones.running.issue_minor(), phones.android()
    async with verified(phones.running, contract) as app:
        await app.key(key)
    async with phones.running.hub.database.transaction(EVERYTHING) as tx:
        kept = await tx.app_keys.find_by_public_key(key.spki)
    assert kept is not None and kept.evidence is not None and kept.challenge is not None
    said = json.loads(kept.evidence)
    assert (said["format"], said["chain"]) == ("android-key", key.said[0]["certificate_chain"])
    assert kept.challenge in b64decode(said["chain"][0])


async def test_a_key_has_one_person(phones: Phones) -> None:
    running = phones.running
    contract = await running.issue_minor(student=ADULT, signers=ANY_ORDER)
    key = phones.android()
    async with (
        verified(running, contract) as guardian,
        verified(running, contract, 1, "李想", ADULT_ID[-4:], STUDENT_PHONE) as student,
    ):
        await guardian.key(key)
        assert await refusal(student.key(key)) == (403, "key-of-somebody-else")
        (device,) = await guardian.devices()
        assert await student.devices() == []
        assert await refusal(student.revoke_device(device["id"])) == (404, "not-found")
        await guardian.revoke_device(device["id"])
        assert await refusal(student.key(key)) == (403, "key-of-somebody-else")  # also if it was revoked
        shared = phones.android()
        both = await asyncio.gather(guardian.key(shared), student.key(shared), return_exceptions=True)
        assert [each.code for each in both if isinstance(each, ProtocolProblem)] == ["key-of-somebody-else"]


async def test_a_revoked_key_signs_nothing_of_what_was_begun(phones: Phones) -> None:
    running, contract, key = phones.running, await phones.running.issue_minor(), phones.android()
    async with verified(running, contract) as app:
        await app.key(key)
        shown = await app.contract()
        prepared = await app.prepare(shown)
        (device,) = await app.devices()
        await app.revoke_device(device["id"])
        signature = app.signature(prepared.request, key.sign(prepared.to_be_signed))
        assert await refusal(signature) == (403, "key-revoked")
        assert await refusal(app.prepare(shown)) == (403, "key-revoked")
        assert await refusal(app.key(key)) == (403, "key-revoked")
        software = type("Software", (AppKey,), {"custody": "software"})
        disguised = software()
        disguised.private, disguised._key = key.private, key.private
        assert await refusal(app.key(disguised)) == (403, "key-revoked")  # whatever it claims to be
        assert (await app.sign(phones.android("new"))).state == "SIGNED"


async def test_staff_revoke_for_a_signer_whom_they_see(phones: Phones) -> None:
    running, contract, key = phones.running, await phones.running.issue_minor(), phones.android()
    other = await running.issue_minor(student=ADULT, signers=ANY_ORDER[1:])
    services = running.hub.services
    async with verified(running, contract) as app:
        await app.key(key)
        device = UUID((await app.devices())[0]["id"])
        hefei, beijing = Scope(frozenset({"hefei"})), Scope(frozenset({"beijing"}))
        with pytest.raises(ContractNotFound):
            await device_keys.revoke_for(services, beijing, contract.id, device, "staff:x")
        with pytest.raises(NotFound):
            await device_keys.revoke_for(services, hefei, other.id, device, "staff:x")
        with pytest.raises(NotFound):
            await device_keys.revoke_for(services, hefei, contract.id, uuid4(), "staff:x")
        await device_keys.revoke_for(services, hefei, contract.id, device, "staff:x")
        assert await refusal(app.key(key)) == (403, "key-revoked")
    (revoked,) = await facts_of(running, contract, "app-key-revoked")
    assert revoked["reason"] == "by-staff"


async def test_a_phone_change_revokes_every_device(phones: Phones) -> None:
    running, contract = phones.running, await phones.running.issue_minor()
    keys = [phones.android(), phones.iphone()]
    async with verified(running, contract) as app:
        for key in keys:
            await app.key(key)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (signer,) = await tx.contracts.list_signers(contract.id)
        services, phone = running.hub.services, "+8619000000777"
        wanted = change_phone.PhoneRequest(contract.id, signer.id, phone, "lost")
        change = await change_phone.ask(services, EVERYTHING, wanted, "staff:a")
        await change_phone.approve(services, EVERYTHING, change.id, "staff:b")
        assert await refusal(app.devices()) == (401, "session-not-valid")
    running.clock.advance(CODE_APART)
    async with verified(running, contract, phone=phone) as app:
        assert all(each["revoked_at"] for each in await app.devices())
        for key in keys:
            assert await refusal(app.key(key)) == (403, "key-revoked")
    assert [each["reason"] for each in await facts_of(running, contract, "app-key-revoked")] == ["phone-changed"] * 2


async def test_so_many_devices_and_no_more(phones: Phones) -> None:
    contract = await phones.running.issue_minor()
    async with verified(phones.running, contract) as app:
        for _ in range(MAX_DEVICES):
            await app.key(AppKey())
        assert await refusal(app.key(AppKey())) == (409, "too-many-devices")
        await app.revoke_device((await app.devices())[0]["id"])
        await app.key(AppKey())


async def test_who_may_ask_for_devices(phones: Phones) -> None:
    running, contract = phones.running, await phones.running.issue_minor()
    async with opened(running, contract) as app:
        assert await refusal(app.devices()) == (403, "not-verified")
        assert await refusal(app.revoke_device(str(uuid4()))) == (403, "not-verified")
    async with verified(running, contract) as page, SigningClient(running.origin) as program:
        await program.claim((await page.pair())["code"])
        assert await refusal(program.devices()) == (403, "not-for-agents")
        await program.key(phones.android())  # the key of a paired program does not become one of the person's devices
        assert program.custody == "software" and await page.devices() == []
        for bad in ("x", "0" * 36, "-" * 36):
            assert (await refusal(page.revoke_device(bad)))[0] in (404, 422)


@pytest.mark.parametrize(
    "attestation",
    [
        {},
        {"format": "packed"},
        {"format": "android-key"},
        {"format": "android-key", "certificate_chain": []},
        {"format": "android-key", "certificate_chain": ["?"]},
        {"format": "apple-appattest", "key_id": "AAAA"},
        {"format": "apple-appattest", "key_id": "AAAA", "object": "AAAA", "more": 1},
        "x",
        [],
    ],
)
async def test_statements_of_another_form(phones: Phones, attestation: Any) -> None:
    body = {"spki": "AAAA", "proof": "AAAA", "custody": "app-keystore", "attestation": attestation}
    status, answer, _ = await asked(phones.running, "POST", "/sign/v1/key", body=body)
    assert (status, answer["code"]) == (422, "bad-input") and answer["field"].startswith("attestation")
