"""A finished contract keeps one file: earlier versions are the beginning of it, and are read from it.

A file goes only after the commit by which no row names it, and never while the file that holds its bytes is damaged.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from hub.errors import UnreadableFile
from hub.lifecycle.contract.end import void
from hub.lifecycle.evidence.delete_files import choose_folders, delete_orphans
from hub.lifecycle.evidence.retention import purge
from hub.lifecycle.sealing.finalise import advance
from hub.model.contract.contract import Contract
from hub.model.evidence.file_parts import StoredVersion, find_beginnings
from hub.model.evidence.retention import ORPHAN_FILES, SUPERSEDED_FILES
from hub.model.staff.scope import EVERYTHING
from hub.store.files.content_addressed import FOLDERS, Files
from tests.evidence.ended_contracts import ended, package_of
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signer import completed, contract_now, signed
from tests.running import Running
from tests.store.evidence.test_inspection import faults, looked_at

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOME_CONTRACT = UUID(int=7)


def stored(running: Running) -> dict[str, Path]:
    """Return the files of the store by their names."""
    return {path.name: path for path in (running.hub.settings.data / "files").rglob("*") if path.is_file()}


def contract_files(running: Running) -> dict[str, Path]:
    """Return the stored files of contracts by their names, without those of evidence packages, which are ZIP files."""
    return {name: path for name, path in stored(running).items() if path.read_bytes()[:2] != b"PK"}


async def versions(running: Running, contract: Contract) -> dict[str, bytes]:
    """Return what the store gives for each version of the contract, by its SHA-256, drafts left out."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        listed = [each["sha256"] for each in await tx.contracts.list_versions(contract.id) if each["kind"] != "draft"]
    return {sha256: await running.hub.services.files.get(sha256) for sha256 in listed}


async def superseded(running: Running) -> int:
    return (await purge(running.hub.services))[SUPERSEDED_FILES]


async def test_a_day_after_it_is_finished_a_contract_keeps_its_final_file_alone() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        final = await completed(running, contract)
        before, files = await versions(running, contract), set(contract_files(running))
        assert len(files) == 5  # issued, signed, final, and two prepared
        clock.advance(DAY - HOUR)
        assert await superseded(running) == 0 and set(contract_files(running)) == files
        clock.advance(2 * HOUR)
        assert await superseded(running) == 2
        assert set(contract_files(running)) == {hashlib.sha256(final).hexdigest()}
        assert await versions(running, contract) == before and len(before) == 3
        findings = await looked_at(running)
        assert faults(findings) == []
        assert next(each.words for each in findings if each.part == "files") == "5 stored files are whole"
        assert await superseded(running) == 0


async def test_the_prepared_files_of_the_record_can_be_made_again_from_the_final_file() -> None:
    """A prepared file is the signed one up to the end of what the signature covers, with an empty place for it."""
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        final = await completed(running, contract)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            requests = await tx.signatures.list_of_contract(contract.id)
        for request in requests:
            begin, end = request.gap
            ranges = re.findall(rb"/ByteRange\s*\[\s*0 (\d+) (\d+) (\d+)\s*\]", final)
            length = next(int(resume) + int(rest) for first, resume, rest in ranges if int(first) == begin)
            empty = b"<" + b"0" * (end - begin - 2) + b">"
            made = final[:begin] + empty + final[end:length]
            assert hashlib.sha256(made).hexdigest() == request.prepared


async def test_between_two_signers_the_file_that_the_second_signs_stays() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(signers=two_guardians(1, 2))
        await signed(running, contract)
        await advance(running.hub.services, contract.id)
        before = await versions(running, contract)
        clock.advance(DAY + HOUR)
        assert await superseded(running) == 1
        document = str((await contract_now(running, contract)).document)
        assert set(contract_files(running)) == {document}
        assert await versions(running, contract) == before
        await signed(running, contract, 1)
        final = await completed(running, contract)
        before |= await versions(running, contract)
        clock.advance(DAY + HOUR)
        assert await superseded(running) == 2
        assert set(contract_files(running)) == {hashlib.sha256(final).hexdigest()}
        assert await versions(running, contract) == before and len(before) == 4
        assert faults(await looked_at(running)) == []


async def test_a_file_goes_a_day_after_its_own_successor_not_after_an_earlier_one() -> None:
    """A backup that began before the second signature may still have to copy the file that it superseded."""
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(signers=two_guardians(1, 2))
        await signed(running, contract)
        await advance(running.hub.services, contract.id)
        then = await contract_now(running, contract)
        clock.advance(DAY + HOUR)
        await signed(running, contract, 1)
        await completed(running, contract)
        assert await superseded(running) == 1
        assert str(then.issued_sha256) not in contract_files(running) and str(then.document) in contract_files(running)


async def test_what_each_signer_of_a_voided_contract_was_shown_can_still_be_read() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(signers=two_guardians(1, 2))
        await signed(running, contract)
        await advance(running.hub.services, contract.id)
        await void(running.hub.services, EVERYTHING, contract.id, "reason", "staff:x")
        before = await versions(running, contract)
        clock.advance(DAY + HOUR)
        await superseded(running)
        assert len(contract_files(running)) == 1
        assert await versions(running, contract) == before and len(before) == 2


