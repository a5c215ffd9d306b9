"""Token, authority or timestamps unavailable: the contract waits, shows as stuck, is tried again, and completes by
itself."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from hub.errors import (
    AuthorityUnavailable,
    IllegalMove,
    TimestampUnavailable,
    TokenUnavailable,
    Unavailable,
    WrongProof,
)
from hub.lifecycle.contract.decline import decline
from hub.lifecycle.contract.end import void
from hub.lifecycle.sealing.finalise import advance
from hub.model.contract.contract import TRIES_BEFORE_STAFF, ContractState
from hub.model.contract.signer import TaskState
from hub.model.signing.signature_request import RequestState
from hub.model.staff.scope import EVERYTHING
from tests.database import tamper
from tests.judges import judge_by_pyhanko
from tests.lifecycle.clockwork import StandingClock, follow, quiet_hub, round_of_work, sent
from tests.lifecycle.one_step import one_step
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signer import contract_now, person, record_of, signed, staff_tasks, tasks_of
from tests.lifecycle.trouble import (
    FailsAfter,
    Timestamps,
    earliest_hub_step,
    hub_rounds,
    minutes_between,
    token_away,
    work_off,
)
from tests.running import GUARDIAN_PHONE, Running

FIVE_DAYS = timedelta(days=5)


def real_time() -> StandingClock:
    """Return a clock that stands at the real moment, so that a validator's clock can be set to where the test has moved
    it."""
    return StandingClock(moment=datetime.now(UTC))


def trust_of(running: Running, tmp_path: Path) -> Path:
    folder = running.hub.settings.data / "trust"
    bundle = tmp_path / "trust.pem"
    bundle.write_text("".join((folder / f"builtin-{name}.pem").read_text() for name in ("authority", "timestamp")))
    return bundle


async def final_file(running: Running, contract_id: UUID, tmp_path: Path) -> Path:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        contract = await tx.contracts.get(contract_id)
    assert contract.state is ContractState.COMPLETED, contract.stuck_reason
    file = tmp_path / "final.pdf"
    file.write_bytes(await running.hub.services.files.get(str(contract.document)))
    return file


async def test_timestamps_are_away_for_five_days_between_signature_and_timestamp(tmp_path: Path) -> None:
    clock = real_time()
    timestamps = Timestamps(clock, away=True)
    async with quiet_hub(clock) as running:
        timestamps.serve(running)
        contract = await running.issue_minor()
        await round_of_work(running)
        await signed(running, contract)
        began = clock()
        await hub_rounds(running, clock, began + timedelta(hours=6))  # and so on, every hour
        clock.go_to(began + FIVE_DAYS)
        now = await contract_now(running, contract)
        assert (now.stuck_since, now.stuck_reason) == (began, "timestamp-unavailable")
        waits = minutes_between(timestamps.asked)
        assert waits[:6] == [1, 2, 4, 8, 16, 32] and set(waits[6:]) == {60}
        assert await staff_tasks(running, contract.id) == ["stuck"]
        assert (await record_of(running, contract)).count("stuck") == 1
        with pytest.raises(IllegalMove):  # an accepted signature is binding
            await void(running.hub.services, EVERYTHING, contract.id, "too late", "staff:test")
        timestamps.away = False
        await hub_rounds(running, clock, clock() + timedelta(hours=1, minutes=1))
        file = await final_file(running, contract.id, tmp_path)
        assert (await contract_now(running, contract)).stuck_since is None
        judge_by_pyhanko(file, trust_of(running, tmp_path), ["guardian-1", "seal"], "+123h")
        judge_by_pyhanko(file, trust_of(running, tmp_path), ["guardian-1", "seal"], "+400d")


async def test_a_certificate_that_ran_out_before_the_timestamp_reopens_the_task() -> None:
    clock = real_time()
    timestamps = Timestamps(clock, away=True)
    async with quiet_hub(clock) as running:
        timestamps.serve(running)
        contract = await running.issue_minor()
        await round_of_work(running)
        first = await signed(running, contract)
        began = clock()
        await hub_rounds(running, clock, began + timedelta(minutes=5))
        clock.go_to(began + timedelta(days=31))
        await hub_rounds(running, clock, clock() + timedelta(minutes=1))
        (task,) = await tasks_of(running, contract)
        assert task.state is TaskState.OPEN and task.step is not None
        now = await contract_now(running, contract)
        assert (now.state, now.stuck_since) == (ContractState.ISSUED, None)
        assert now.deadline >= began + timedelta(days=36)
        assert {"signature-lapsed", "deadline-moved"} <= set(await record_of(running, contract))
        await follow(running, clock, clock() + timedelta(days=1))
        purposes = [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)]
        assert purposes.count("invitation") == 2
        timestamps.away = False
        again = await person(running, contract)
        assert again.signer == first.signer
        await again.enter()
        await again.sign()
        await work_off(running)
        assert (await contract_now(running, contract)).state is ContractState.COMPLETED


async def test_a_token_that_is_pulled_out_holds_up_the_seal_and_nothing_else() -> None:
    clock = real_time()
    timestamps = Timestamps(clock)
    async with quiet_hub(clock) as running:
        timestamps.serve(running)
        contract = await running.issue_minor()
        await signed(running, contract)
        with token_away():
            assert (
                await advance(running.hub.services, contract.id) is ContractState.ISSUED
            )  # timestamps use the token too
            assert (await contract_now(running, contract)).stuck_reason == "timestamp-unavailable"
        while (await contract_now(running, contract)).state is ContractState.ISSUED:
            await one_step(running.hub.services, contract.id)  # one at a time: the token goes away between two of them
        with token_away():
            assert await advance(running.hub.services, contract.id) is ContractState.SIGNED
            assert (await contract_now(running, contract)).stuck_reason == "token-unavailable"
        await hub_rounds(running, clock, clock() + timedelta(minutes=5))
        assert (await contract_now(running, contract)).state is ContractState.COMPLETED
        async with running.hub.database.transaction(EVERYTHING) as tx:
            requests = await tx.signatures.list_of_contract(contract.id)
            attempts = await tx.signatures.list_attempts(contract.id)
            alerts = await tx.connection.scalars(text("SELECT kind FROM alert"))
        assert list(alerts) == ["token-away"]  # once in an hour
        assert len([request for request in requests if request.is_seal]) == 1
        assert {attempt["state"] for attempt in attempts} == {"done", "failed"}
        assert (await record_of(running, contract)).count("seal-used") == 1


async def test_an_authority_that_is_away_at_the_key_costs_nothing_but_time() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await person(running, contract)
        await guardian.enter()
        with token_away(), pytest.raises(Unavailable) as refused:
            await guardian.certify()
        assert isinstance(refused.value, TokenUnavailable | AuthorityUnavailable)
        assert refused.value.retry
        with pytest.raises(WrongProof):  # the challenge was used
            await guardian.certify()
        await guardian.fresh_challenge()
        await guardian.sign()
        assert await advance(running.hub.services, contract.id) is ContractState.COMPLETED
        async with running.hub.database.transaction(EVERYTHING) as tx:
            attempts = await tx.signatures.list_attempts(contract.id)
        assert [each["state"] for each in attempts if each["kind"] == "certificate"] == ["failed", "done"]


async def test_trouble_that_nobody_expected_shows_as_stuck_and_goes_to_staff() -> None:
    clock = real_time()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        files = running.hub.settings.data / "files"
        gone = files.with_name("gone")
        shutil.move(files, gone)
        await work_off(running)
        now = await contract_now(running, contract)
        assert now.state is ContractState.ISSUED and now.stuck_since is not None
        assert await staff_tasks(running, contract.id) == ["stuck"]
        shutil.rmtree(files, ignore_errors=True)
        shutil.move(gone, files)
        await hub_rounds(running, clock, clock() + timedelta(minutes=2))
        assert (await contract_now(running, contract)).state is ContractState.COMPLETED


async def test_a_contract_whose_workers_die_before_they_can_say_so_shows_as_stuck_and_goes_to_staff() -> None:
    clock = real_time()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        for _ in range(TRIES_BEFORE_STAFF):  # its jobs have no effect, and do not even raise an error
            assert (await contract_now(running, contract)).stuck_since is None
            assert await staff_tasks(running, contract.id) == []
            clock.go_to(await earliest_hub_step(running) or clock())
            await running.worker.periodic.run_round()
        now = await contract_now(running, contract)
        assert (now.stuck_since, now.stuck_reason) == (clock(), "not-finished")
        assert await staff_tasks(running, contract.id) == ["stuck"]
        assert (await record_of(running, contract)).count("stuck") == 1
        await work_off(running)
        now = await contract_now(running, contract)
        assert (now.state, now.stuck_since) == (ContractState.COMPLETED, None)


async def test_trouble_after_somebody_else_has_finished_marks_nothing() -> None:
    clock = real_time()
    timestamps = Timestamps(clock)
    async with quiet_hub(clock) as running:
        timestamps.serve(running)
        contract = await running.issue_minor()
        await signed(running, contract)
        timestamps.overtaken_by = lambda: advance(running.hub.services, contract.id)
        assert await advance(running.hub.services, contract.id) is ContractState.COMPLETED
        assert timestamps.overtaken_by is None
        now = await contract_now(running, contract)
        assert (now.stuck_since, now.stuck_reason) == (None, None)
        assert "stuck" not in await record_of(running, contract)
        assert await earliest_hub_step(running) is None


async def test_trouble_before_the_first_step_shows_as_stuck_too() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        await tamper(running.hub.database.dsn, "UPDATE signature_request SET chain = ARRAY['x'::bytea]")
        assert await advance(running.hub.services, contract.id) is ContractState.ISSUED
        assert (await contract_now(running, contract)).stuck_reason == "error"


async def test_a_contract_that_does_not_list_its_issued_file_goes_to_staff_at_once() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        dsn, listed = running.hub.database.dsn, "document_version SET sha256 = reverse(sha256) WHERE kind = 'issued'"
        await tamper(dsn, f"UPDATE {listed}")
        assert await advance(running.hub.services, contract.id) is ContractState.ISSUED
        assert (await contract_now(running, contract)).stuck_reason == "unreadable-file"
        assert await staff_tasks(running, contract.id) == ["stuck"]
        await tamper(dsn, f"UPDATE {listed}")
        assert await advance(running.hub.services, contract.id) is ContractState.COMPLETED


async def test_a_deadline_that_passes_while_a_signature_waits_takes_nothing_away() -> None:
    """Two signers in any order: one has signed in time, and the timestamp service is unavailable beyond the
    deadline."""
    clock = real_time()
    timestamps = Timestamps(clock, away=True)
    async with quiet_hub(clock) as running:
        timestamps.serve(running)
        contract = await running.issue_minor(signers=two_guardians(1, 1), deadline=clock() + timedelta(days=3))
        await round_of_work(running)
        await signed(running, contract, 0)
        await follow(running, clock, clock() + timedelta(days=4))
        assert (await contract_now(running, contract)).state is ContractState.ISSUED
        other = await person(running, contract, 1)
        await other.enter()
        with pytest.raises(IllegalMove):
            await decline(running.hub.services, other.secret, contract.id, "")
        timestamps.away = False
        await hub_rounds(running, clock, clock() + timedelta(hours=2))
        await follow(running, clock, clock() + timedelta(hours=1))
        assert (await contract_now(running, contract)).state is ContractState.EXPIRED
        assert {task.state for task in await tasks_of(running, contract)} == {TaskState.SIGNED, TaskState.CLOSED}


@pytest.mark.parametrize("days", [pytest.param(27, marks=pytest.mark.real), 40])
async def test_a_second_signer_far_behind_the_first_still_gives_a_lasting_file(tmp_path: Path, days: int) -> None:
    """With a certificate of the usual life for the first signer, the CRL that covers the second signature would have
    outlived it."""
    clock = real_time()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(signers=two_guardians(1, 2), deadline=clock() + timedelta(days=90))
        await signed(running, contract, 0)
        await work_off(running)
        clock.advance(timedelta(days=days))
        await signed(running, contract, 1)
        await work_off(running)
        file = await final_file(running, contract.id, tmp_path)
        trust = trust_of(running, tmp_path)
        for later in (f"+{24 * days + 1}h", "+400d"):
            judge_by_pyhanko(file, trust, ["guardian-1", "guardian-2", "seal"], later)


async def test_the_queue_holds_no_more_than_the_ids_of_its_rows() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            rows = await tx.connection.execute(text("SELECT convert_from(payload, 'UTF8') FROM pgqueuer"))
            payloads = [row[0] for row in rows]
        assert payloads
        assert all(len(payload) < 70 for payload in payloads)


@pytest.mark.parametrize("error", [TimestampUnavailable("no answer"), RuntimeError("a bug")], ids=["away", "bug"])
async def test_the_seal_signs_once_though_the_file_cannot_be_closed(error: Exception) -> None:
    clock = real_time()
    timestamps = FailsAfter(clock, number=1, error=error)
    async with quiet_hub(clock) as running:
        timestamps.serve(running)
        contract = await running.issue_minor()
        await signed(running, contract)
        await hub_rounds(running, clock, clock() + timedelta(minutes=2))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (seal,) = [each for each in await tx.signatures.list_of_contract(contract.id) if each.is_seal]
        assert seal.state is RequestState.ACCEPTED
        assert (await record_of(running, contract)).count("seal-used") == 1
        timestamps.error = None
        await hub_rounds(running, clock, clock() + timedelta(minutes=5))
        assert (await contract_now(running, contract)).state is ContractState.COMPLETED
        async with running.hub.database.transaction(EVERYTHING) as tx:
            requests = await tx.signatures.list_of_contract(contract.id)
            attempts = await tx.signatures.list_attempts(contract.id)
        assert [each.signature for each in requests if each.is_seal] == [seal.signature]
        assert [each["state"] for each in attempts if each["kind"] == "seal"] == ["done"]
        assert [each["state"] for each in attempts if each["kind"] == "close"] == ["failed"] * 2 + ["done"]
