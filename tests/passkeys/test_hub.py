"""Passkeys at a whole hub: made in a verified session, used for exactly one request, refused if anything is wrong."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.lifecycle.staff import change_phone
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.signing.passkey import MAX_PASSKEYS
from hub.model.staff.scope import EVERYTHING
from hub.web.file_checks import trust_files
from qianda.checks import RefusedToSign
from qianda.client import PreparedRequest, SigningClient, possession_statement
from qianda.holder import SoftwareKey
from qianda.passkey_binding import PasskeyBinding, find_binding
from qianda.verify.pdf.structure import examine
from qianda.verify.trust import Trust
from qianda.wire import ProtocolProblem
from tests.lent_hubs import lent_hub
from tests.passkeys.authenticator import PRESENT, Authenticator
from tests.passkeys.dishonest_authority import naming_passkeys_of_its_own
from tests.running import ADULT_ID, STUDENT_PHONE, Running
from tests.web.signer_visits import asked, verified
from tests.web.staff_visit import console_of

pytestmark = [pytest.mark.custody, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(host="localhost") as hub:
        yield hub


def text(value: bytes) -> str:
    return b64encode(value).decode()


class BrowserKey(SoftwareKey):
    """A key as our page makes it."""

    custody = "browser"


@dataclass
class Visit:
    """A verified session with a certified key."""

    running: Running
    contract: Contract
    client: SigningClient
    key: SoftwareKey

    async def passkeys(self) -> Any:
        return (await self._call("GET", "passkeys"))[1]

    async def certify(self, device: Authenticator | None = None) -> tuple[int, Any]:
        """Get another certificate for the key, which names this device's passkey. Return the HTTP status and the
        answer."""
        session = (await self._call("GET", "session"))[1]
        statement = possession_statement(b64decode(session["key_challenge"]), self.running.origin, self.key.spki)
        body = {"spki": text(self.key.spki), "proof": text(self.key.sign(statement)), "custody": self.key.custody}
        named = {"passkey": text(device.credential_id)} if device else {}
        return await self._call("POST", "key", body | named)

    async def register(self, device: Authenticator) -> tuple[int, Any]:
        return await self.hand_over(*device.registration(b64decode((await self.passkeys())["challenge"])))

    async def hand_over(self, data: bytes, said: bytes) -> tuple[int, Any]:
        return await self._call("POST", "passkeys", {"authenticator_data": text(data), "client_data": text(said)})

    async def prepared(self) -> PreparedRequest:
        return await self.client.prepare(await self.client.contract())

    async def sign(self, device: Authenticator, request: PreparedRequest, of: bytes | None = None) -> None:
        """Sign a request and have the device confirm it. `of`: what the device confirms instead."""
        made = device.confirm(request.to_be_signed if of is None else of)
        assertion = {
            "credential": text(device.credential_id),
            "authenticator_data": text(made.authenticator_data),
            "client_data": text(made.client_data),
            "signature": text(made.signature),
        }
        await self.client.signature(request.request, self.key.sign(request.to_be_signed), assertion=assertion)

    async def key_deleted(self) -> None:
        assert await self._call("POST", "key/deleted", {}) == (200, {})

    async def entries(self, kind: str) -> list[Any]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return [each.facts for each in await tx.record.list_entries(self.contract.id) if each.kind == kind]

    async def _call(self, method: str, step: str, body: Any = None) -> tuple[int, Any]:
        status, said, _ = await asked(
            self.running, method, f"/sign/v1/{step}", body=body, bearer=str(self.client.bearer)
        )
        return status, said


@pytest_asyncio.fixture(loop_scope="module")
async def visit(running: Running) -> AsyncIterator[Visit]:
    async with AsyncExitStack() as stack:
        yield await another_visit(stack, running)


async def another_visit(stack: AsyncExitStack, running: Running, count: int = 1) -> Visit:
    contract = await running.issue_minor()
    client = await stack.enter_async_context(verified(running, contract, count=count))
    key = BrowserKey()
    await client.key(key)
    return Visit(running, contract, client, key)


def device_for(running: Running) -> Authenticator:
    return Authenticator(origin=running.origin, counter=1)


async def test_registered_once_confirmed_twice_and_shown(running: Running) -> None:
    device, finals = device_for(running), []
    async with AsyncExitStack() as stack:
        for number in (1, 2):
            visit = await another_visit(stack, running, count=number)
            known = await visit.passkeys()
            assert known["rp_id"] == "localhost" and len(known["credentials"]) == number - 1
            if number == 1:
                made = {"credential": text(device.credential_id), "public_key": text(device.public_key)}
                assert await visit.register(device) == (201, made)
            assert (await visit.passkeys())["public_keys"] == [text(device.public_key)]
            status, said = await visit.certify(device)
            assert status == 200
            certificate = b64decode(said["certificate_chain"][0])
            assert find_binding(certificate) == PasskeyBinding.to(device.public_key, running.origin)
            device.counter += 1
            await visit.sign(device, await visit.prepared())
            await visit.key_deleted()
            finals.append((visit, await running.completed(visit.contract)))
            running.clock.advance(timedelta(minutes=2))
    for visit, final in finals:
        await shown(running, visit, final, device)
    page = (await (await console_of(running)).get(f"/staff/contracts/{visit.contract.id}")).words
    assert page.count("confirmed by a passkey") == 2  # at the signer, and in the history
    assert page.count("deleted, as the page reports") == 2
    assert len(await finals[0][0].entries("passkey-registered")) == 1
    assert await finals[1][0].entries("passkey-registered") == []


async def test_a_person_has_the_newest_of_their_passkeys(running: Running, visit: Visit) -> None:
    devices = [device_for(running) for _ in range(MAX_PASSKEYS + 1)]
    for device in devices[:-1]:
        assert (await visit.register(device))[0] == 201
    assert await known_to(visit) == [text(each.credential_id) for each in devices[:-1]]
    assert (await visit.register(devices[-1]))[0] == 201
    assert await known_to(visit) == [text(each.credential_id) for each in devices[1:]]


async def known_to(visit: Visit) -> list[str]:
    """Return the credentials of the visitor's passkeys, oldest first."""
    return list(reversed((await visit.passkeys())["credentials"]))


