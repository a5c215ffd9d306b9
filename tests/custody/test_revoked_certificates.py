"""The certificates of a lost device are revoked where they were issued. What was signed before stays valid."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography import x509

from hub.model.contract.contract import TRIES_BEFORE_STAFF, Contract
from hub.model.contract.signer import TaskState
from hub.model.staff.scope import EVERYTHING
from qianda.client import SigningClient
from tests.authorities.outside_ca import OutsideCa, RegistrationAuthority
from tests.custody.app import AppKey, Phones, hub_with_an_app
from tests.custody.test_app import CODE_APART, refusal
from tests.custody.test_every_step import trust_of
from tests.custody.test_own_certificate import facts_of
from tests.judges import judge_by_pyhanko, program, run
from tests.lifecycle.people import MOTHER_ID, MOTHER_PHONE, father, mother
from tests.lifecycle.signer import staff_tasks, tasks_of
from tests.running import Running, until
from tests.web.signer_visits import verified

pytestmark = [pytest.mark.custody, pytest.mark.asyncio(loop_scope="module")]
AFTER_A_WHILE = timedelta(minutes=6)


async def lose(app: SigningClient) -> None:
    """Revoke every device of the person, as the person does."""
    for device in await app.devices():
        await app.revoke_device(device["id"])


async def revoked_serials(running: Running) -> set[int]:
    """Return the serial numbers in the built-in authority's CRL."""
    async with running.http.get(f"{running.origin}/authority/revoked.crl") as answer:
        return {each.serial_number for each in x509.load_der_x509_crl(await answer.read())}


async def serials(running: Running, contract: Contract) -> set[int]:
    return {int(facts["serial"]) for facts in await facts_of(running, contract, "certificate-issued")}


async def recorded(running: Running, contract: Contract) -> dict[str, Any]:
    """Have the worker look after what is due until there is a record entry about the revocation. Return its facts."""

    async def found() -> dict[str, Any] | None:
        await running.worker.periodic.run_round()
        entries = await facts_of(running, contract, "certificate-revoked")
        return entries[0] if entries else None

    return await until(found)


def check(file: Path, content: bytes, trust: Path, clock: str) -> None:
    """Check a file by our verifier under another clock. The hub's clock is some minutes ahead."""
    file.write_bytes(content)
    moved = (program("faketime"), "-f", clock, sys.executable, "-m", "qianda", "verify")
    assert json.loads(run(*moved, file, "--trust", trust, "--json"))["failed"] is False


@pytest.mark.parametrize("clocks", [(), pytest.param(("+20m", "+400d"), marks=pytest.mark.real)], ids=["", "for-long"])
async def test_what_was_signed_with_a_lost_device_stays_good_and_its_certificates_do_not(
    phones: Phones, tmp_path: Path, clocks: Sequence[str]
) -> None:
    """One contract is completed before; another has to be signed by the other parent and sealed after the
    revocation."""
    running, key = phones.running, phones.android()
    before, during = await running.issue_minor(), await running.issue_minor(signers=(father(1), mother(2)))
    unused = await running.issue_minor()
    async with verified(running, before) as app:
        await app.sign(key, str(before.id))
    completed = await running.completed(before)
    running.clock.advance(CODE_APART)
    async with verified(running, during, count=2) as app:
        assert (await app.sign(key, str(during.id))).state == "SIGNED"
    await until(lambda: facts_of(running, during, "signature-embedded"))
    mine = await serials(running, before) | await serials(running, during)
    running.clock.advance(AFTER_A_WHILE)
    async with verified(running, unused, count=3) as app:
        assert not mine & await revoked_serials(running)
        await lose(app)
        assert (await recorded(running, before))["reason"] == "key_compromise"
        await recorded(running, during)
        assert await revoked_serials(running) == mine and len(mine) == 2
        assert await refusal(app.key(key)) == (403, "key-revoked")
        assert (await app.sign(phones.iphone(), str(unused.id))).state == "SIGNED"
    async with verified(running, during, 1, "周文静", MOTHER_ID[-4:], MOTHER_PHONE) as other:
        assert (await other.sign(AppKey(), str(during.id))).state == "SIGNED"
    sealed = await running.completed(during)
    trust, file = trust_of(running, tmp_path), tmp_path / "contract.pdf"
    await asyncio.to_thread(check, file, sealed, trust, "+20m")
    for clock in clocks:
        for content, names in ((completed, ["guardian-1"]), (sealed, ["guardian-1", "guardian-2"])):
            await asyncio.to_thread(check, file, content, trust, clock)
            await asyncio.to_thread(judge_by_pyhanko, file, trust, [*names, "seal"], clock)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        attempts = await tx.signatures.list_attempts(before.id)
    assert [each["state"] for each in attempts if each["kind"] == "revoke"] == ["done"]
    assert "certificate-not-revoked" not in await staff_tasks(running)


async def test_a_signature_that_is_on_its_way_is_waited_for(phones: Phones) -> None:
    """A signature revoked before its timestamp would be invalid, and clocks of timestamp services differ from ours."""
    running, contract = phones.running, await phones.running.issue_minor()
    async with verified(running, contract) as app:
        assert (await app.sign(phones.android(), str(contract.id))).state == "SIGNED"
        await lose(app)
    await running.completed(contract)
    await running.worker.periodic.run_round()
    assert await revoked_serials(running) == set()
    running.clock.advance(AFTER_A_WHILE)
    await recorded(running, contract)
    assert await revoked_serials(running) == await serials(running, contract) != set()


