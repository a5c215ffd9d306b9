"""The package of a real contract: made after each final state, signed once, the same bytes for everybody."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from hub.errors import NotFound, TimestampUnavailable, UnreadableFile
from hub.lifecycle.contract.end import void
from hub.lifecycle.evidence.make_package import make_package
from hub.lifecycle.evidence.open_package import find_package
from hub.lifecycle.sealing.finalise import advance
from hub.model.contract.contract import ContractState
from hub.model.staff.scope import EVERYTHING
from hub.store.files.content_addressed import FilePiece, JoinedFile
from hub.store.operation.jobs import EVIDENCE
from qianda.evidence.container import open_container
from qianda.verify.pdf.structure import examine
from tests.database import tamper
from tests.evidence.ended_contracts import attempts_of, ended, opened, package_of
from tests.lifecycle.clockwork import StandingClock, quiet_hub, round_of_work
from tests.lifecycle.signer import completed, record_of, signed
from tests.lifecycle.trouble import FailsAfter, Overtaken, Timestamps
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, running_hub, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_package_of_a_completed_contract_holds_everything() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        final = await completed(running, contract)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            row = await tx.packages.get(contract.id, 1)
            jobs = await tx.connection.scalars(text("SELECT entrypoint FROM pgqueuer"))
        assert row is not None and EVIDENCE not in jobs  # whoever completes a contract makes its package
        package = await package_of(running, contract)
        items = await opened(running, package)
        assert items["contract/final.pdf"] == final
        # The final file is stored once, and joined when the package is given out.
        assert len(await running.hub.services.files.get(row.file)) + len(final) == len(package) == row.size
        signer = json.loads(items["signers/guardian-1/signer.json"])
        assert [check["result"] for check in signer["identity"]] == ["matched"]
        (signature,) = signer["signatures"]
        assert signature["applied"]["consent_version"] == signature["consent_version"]
        assert {"application-001.bin", "timestamp-001.tst", "certificate-001.pem"} <= {
            name.rpartition("/")[2] for name in items if name.startswith("signers/guardian-1/")
        }
        assert len(json.loads(items["seal/seal.json"])["signatures"]) == 1
        (in_file,) = examine(final).signatures["guardian-1"].signer_info["unsigned_attrs"]
        assert items["signers/guardian-1/timestamp-001.tst"] == in_file["values"][0].dump()
        everything = b"".join(content for name, content in items.items() if not name.endswith(".pdf"))
        for personal in (GUARDIAN_PHONE, GUARDIAN_PHONE[3:], GUARDIAN_ID):
            assert personal.encode() not in everything
        report = items["report/report.html"].decode()
        assert all(words in report for words in ("草稿 draft", "学校名单 roster", "一致 matched"))
        assert (await record_of(running, contract))[-1] == "evidence-made"
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.packages.plan(await tx.contracts.get(contract.id), tx.now)
        assert await package_of(running, contract) == package  # a second job makes no second one
        assert await attempts_of(running, contract) == ["done"]


async def test_a_contract_that_has_not_ended_has_no_package() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        await make_package(running.hub.services, contract.id)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            with pytest.raises(NotFound):
                await find_package(tx, contract.id)


async def test_it_is_tried_again_when_the_timestamp_service_was_away() -> None:
    clock = StandingClock()
    service = Timestamps(clock)
    async with quiet_hub(clock) as running:
        service.serve(running)
        contract = await running.issue_minor()
        await void(running.hub.services, EVERYTHING, contract.id, "not needed", "staff:test")
        service.away = True
        await make_package(running.hub.services, contract.id)
        assert await attempts_of(running, contract) == ["failed"]
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.packages.list_due(tx.now) == []
            assert await tx.packages.list_due(tx.now + timedelta(minutes=1)) == [contract.id]
        service.away = False
        clock.advance(timedelta(minutes=2))
        await round_of_work(running)  # plans the job that a worker's queue runs
        items = await opened(running, await package_of(running, contract))
        assert "contract/issued.pdf" in items and "contract/final.pdf" not in items
        assert await attempts_of(running, contract) == ["failed", "done"]


async def test_a_package_that_another_process_has_made_meanwhile_stays_the_only_one() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        service = Overtaken(clock)
        service.serve(running)
        contract = await running.issue_minor()
        await void(running.hub.services, EVERYTHING, contract.id, "not needed", "staff:test")
        service.overtaken_by = lambda: make_package(running.hub.services, contract.id)
        await make_package(running.hub.services, contract.id)
        assert (len(service.asked), await attempts_of(running, contract)) == (2, ["done", "done"])
        assert (await record_of(running, contract)).count("evidence-made") == 1


async def test_a_package_that_failed_after_its_contract_was_completed_is_tried_again_by_a_job() -> None:
    clock = StandingClock()
    service = FailsAfter(clock, number=3, error=TimestampUnavailable("no answer"))
    async with quiet_hub(clock) as running:
        service.serve(running)
        contract = await running.issue_minor()
        await signed(running, contract)
        await completed(running, contract)
        assert await attempts_of(running, contract) == ["failed"]
        service.error = None
        clock.advance(timedelta(minutes=2))
        await round_of_work(running)  # plans the job that a worker's queue runs
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert EVIDENCE in await tx.connection.scalars(text("SELECT entrypoint FROM pgqueuer"))
        await package_of(running, contract)
        assert await attempts_of(running, contract) == ["failed", "done"]


async def test_what_cannot_be_read_for_the_package_does_not_keep_a_contract_from_its_end() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await running.worker.due_steps.sweep()
        await signed(running, contract)
        turned = "UPDATE delivery SET to_sealed = set_byte(to_sealed, 20, 255 - get_byte(to_sealed, 20))"
        await tamper(running.hub.database.dsn, f"{turned} WHERE purpose = 'invitation'")
        await completed(running, contract)
        assert await attempts_of(running, contract) == []
        for minutes in (1, 2):  # tried ever later, so that no failed jobs pile up
            await make_package(running.hub.services, contract.id)
            async with running.hub.database.transaction(EVERYTHING) as tx:
                assert await tx.packages.list_due(clock() + timedelta(minutes=minutes, seconds=-1)) == []
        await tamper(running.hub.database.dsn, f"{turned} WHERE purpose = 'invitation'")
        await package_of(running, contract)
        assert await attempts_of(running, contract) == ["done"]


async def test_a_worker_makes_it_soon_after_the_end_and_the_api_gives_it_out() -> None:
    async with running_hub() as running:
        contract = await running.issue_minor()
        await void(running.hub.services, EVERYTHING, contract.id, "not needed", "staff:test")
        url = f"{running.origin}/api/v1/contracts/{contract.id}/evidence.zip"
        headers = {"Authorization": f"Bearer {running.api_key}"}

        async def ask() -> bytes | None:
            async with running.http.get(url, headers=headers) as answer:
                if answer.status == 404:
                    return None
                assert answer.headers["Content-Type"] == "application/vnd.etsi.asic-e+zip"
                return await answer.read()

        package = await until(ask)
        assert "contract/issued.pdf" in open_container(package).items
        assert await ask() == package
        assert (await record_of(running, contract)).count("evidence-downloaded") == 2


async def test_until_it_is_made_a_program_is_told_to_ask_again() -> None:
    """Before the contract's end there is nothing to wait for: the same request would not succeed by itself."""
    async with running_hub(with_worker=False) as running:
        contract = await running.issue_minor()
        headers = {"Authorization": f"Bearer {running.api_key}"}

        async def ask(name: str) -> tuple[int, str | None, bool | None, str | None]:
            url = f"{running.origin}/api/v1/contracts/{contract.id}/{name}"
            async with running.http.get(url, headers=headers) as answer:
                said = {} if answer.status == 200 else await answer.json(content_type=None)
                return answer.status, said.get("code"), said.get("retry"), answer.headers.get("Retry-After")

        for name in ("evidence.zip", "addendum.zip"):
            assert await ask(name) == (404, "not-found", False, None)
        await void(running.hub.services, EVERYTHING, contract.id, "not needed", "staff:test")
        for name in ("evidence.zip", "addendum.zip"):
            assert await ask(name) == (404, "package-not-made", True, "5")
        await make_package(running.hub.services, contract.id)
        assert await ask("evidence.zip") == (200, None, None, None)
        assert await ask("addendum.zip") == (404, "not-found", False, None)  # nothing has happened since