async def test_a_round_that_dies_between_the_commit_and_the_deletion_is_made_up_for() -> None:
    class Died(BaseException):
        pass

    class DyingFiles(Files):
        async def delete(self, sha256: str) -> None:
            raise Died

    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        final = await completed(running, contract)
        before = await versions(running, contract)
        clock.advance(DAY + HOUR)
        dying = DyingFiles.at(str(running.hub.settings.data / "files"))
        with pytest.raises(Died):
            await purge(replace(running.hub.services, files=dying))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            named = {each["file"] for each in await tx.contracts.list_versions(contract.id)}
        assert named == {hashlib.sha256(final).hexdigest()} and len(contract_files(running)) == 5
        assert await superseded(running) == 2 and len(contract_files(running)) == 1
        assert await versions(running, contract) == before


async def test_no_file_goes_while_the_one_that_begins_with_it_is_damaged() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        final = await completed(running, contract)
        path = contract_files(running)[hashlib.sha256(final).hexdigest()]
        path.write_bytes(final[:-1])  # the versions are still its beginning
        clock.advance(DAY + HOUR)
        assert await superseded(running) == 0
        assert len(contract_files(running)) == 5
        path.write_bytes(final)
        assert await superseded(running) == 2 and len(contract_files(running)) == 1


async def test_a_later_file_that_does_not_begin_with_a_version_leaves_that_one_alone() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        await completed(running, contract)
        other = await running.hub.services.files.put(b"a file that begins with nothing of the contract")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.contracts.add_version(contract.id, "final", other, 47, tx.now)
            await tx.contracts.change(await tx.contracts.lock_contract(contract.id), document=other)
        before = await versions(running, contract)
        clock.advance(DAY + HOUR)
        assert await superseded(running) == 2  # the prepared files are gone, the versions are not
        assert set(contract_files(running)) == set(before) and len(before) == 4


async def test_a_round_that_was_overtaken_names_no_file_that_another_has_put_into_a_later_one() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=two_guardians(1, 2))
        await signed(running, contract)
        await advance(running.hub.services, contract.id)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (listed,) = await tx.stored_files.list_versions([contract.id])
            draft, issued, then = listed.versions
        await signed(running, contract, 1)
        final = hashlib.sha256(await completed(running, contract)).hexdigest()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.stored_files.put_parts({then.id: final})
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.stored_files.put_parts({draft.id: then.sha256, issued.id: then.sha256})
            (listed,) = await tx.stored_files.list_versions([contract.id])
        files = {each.id: each.file for each in listed.versions}
        assert (files[draft.id], files[issued.id], files[then.id]) == (None, issued.sha256, final)


async def test_a_damaged_beginning_is_named_by_the_file_that_holds_it() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        final = await completed(running, contract)
        issued = str((await contract_now(running, contract)).issued_sha256)
        clock.advance(DAY + HOUR)
        await superseded(running)
        (path,) = contract_files(running).values()
        path.write_bytes(b"x" + final[1:])
        with pytest.raises(UnreadableFile, match="does not begin with"):
            await running.hub.services.files.get(issued)
        words = f"the stored file {path.name} was changed: it does not begin with {issued} (issued file)"
        assert (f"file of {contract.number}", words) in faults(await looked_at(running))
        path.unlink()
        with pytest.raises(UnreadableFile, match="missing"):
            await running.hub.services.files.get(issued)


async def test_old_files_that_no_row_names_go_and_no_others() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        await signed(running, await running.issue_minor())
        await package_of(running, await ended(running, "voided"))  # is named by a row as well
        named, folder = set(stored(running)), running.hub.settings.data / "files"
        young = await running.hub.services.files.put(b"young")
        orphan = await running.hub.services.files.put(b"old")
        half = folder / orphan[:2] / f".{orphan}.{'0' * 32}"
        foreign = folder / orphan[:2] / "notes.txt"
        for path in (half, foreign):
            path.write_bytes(b"half")
        old = (clock.moment - DAY - HOUR).timestamp()
        for name, path in stored(running).items():
            if name != young:
                os.utime(path, (old, old))
        assert await delete_orphans(running.hub.services) == 2
        assert set(stored(running)) == named | {young, foreign.name}


async def test_all_folders_are_looked_through_in_a_day() -> None:
    seen = [folder for hour in range(24) for folder in choose_folders(hour)]
    assert sorted(seen) == sorted(FOLDERS) and len(FOLDERS) == 256


async def test_the_hourly_round_looks_for_orphans_in_its_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        orphan = await running.hub.services.files.put(b"old")
        old = (clock.moment - DAY - HOUR).timestamp()
        os.utime(stored(running)[orphan], (old, old))
        hours = 0
        while not (await purge(running.hub.services))[ORPHAN_FILES]:
            clock.advance(HOUR)
            hours += 1
        assert hours < 24 and orphan not in stored(running)


async def test_a_version_is_a_beginning_only_by_all_of_its_bytes() -> None:
    def version(content: bytes, size: int) -> StoredVersion:
        return StoredVersion(1, SOME_CONTRACT, hashlib.sha256(content).hexdigest(), size, None)

    whole = b"one two three"
    right, other = version(b"one two", 7), version(b"one tw0", 7)
    longer, wrong_size = version(whole + b" four", 18), version(b"one two", 6)
    assert find_beginnings(whole, [right, other, longer, wrong_size]) == [right]