async def shown(running: Running, visit: Visit, final: bytes, device: Authenticator) -> None:
    structure = examine(final, [*visit.contract.fields, "seal"])
    (confirmation,) = structure.confirmed.values()
    assert structure.findings == []
    assert (confirmation.public_key, confirmation.confirmed.origin) == (device.public_key, running.origin)
    assert confirmation.bound
    assert Trust.load(trust_files(running.hub)).origins == {running.origin}  # as the page /verify knows it
    (accepted,) = await visit.entries("signature-accepted")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (request,) = [each for each in await tx.signatures.list_of_contract(visit.contract.id) if not each.is_seal]
    assert request.confirmation and accepted["assertion_sha256"] == hashlib.sha256(request.confirmation).hexdigest()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (passkey,) = await tx.passkeys.list_of_person(
            (await tx.contracts.list_signers(visit.contract.id))[0].person, "localhost"
        )
    assert accepted["passkey"] == str(passkey.id)
    *_, issued = await visit.entries("certificate-issued")
    assert (issued["passkey"], issued["certificate_sha256"]) == (str(passkey.id), accepted["certificate_sha256"])


async def test_a_wrong_one_changes_nothing_and_signing_goes_on_without(visit: Visit) -> None:
    device = device_for(visit.running)
    await visit.register(device)
    request = await visit.prepared()
    wrong: list[tuple[Authenticator, bytes | None]] = [
        (replace(device, counter=2), b"another request"),
        (replace(device, counter=2, flags=PRESENT), None),
        (replace(device, counter=1), None),  # the counter went back
        (replace(device, counter=2, origin="http://localhost:1"), None),
        (device_for(visit.running), None),  # an unknown device
    ]
    for number, (lying, of) in enumerate(wrong, start=1):
        with pytest.raises(ProtocolProblem) as refused:
            await visit.sign(lying, request, of)
        assert (refused.value.status, refused.value.code) == (403, "wrong-confirmation")
        assert await visit.running.state(visit.contract) == "ISSUED"
        assert len(await visit.entries("confirmation-refused")) == number
    assert await visit.entries("signature-accepted") == []
    await visit.client.signature(request.request, visit.key.sign(request.to_be_signed))
    (accepted,) = await visit.entries("signature-accepted")
    assert "passkey" not in accepted


async def test_the_passkey_of_another_device_does_not_confirm_what_the_certificate_names(visit: Visit) -> None:
    phone, laptop = device_for(visit.running), device_for(visit.running)
    for device in (phone, laptop):
        assert (await visit.register(device))[0] == 201
    assert (await visit.certify(phone))[0] == 200
    request = await visit.prepared()
    with pytest.raises(ProtocolProblem) as refused:
        await visit.sign(replace(laptop, counter=2), request)
    assert refused.value.code == "wrong-confirmation"
    (entry,) = await visit.entries("confirmation-refused")
    assert entry["reason"] == "the signer's certificate names another passkey"
    await visit.sign(replace(phone, counter=2), request)
    assert len(await visit.entries("signature-accepted")) == 1


async def test_no_certificate_names_the_passkey_of_somebody_else(visit: Visit) -> None:
    await visit.register(device := device_for(visit.running))
    before = await visit.entries("certificate-issued")
    status, said = await visit.certify(device_for(visit.running))  # an unknown device
    assert (status, said["code"]) == (403, "wrong-confirmation")
    assert await visit.entries("certificate-issued") == before
    student = NewSigner(Role.STUDENT, "李想", STUDENT_PHONE, ADULT_ID)
    contract = await visit.running.issue_minor(student=NewStudent("李想", "cn-id", ADULT_ID), signers=(student,))
    async with verified(visit.running, contract, 0, "李想", ADULT_ID[-4:], STUDENT_PHONE) as other:
        theirs = Visit(visit.running, contract, other, BrowserKey())
        status, said = await theirs.certify(device)
        assert (status, said["code"]) == (403, "wrong-confirmation")
        assert await theirs.entries("certificate-issued") == []