async def test_a_package_whose_pieces_were_changed_is_not_given_out() -> None:
    async with quiet_hub() as running:
        package = await package_of(running, contract := await ended(running, "voided"))
        files = running.hub.services.files
        async with running.hub.database.transaction(EVERYTHING) as tx:
            row = await tx.packages.get(contract.id, 1)
        assert row is not None and row.pieces is not None
        first, *others = row.pieces
        whole = JoinedFile(row.sha256, [FilePiece(**each) for each in (first, *others)])
        assert await files.join(whole) == package
        for pieces in (others, [{**first, "start": 1}, *others], [*others, first]):
            with pytest.raises(UnreadableFile):
                await files.join(JoinedFile(row.sha256, [FilePiece(**each) for each in pieces]))


class Died(BaseException):
    """The process ends here."""


async def test_a_contract_whose_process_died_after_its_end_gets_its_package_with_the_next_job() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        timestamps = FailsAfter(clock, number=3, error=Died())  # those of the signature, the seal and the file
        timestamps.serve(running)
        contract = await running.issue_minor()
        await signed(running, contract)
        with pytest.raises(Died):
            await advance(running.hub.services, contract.id)
        assert await running.state(contract) == "COMPLETED"
        assert "evidence-made" not in await record_of(running, contract)
        timestamps.error = None
        for _ in range(2):
            assert await advance(running.hub.services, contract.id) is ContractState.COMPLETED
        assert (await record_of(running, contract)).count("evidence-made") == 1
