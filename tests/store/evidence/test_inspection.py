"""`qianda doctor --records --files` names each entry and file that is missing or was changed, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from hub.doctor import DoctorFinding
from hub.doctor.records import examine_files, examine_records
from hub.lifecycle.contract.end import void
from hub.model.contract.contract import Contract
from hub.model.evidence.record import compute_entry_digest
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.signer import completed, signed
from tests.running import Running, running_hub
from tests.store.evidence.test_record import superuser

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 20


async def looked_at(running: Running) -> list[DoctorFinding]:
    said: list[str] = []
    found = [each async for each in examine_records(running.hub, said.append)]
    found += [each async for each in examine_files(running.hub, said.append)]
    assert said
    return found


def faults(findings: list[DoctorFinding]) -> list[tuple[str, str]]:
    """Return part and words of each fault, after checking that the two totals agree with them."""
    named = [(each.part, each.words) for each in findings if not each.well and each.part not in ("records", "files")]
    for part, of in (("records", "record of "), ("files", "file of ")):
        counted = sum(each.startswith(of) for each, _ in named)
        total = next(each for each in findings if each.part == part)
        assert (f": {counted} faults" in total.words) == (counted > 0) and total.well == (counted == 0)
    return named


async def a_finished_one(running: Running) -> Contract:
    contract = await running.issue_minor()
    await signed(running, contract)
    await completed(running, contract)
    return contract


async def test_a_sound_hub_has_nothing_but_whole_records_and_files() -> None:
    async with quiet_hub() as running:
        await a_finished_one(running)
        await void(running.hub.services, EVERYTHING, (await running.issue_minor()).id, "reason", "staff:x")
        await running.issue_minor()
        findings = await looked_at(running)
        assert faults(findings) == []
        words = {each.part: each.words for each in findings}
        assert re.fullmatch(r"\d+ entries of 3 contracts are whole", words["records"])
        assert words["files"] == "6 stored files are whole"  # three issued; one signed, one final, one package
        assert words["numbers"] == "every contract number that was given out has its contract"


async def test_each_of_many_changed_and_deleted_entries_and_removed_files_is_named() -> None:
    """65 entries changed, 65 deleted, 20 files removed: an earlier `doctor` reported that all was well."""
    async with quiet_hub() as running:
        contracts = [await running.issue_minor() for _ in range(MANY)]
        for contract in contracts:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                for number in range(10):
                    await tx.record.append(contract.id, contract.campus, "viewed-by-staff", f"staff:{number}", {})
        async with superuser(running) as database:
            entries = await database.fetch("SELECT contract, sequence FROM record_entry ORDER BY contract, sequence")
            changed, deleted = entries[1:260:4][:65], entries[3:262:4][:65]
            for row in changed:
                await database.execute(
                    "UPDATE record_entry SET actor = 'somebody' WHERE contract = $1 AND sequence = $2", *row
                )
            for row in deleted:
                await database.execute("DELETE FROM record_entry WHERE contract = $1 AND sequence = $2", *row)
        for path in (running.hub.settings.data / "files").glob("*/*"):
            path.unlink()
        numbers = {contract.id: contract.number for contract in contracts}
        named = faults(await looked_at(running))
        for contract_id, sequence in changed:
            assert (f"record of {numbers[contract_id]}", f"entry {sequence} was changed") in named
        for contract_id, sequence in deleted:
            theirs = [words for part, words in named if part == f"record of {numbers[contract_id]}"]
            assert any(_names_missing(words, sequence) for words in theirs), (contract_id, sequence, theirs)
        assert sum(" was changed" in words and part.startswith("record") for part, words in named) == len(changed)
        missing = [words for part, words in named if part.startswith("file of ")]
        assert len(missing) == MANY and all(" is missing (" in words for words in missing)


def _names_missing(words: str, sequence: int) -> bool:
    found = re.match(r"entr(?:y|ies) (\d+)(?: to (\d+))? (?:is|are) missing", words)
    return found is not None and int(found[1]) <= sequence <= int(found[2] or found[1])


CUT_WITH_HEAD = """
DELETE FROM record_entry WHERE sequence >= {end};
UPDATE record_head SET (entries, digest) = (SELECT sequence, digest FROM record_entry WHERE sequence = {end} - 1)
"""
HARMS = (
    ("DELETE FROM record_entry WHERE sequence = {last}", "entry {last} is missing at the end"),
    ("DELETE FROM record_entry WHERE sequence > 2", "entries 3 to {last} are missing at the end"),
    ("DELETE FROM record_entry", "entries 1 to {last} are missing at the end"),
    ("DELETE FROM record_head", "the head of its record is missing"),
    ("DELETE FROM record_entry; DELETE FROM record_head", "it has no record"),
    ("UPDATE record_head SET digest = sha256('x')", "the head of its record says entry {last}, but has another digest"),
    ("UPDATE record_head SET entries = 1", "the head of its record says entry 1, but has another digest"),
    (CUT_WITH_HEAD, "the row says COMPLETED, its record says SIGNED"),
    ("UPDATE contract SET state = 'VOIDED'", "the row says VOIDED, its record says COMPLETED"),
    ("UPDATE contract SET number = 'QD-2026-000999'", "its record belongs to {number}"),
    ("UPDATE contract SET document = issued_sha256", "the row names another current file than its record"),
    ("UPDATE contract SET issued_sha256 = document", "the row and the record name different files as issued"),
    ("DELETE FROM document_version WHERE kind = 'final'", "{document}, named by entry {end}, is not listed"),
    ("DELETE FROM contract", "the row of the contract is missing"),
)
TABLES = ("record_entry", "record_head", "contract", "document_version")


async def _written_columns(database: asyncpg.Connection, table: str) -> str:
    """Return the columns of a table that are not computed from others."""
    asked = "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0"
    found = await database.fetchval(f"{asked} AND NOT attisdropped AND attgenerated = ''", table)
    return str(found)


async def test_it_says_what_was_done_to_a_finished_contract() -> None:
    async with running_hub(with_web=False, with_worker=False) as running, superuser(running) as database:
        contract = await a_finished_one(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            kinds = [each.kind for each in await tx.record.list_entries(contract.id)]
            document = (await tx.contracts.get(contract.id)).document
        about = {
            "last": len(kinds),
            "end": kinds.index("completed") + 1,
            "number": contract.number,
            "document": document,
        }
        await database.execute("SET session_replication_role = replica")  # no keys or triggers prevent changes
        columns = {table: await _written_columns(database, table) for table in TABLES}
        for table in TABLES:
            await database.execute(f"CREATE TABLE sound_{table} AS SELECT {columns[table]} FROM {table}")
        for harm, named in HARMS:
            await database.execute(harm.format(**about))
            found = [words for _, words in faults(await looked_at(running))]
            assert any(named.format(**about) in words for words in found), (harm, found)
            for table in TABLES:
                restored = f"INSERT INTO {table} ({columns[table]}) SELECT * FROM sound_{table}"
                await database.execute(f"DELETE FROM {table}; {restored}")
        assert faults(await looked_at(running)) == []


async def test_an_entry_that_was_made_anew_with_its_digest_does_not_fit_the_next() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            one = (await tx.record.list_entries(contract.id))[1]
        digest = compute_entry_digest(replace(one, kind="voided"))
        async with superuser(running) as database:
            await database.execute("UPDATE record_entry SET kind = 'voided', digest = $1 WHERE sequence = 2", digest)
        words = "entry 3 does not follow the one before it: one of them was changed"
        assert faults(await looked_at(running)) == [(f"record of {contract.number}", words)]


async def test_a_file_is_named_with_what_is_wrong_with_it() -> None:
    async with quiet_hub() as running:
        contract = await a_finished_one(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            versions = {each["kind"]: each["sha256"] for each in await tx.contracts.list_versions(contract.id)}
        folder = running.hub.settings.data / "files"
        _path(folder, versions["final"]).write_bytes(b"")
        _path(folder, versions["signed"]).unlink()
        async with superuser(running) as database:
            await database.execute("UPDATE document_version SET size = size + 1 WHERE kind = 'issued'")
        size = _path(folder, versions["issued"]).stat().st_size
        found = faults(await looked_at(running))
        assert {part for part, _ in found} == {f"file of {contract.number}"}
        assert {words for _, words in found} == {
            f"the stored file {versions['final']} was changed (current file, final file)",
            f"the stored file {versions['final']} was changed (evidence package 1)",  # it is a piece of the package
            f"the stored file {versions['signed']} is missing (signed file)",
            f"the stored file {versions['issued']} has {size} bytes, its row says {size + 1} (issued file)",
        }


def _path(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / sha256


async def test_what_the_numbers_can_show_of_contracts_that_are_gone_is_said_and_no_more() -> None:
    async with quiet_hub() as running:
        gone, _ = await running.issue_minor(), await running.issue_minor()
        async with superuser(running) as database:
            await _delete_whole(database, gone)
        findings = await looked_at(running)
        assert faults(findings) == []
        numbers = next(each for each in findings if each.part == "numbers")
        assert re.match(
            r"without a contract: 1 of 2 of 20\d\d; .* deleted whole, which nothing else shows", numbers.words
        )


async def _delete_whole(database: asyncpg.Connection, contract: Contract) -> None:
    await database.execute("SET session_replication_role = replica")
    for table in ("record_entry", "record_head", "document_version", "signing_task", "signer"):
        await database.execute(f"DELETE FROM {table} WHERE contract = $1", contract.id)
    await database.execute("DELETE FROM contract WHERE id = $1", contract.id)


async def test_records_that_are_longer_than_what_is_read_at_once_are_whole() -> None:
    async with quiet_hub() as running:
        contracts = [await running.issue_minor() for _ in range(5)]
        async with running.hub.database.transaction(EVERYTHING) as tx:
            for number in range(450):
                await tx.record.append(contracts[3].id, contracts[3].campus, "viewed-by-staff", f"staff:{number}", {})
        findings = [each async for each in examine_records(running.hub, lambda _: None, at_once=2)]
        assert faults([*findings, DoctorFinding("files", True, "")]) == []
        assert re.match(r"4\d\d entries of 5 contracts", findings[0].words)