async def test_a_certificate_without_a_passkey_is_confirmed_as_before_and_declared(visit: Visit) -> None:
    """A page that was loaded before the hub was updated sends its confirmation like this."""
    await visit.register(device := device_for(visit.running))
    await visit.sign(replace(device, counter=2), await visit.prepared())
    structure = examine(await visit.running.completed(visit.contract))
    (confirmation,) = structure.confirmed.values()
    assert structure.findings == [] and confirmation.bound is False


async def test_the_client_does_not_sign_with_a_certificate_that_names_a_passkey_of_the_hubs(running: Running) -> None:
    with naming_passkeys_of_its_own(running):
        async with AsyncExitStack() as stack:
            visit = await another_visit(stack, running)
            with pytest.raises(RefusedToSign, match="3: the certificate names a passkey"):
                await visit.client.sign(visit.key)
            assert len(await visit.entries("signing-refused-by-client")) == 1
            assert await visit.entries("signature-accepted") == []


async def test_a_challenge_serves_once_and_in_its_own_visit(visit: Visit) -> None:
    device = device_for(visit.running)
    fresh = device.registration(b64decode((await visit.passkeys())["challenge"]))
    assert (await visit.hand_over(*fresh))[0] == 201
    for again in (
        fresh,
        replace(device, flags=PRESENT).registration(b64decode((await visit.passkeys())["challenge"])),
        device.registration(b64decode((await visit.passkeys())["challenge"])),
    ):
        status, said = await visit.hand_over(*again)
        assert (status, said["code"]) == (403, "wrong-confirmation")
    assert (await visit.passkeys())["credentials"] == [text(device.credential_id)]
    await nobody_has_passkeys_before_the_code(visit.running)


async def nobody_has_passkeys_before_the_code(running: Running) -> None:
    async with SigningClient(running.origin) as client:
        await client.open(await running.ticket(await running.issue_minor()))
        for method, body in (("GET", None), ("POST", {"authenticator_data": "AAAA", "client_data": "AAAA"})):
            status, said, _ = await asked(running, method, "/sign/v1/passkeys", body=body, bearer=str(client.bearer))
            assert (status, said["code"]) == (403, "not-verified")


async def test_a_phone_change_ends_passkeys_and_erasing_removes_them(visit: Visit) -> None:
    device, services = device_for(visit.running), visit.running.hub.services
    await visit.register(device)
    async with services.database.transaction(EVERYTHING) as tx:
        signer = (await tx.contracts.list_signers(visit.contract.id))[0]
        assert await tx.passkeys.lock(device.credential_id, signer.person, "localhost")
        assert await tx.passkeys.lock(device.credential_id, "somebody", "localhost") is None
        assert await tx.passkeys.lock(device.credential_id, signer.person, "other.example") is None
    wanted = change_phone.PhoneRequest(visit.contract.id, signer.id, "+8619000000999", "lost")
    change = await change_phone.ask(services, EVERYTHING, wanted, "staff:x")
    await change_phone.approve(services, EVERYTHING, change.id, "staff:y")
    async with services.database.transaction(EVERYTHING) as tx:
        assert await tx.passkeys.list_of_person(signer.person, "localhost") == []
        assert await tx.passkeys.count_made(signer.person) == 1
        await tx.record.erase(signer.id)
        assert await tx.passkeys.count_made(signer.person) == 0


async def test_the_deletion_of_the_key_is_kept_as_the_pages_word(visit: Visit) -> None:
    request = await visit.prepared()
    await visit.client.signature(request.request, visit.key.sign(request.to_be_signed))
    await visit.key_deleted()
    await visit.key_deleted()
    (entry,) = await visit.entries("key-deletion-reported")
    assert entry["reported_by"] == "page"
    async with visit.running.hub.database.transaction(EVERYTHING) as tx:
        (signed,) = [each for each in await tx.signatures.list_of_contract(visit.contract.id) if not each.is_seal]
    assert entry["certificate_sha256"] == hashlib.sha256(signed.chain[0]).hexdigest()


async def test_there_are_none_at_an_address_without_a_name() -> None:
    async with lent_hub(with_worker=False) as running, SigningClient(running.origin) as client:  # 127.0.0.1
        await client.open(await running.ticket(await running.issue_minor()))
        status, said, _ = await asked(running, "GET", "/sign/v1/passkeys", bearer=str(client.bearer))
    assert (status, said["code"]) == (404, "not-found")