async def test_a_certificate_that_was_revoked_before_the_timestamp_is_of_no_use(phones: Phones) -> None:
    """However it was revoked, the signature is not put into the file, and the signer is asked again."""
    running, contract = phones.running, await phones.running.issue_minor()
    async with verified(running, contract) as app:
        await app.key(key := phones.android())
        prepared = await app.prepare(await app.contract())
        (serial,) = await serials(running, contract)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.certificates.revoke(running.hub.services.sealing.authority_name, serial, tx.now, "key_compromise")
        await app.signature(prepared.request, key.sign(prepared.to_be_signed))
        await until(lambda: facts_of(running, contract, "signature-lapsed"))
        assert (await tasks_of(running, contract))[0].state is TaskState.OPEN


async def test_a_lost_key_signs_nothing_even_where_the_visit_has_another_key_by_now(phones: Phones) -> None:
    running, contract, lost = phones.running, await phones.running.issue_minor(), phones.android()
    async with verified(running, contract) as app:
        await app.key(lost)
        prepared = await app.prepare(await app.contract())
        await app.key(phones.iphone())
        (device,) = [each["id"] for each in await app.devices() if not each["this"]]
        await app.revoke_device(device)
        signature = app.signature(prepared.request, lost.sign(prepared.to_be_signed))
        assert await refusal(signature) == (403, "key-revoked")


# ---- outside authorities


@pytest_asyncio.fixture(loop_scope="module")
async def licensed(tmp_path: Path) -> AsyncIterator[RegistrationAuthority]:
    async with RegistrationAuthority(OutsideCa(tmp_path / "ca")).serving() as found:
        yield found


async def away(_: object) -> web.StreamResponse:
    return web.json_response({}, status=503)


async def lost_with(running: Running, contract: Contract) -> None:
    async with verified(running, contract) as app:
        await app.key(AppKey())
        await lose(app)


def configured(authority: RegistrationAuthority, **more: Any) -> dict[str, Any]:
    return {"authorities": {"szca": authority.options(**more)}, "authority": "szca"}


async def test_an_authority_that_is_away_is_asked_until_it_does_it(
    licensed: RegistrationAuthority, tmp_path: Path
) -> None:
    async with hub_with_an_app(tmp_path, **configured(licensed)) as phones:
        running, contract = phones.running, await phones.running.issue_minor()
        licensed.answer_revocations = away
        await lost_with(running, contract)
        key = await the_key(running)
        for tries in range(1, TRIES_BEFORE_STAFF + 1):
            await until(lambda wanted=tries: tried(running, key, wanted))  # type: ignore[misc]
            assert ("certificate-not-revoked" in await staff_tasks(running)) == (tries == TRIES_BEFORE_STAFF)
            running.clock.advance(timedelta(hours=1))
        licensed.answer_revocations = None
        await recorded(running, contract)
        (serial,) = await serials(running, contract)
        assert licensed.ca.lists(serial)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            states = [
                each["state"] for each in await tx.signatures.list_attempts(contract.id) if each["kind"] == "revoke"
            ]
            (task,) = await tx.staff_tasks.list_open_tasks(contract.id)
        assert states[-1] == "done" and set(states[:-1]) == {"failed"} and len(states) > TRIES_BEFORE_STAFF
        assert task.text.endswith(f"szca: {serial:x}")


async def test_an_authority_that_did_it_and_whose_answer_was_lost(
    licensed: RegistrationAuthority, tmp_path: Path
) -> None:
    async def lost(body: dict[str, Any]) -> web.StreamResponse:
        licensed.ca.revoke(licensed.ca.folder / f"{body['serial']}.pem")
        licensed.answer_revocations = again
        return web.json_response({}, status=503)

    async def again(_: object) -> web.StreamResponse:
        return web.json_response({"code": 2001})

    options = licensed.options()
    revoke = options["revoke"] | {"refused": {"code": ["2001"]}}
    async with hub_with_an_app(tmp_path, **configured(licensed, revoke=revoke)) as phones:
        running, contract = phones.running, await phones.running.issue_minor()
        licensed.answer_revocations = lost
        await lost_with(running, contract)
        await until(lambda: tried(running, None, 1))
        running.clock.advance(timedelta(hours=1))
        await recorded(running, contract)
        assert "certificate-not-revoked" not in await staff_tasks(running)


async def test_staff_have_to_ask_an_authority_that_revokes_nothing_by_itself(
    licensed: RegistrationAuthority, tmp_path: Path
) -> None:
    async with hub_with_an_app(tmp_path, **configured(licensed, revoke=None)) as phones:
        running, contract = phones.running, await phones.running.issue_minor()
        await lost_with(running, contract)
        await until(lambda: staff_tasks(running, contract.id))
        assert await staff_tasks(running) == ["certificate-not-revoked"]
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.app_keys.list_certificates_due(tx.now + timedelta(days=30)) == []
        assert await facts_of(running, contract, "certificate-revoked") == []


async def the_key(running: Running) -> UUID:
    async def found() -> UUID | None:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            due = await tx.app_keys.list_certificates_due(tx.now + timedelta(days=1))
        return due[0] if due else None

    return await until(found)


async def tried(running: Running, key: UUID | None, times: int) -> bool:
    """Have the worker look after what is due. Return whether the authority was asked at least `times` times."""
    await running.worker.periodic.run_round()
    key = key or await the_key(running)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        known = await tx.app_keys.get(key)
    assert known is not None
    return known.certificate_tries >= times
