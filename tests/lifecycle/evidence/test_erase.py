"""What a person writes is in the record only as a commitment. The text is shown as long as it is kept, and erased for
good, with its copies, while the record stays whole."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from hub.doctor.records import examine_records
from hub.errors import NotFound
from hub.lifecycle.contract.decline import decline
from hub.lifecycle.contract.end import void
from hub.lifecycle.evidence.erase import erase_of_number, erase_signer, erase_words
from hub.lifecycle.signing import signer_certificates
from hub.lifecycle.signing.device_keys import KeyEvidence, ShownKey
from hub.lifecycle.signing.questions import ask
from hub.lifecycle.signing.sign import note_refusal
from hub.lifecycle.staff import change_phone
from hub.model.contract.contract import Contract
from hub.model.evidence.record import compute_commitment, find_broken_entry
from hub.model.evidence.record_facts import list_commitments
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.signer import Person, person
from tests.running import GUARDIAN_ID, Running, running_hub
from tests.store.evidence.test_record import dumped, superuser
from tests.web.staff_visit import console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

WROTE = f"Wrong person. My document is {GUARDIAN_ID}, call Mrs Chen"
VOIDED, DECLINED, REFUSED, ASKED = "voided", "declined", "signing-refused-by-client", "phone-change-asked"


async def everything_written(running: Running) -> dict[str, Contract]:
    """Let a person's own words reach the hub in each possible way. Return the contract by the kind of its record
    entry."""
    services = running.hub.services
    contracts = {kind: await running.issue_minor() for kind in (VOIDED, DECLINED, REFUSED, ASKED)}
    await void(services, EVERYTHING, contracts[VOIDED].id, WROTE, "staff:x")
    guardian = await person(running, contracts[DECLINED])
    await guardian.enter()
    await ask(services, guardian.secret, "question", WROTE)
    await decline(services, guardian.secret, contracts[DECLINED].id, WROTE)
    guardian = await person(running, contracts[REFUSED])
    running.clock.advance(timedelta(minutes=2))  # until the next code may be asked for
    await guardian.enter()
    await guardian.fresh_challenge()
    await _with_a_device(running, guardian)
    request = await guardian.prepare()
    await note_refusal(services, guardian.secret, request.id, WROTE)
    signer = (await person(running, contracts[ASKED])).signer
    await change_phone.ask(
        services,
        EVERYTHING,
        change_phone.PhoneRequest(contracts[ASKED].id, signer.id, "+8619000000999", WROTE),
        "staff:x",
    )
    return contracts


async def _with_a_device(running: Running, guardian: Person) -> None:
    """Certify an app's key on a device to which its person gave a name."""
    shown, presented = (
        ShownKey(guardian.key.spki, guardian.proof(), "app-keystore"),
        KeyEvidence(label=WROTE[:60]),
    )
    certified = await signer_certificates.certify_key(
        running.hub.services, guardian.secret, guardian.contract.id, shown, presented
    )
    guardian.chain = certified.chain


async def where_it_is(running: Running) -> set[str]:
    """Return the tables that contain what was written in clear."""
    tables = await dumped(running)
    return {table for table, rows in tables.items() if any(_holds(row) for row in rows)}


def _holds(row: str) -> bool:
    return WROTE[:40] in row or GUARDIAN_ID in row or json.dumps(WROTE)[1:41] in row


async def test_nothing_that_anybody_writes_stands_in_the_record() -> None:
    async with quiet_hub() as running:
        contracts = await everything_written(running)
        assert await where_it_is(running) == {"contract", "staff_task", "phone_change"}
        for kind, contract in contracts.items():
            async with running.hub.database.transaction(EVERYTHING) as tx:
                entries, values = await tx.record.list_entries(contract.id), await tx.record.get_values(contract.id)
            (entry,) = [each for each in entries if each.kind == kind]
            ((name, behind),) = list(list_commitments(entry.facts))
            assert (name, values[behind]) == ("reason", ("reason", WROTE))
            assert find_broken_entry(entries) is None
        async with superuser(running) as database:
            for row in await database.fetch("SELECT commitment, salt FROM personal_value WHERE salt IS NOT NULL"):
                assert row["commitment"] == compute_commitment(row["salt"], WROTE) and len(row["salt"]) == 32


async def test_the_words_of_an_entry_are_erased_with_their_copies_and_the_record_stays_whole() -> None:
    async with quiet_hub() as running:
        services, contracts = running.hub.services, await everything_written(running)
        for kind, contract in contracts.items():
            async with running.hub.database.transaction(EVERYTHING) as tx:
                entries = await tx.record.list_entries(contract.id)
            sequence = next(each.sequence for each in entries if each.kind == kind)
            await erase_of_number(services, contract.number, sequence, "staff:x")
            with pytest.raises(NotFound):
                await erase_words(services, EVERYTHING, contract.id, sequence, "staff:x")
            async with running.hub.database.transaction(EVERYTHING) as tx:
                after, values = await tx.record.list_entries(contract.id), await tx.record.get_values(contract.id)
            assert after[: len(entries)] == entries and after[-1].kind == "words-erased"
            assert WROTE not in [text for _, text in values.values()] and len(values) == 4  # what is on file stays
        assert await where_it_is(running) == set()
        findings = [each async for each in examine_records(running.hub, lambda _: None)]
        assert all(each.well for each in findings), findings


async def test_with_a_signer_goes_what_they_wrote_and_what_was_written_about_their_contract() -> None:
    async with quiet_hub() as running:
        contracts = await everything_written(running)
        for contract in contracts.values():
            await erase_signer(running.hub.services, EVERYTHING, contract.id, "guardian-1", "staff:x")
            async with running.hub.database.transaction(EVERYTHING) as tx:
                entries, values = await tx.record.list_entries(contract.id), await tx.record.get_values(contract.id)
            assert values == {} and entries[-1].kind == "signer-erased" and find_broken_entry(entries) is None
        assert await where_it_is(running) == set()
        with pytest.raises(NotFound):
            await erase_signer(running.hub.services, EVERYTHING, contract.id, "guardian-9", "staff:x")


async def test_staff_and_the_api_are_shown_it_while_it_is_there_and_told_when_it_was_erased() -> None:
    async with running_hub(with_worker=False) as running:
        contract = await running.issue_minor()
        await void(running.hub.services, EVERYTHING, contract.id, WROTE, "staff:x")
        console = await console_of(running)
        assert f"withdrawn: “{WROTE}”" in (await console.get(f"/staff/contracts/{contract.id}")).words
        record = await _record(running, contract)
        assert [(each["fact"], each["text"]) for each in record["words"]] == [("reason", WROTE)]
        sequence = record["words"][0]["sequence"]
        await erase_words(running.hub.services, EVERYTHING, contract.id, sequence, "staff:x")
        page = (await console.get(f"/staff/contracts/{contract.id}")).words
        assert WROTE not in page and "withdrawn: erased" in page and "what had been written was erased" in page
        record = await _record(running, contract)
        assert [(each["sequence"], each["text"]) for each in record["words"]] == [(sequence, None)]
        assert record["entries"][sequence - 1]["facts"] == {"reason": {"committed": record["words"][0]["committed"]}}


async def _record(running: Running, contract: Contract) -> dict[str, list[dict[str, Any]]]:
    headers = {"Authorization": f"Bearer {running.api_key}"}
    url = f"{running.origin}/api/v1/contracts/{contract.id}/record"
    async with running.http.get(url, headers=headers) as answer:
        found: dict[str, list[dict[str, Any]]] = await answer.json()
    return found
