"""`qianda prune`: what would go is said beforehand, goes on demand in batches, and stands in the school's record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from hub.lifecycle.evidence.delete_files import DeletionLimits
from hub.lifecycle.evidence.retention import MAX_BATCHES, list_prunable, prune, purge
from hub.model.evidence.retention import ORPHAN_FILES, SUPERSEDED_FILES, Retention, list_retention
from hub.model.school.course import Enrolment
from hub.model.school.issue_many import IssueAct, SignerReplacement
from hub.model.staff.scope import EVERYTHING
from hub.store.evidence.old_rows import KEPT, OLD_ROWS
from hub.store.tables.columns import metadata
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.contract.test_superseded_files import stored
from tests.lifecycle.signer import completed, signed
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = timedelta(days=1)
# Rows of each kind that is in no test of its own, with their moment.
ROWS = {
    "answers": "INSERT INTO idempotency (owner, key, request_hash, created_at) VALUES (:id, :id, '', :at)",
    "codes": "INSERT INTO one_time_code (id, person, session, created_at, expires_at) VALUES (:id, 'x', :id, :at, :at)",
    "wrong-answers": "INSERT INTO wrong_answer (person, at) VALUES ('x', :at)",
    "login-failures": "INSERT INTO login_failure (login, at) VALUES ('x', :at)",
    "staff-sessions": "INSERT INTO staff_session (secret_hash, staff, created_at, expires_at)"
    " SELECT CAST(CAST(:id AS text) AS bytea), id, :at, :at FROM staff LIMIT 1",
    "guests": "INSERT INTO visitor (id, secret_hash, door, person, phone_sealed, phone_hash, language,"
    " key_challenge,"
    " created_at, expires_at) VALUES (:id, CAST(CAST(:id AS text) AS bytea), 'poster', 'x', '', '', 'zh', '', :at,"
    " :at)",
}
KINDS = list_retention(Retention())


async def put(running: Running, kind: str, age: timedelta) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        number, at = str(uuid4()), (tx.now - age).isoformat()
        sql = ROWS[kind].replace(":id", f"'{number}'").replace(":at", f"'{at}'")
        await tx.connection.execute(text(sql))


async def recorded(running: Running) -> list[dict[str, Any]]:
    return [dict(each.facts) for each in await running.school_record() if each.kind == "pruned"]


async def test_every_table_has_a_rule() -> None:
    ruled = {rows.table for rows in OLD_ROWS.values() if not rows.emptied}
    queue = {"pgqueuer_log", "pgqueuer_statistics"}
    assert OLD_ROWS.keys() == KINDS.keys()
    assert ruled & KEPT.keys() == set()
    assert (ruled - queue) | KEPT.keys() == metadata.tables.keys()


@pytest.mark.parametrize("kind", ROWS)
async def test_rows_go_when_their_time_is_over_and_not_before(kind: str) -> None:
    async with quiet_hub() as running:
        await put(running, kind, KINDS[kind] + timedelta(minutes=1))
        await put(running, kind, KINDS[kind] - timedelta(minutes=1))
        assert {each: number for each, number in (await purge(running.hub.services)).items() if number} == {kind: 1}


async def test_who_was_to_sign_instead_goes_undecided_or_with_what_was_to_be_replaced() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        database, contract = running.hub.database, await running.issue_minor()
        line = Enrolment(uuid4(), "hefei", "math-a", "陈小满", {"signers": []})
        of_contract = text(f"UPDATE enrolment SET contract = '{contract.id}' WHERE id = '{line.id}'")
        async with database.transaction(EVERYTHING) as tx:
            assert await tx.school.add_enrolment(line, "x", tx.now)
            await tx.connection.execute(of_contract)

        async def ask() -> None:
            async with database.transaction(EVERYTHING) as tx:
                act = IssueAct(uuid4(), "hefei", "staff:ann", tx.now, needs_approval=True)
                assert await tx.issue_acts.begin(act, [line], SignerReplacement(contract.id, uuid4(), {}))

        await ask()
        clock.advance(29 * DAY)
        assert (await purge(running.hub.services))["replacements"] == 0
        clock.advance(2 * DAY)
        assert (await purge(running.hub.services))["replacements"] == 1
        async with database.transaction(EVERYTHING) as tx:
            (ended,) = await tx.issue_acts.list_recent(clock() - 40 * DAY)
        assert ended.act.refused and ended.act.decided_by == "hub"  # nobody is asked to decide about nothing
        assert (await running.school_record())[-1].kind == "issuing-refused"
        await ask()
        assert (await purge(running.hub.services))["replacements"] == 0
        async with database.transaction(EVERYTHING) as tx:
            await tx.enrolments.delete(line.id)
        assert (await purge(running.hub.services))["replacements"] == 1


async def test_the_chain_of_an_ended_session_goes_and_that_of_its_signature_stays() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        somebody = await signed(running, contract)
        await completed(running, contract)
        chains = text("SELECT certificate_chain, key_spki FROM signing_session")
        clock.advance(29 * DAY)
        assert (await purge(running.hub.services))["session-chains"] == 0
        clock.advance(3 * DAY)
        assert (await purge(running.hub.services))["session-chains"] == 1
        async with running.hub.database.transaction(EVERYTHING) as tx:
            chain, key = (await tx.connection.execute(chains)).one()
            requests = await tx.signatures.list_of_contract(contract.id)
        assert chain == [] and key == somebody.key.spki
        assert [each.chain for each in requests if not each.is_seal] == [somebody.chain]


async def test_a_dry_run_says_what_goes_then_and_changes_nothing() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        await completed(running, contract)
        for _ in range(3):
            await put(running, "login-failures", 31 * DAY)
        clock.advance(2 * DAY)
        files = stored(running)
        sizes = {name: path.stat().st_size for name, path in files.items()}
        at_once = DeletionLimits(rows=2, requests=1)
        said = {each.kind: each async for each in list_prunable(running.hub.services, at_once)}
        assert set(stored(running)) == set(files)
        assert (said["login-failures"].number, said[ORPHAN_FILES].number) == (3, 0)
        assert said["login-failures"].size > 0
        pruned = [each async for each in prune(running.hub.services, "command-line", at_once)]
        deleted = {kind: number for kind, number in pruned if number}
        assert deleted == {kind: each.number for kind, each in said.items() if each.number}
        gone = sum(size for name, size in sizes.items() if name not in stored(running))
        assert said[SUPERSEDED_FILES].size == gone > 0
        entries = await recorded(running)
        assert [each["number_of"] for each in entries if each["kind"] == "login-failures"] == [2, 1]
        assert [each["number_of"] for each in entries if each["kind"] == SUPERSEDED_FILES] == [1, 1]
        assert [each async for each in list_prunable(running.hub.services) if each.number] == []


async def test_an_hourly_round_ends_and_the_next_one_goes_on() -> None:
    at_once = DeletionLimits(requests=1, max_requests=1)
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        await completed(running, contract)
        clock.advance(2 * DAY)
        rounds = [(await purge(running.hub.services, at_once))[SUPERSEDED_FILES] for _ in range(3)]
        assert rounds == [1, 1, 0] and len(stored(running)) == 2  # the final file, and what only its package has


async def test_the_rows_of_one_kind_do_not_take_a_whole_round() -> None:
    async with quiet_hub() as running:
        for _ in range(MAX_BATCHES + 1):
            await put(running, "wrong-answers", 8 * DAY)
        rounds = [(await purge(running.hub.services, DeletionLimits(rows=1)))["wrong-answers"] for _ in range(2)]
        assert rounds == [MAX_BATCHES, 1]


async def test_the_hourly_round_is_not_recorded() -> None:
    async with quiet_hub() as running:
        await put(running, "login-failures", 31 * DAY)
        assert (await purge(running.hub.services))["login-failures"] == 1
        assert await recorded(running) == []
