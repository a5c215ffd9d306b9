"""Uses of a seal in the database: what is counted, what a suspension stops, and what many do at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from hub.lifecycle.sealing.seals.use_seal import begin_seal_uses, end_seal_uses
from hub.model.school.course import Campus
from hub.model.sealing.seal import Seal, SealAct, SealKind, SealState
from hub.model.sealing.seal_grant import CONTRACTS, Grantee, GranteeKind, SealGrant, UseRefusal
from hub.model.sealing.seal_use import DocumentToSeal, EndedUse, SealAsk, SealUse, UseOutcome
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.encryption.keys import Keys
from hub.store.transaction import Database, Transaction
from tests.database import LOCK_WAITS, fresh_database
from tests.running import until

NOW = datetime(2026, 12, 1, 10, tzinfo=UTC)
CLIENT = Grantee(GranteeKind.CLIENT, "registry")
AT_ONCE = 8


async def _count_waiting(tx: Transaction) -> int:
    return int((await tx.connection.fetch(LOCK_WAITS)).one()[0])


@pytest.fixture
async def store() -> AsyncIterator[Database]:
    async with fresh_database() as dsns:
        database = Database(dsns.app, Keys.derived_from(bytes(32)), lambda: NOW, pool_size=AT_ONCE + 2)
        async with database.transaction(EVERYTHING) as tx:
            for campus, parent in (("hq", None), ("hefei", "hq"), ("beijing", "hq")):
                await tx.school.put_campus(Campus(campus, parent, campus, campus, "Asia/Shanghai"))
        yield database
        await database.close()


async def a_seal(database: Database, campus: str = "hefei", **limits: object) -> tuple[Seal, SealGrant]:
    seal = Seal(
        id=uuid4(),
        name=f"seal {uuid4()}",
        kind=SealKind.COMPANY,
        campus="hq",
        registered_name="新航线教育集团",
        registered_code="91340100MA0000000G",
        inscription="",
        state=SealState.ACTIVE,
        created_at=NOW,
        changed_at=NOW,
        chain=(b"certificate",),
        ends_at=NOW + timedelta(days=30),
    )
    grant = replace(SealGrant(uuid4(), seal.id, CLIENT, campus, (), "staff:a", NOW), **limits)  # type: ignore[arg-type]
    async with database.transaction(EVERYTHING) as tx:
        assert await tx.seals.add(seal)
        await tx.seals.add_grant(grant)
        assert await tx.seals.get(seal.id) == seal
        assert await tx.seals.list_grants(seal.id) == [grant]
    return seal, grant


async def begin(
    database: Database, seal: Seal, documents: list[DocumentToSeal], campus: str = "hefei"
) -> list[SealUse]:
    async with database.transaction(EVERYTHING) as tx:
        asked = SealAsk(seal.id, frozenset({CLIENT}), "api:registry", campus)
        return await begin_seal_uses(tx, asked, documents)


def documents(number: int) -> list[DocumentToSeal]:
    return [DocumentToSeal(uuid4(), "ab" * 32, "file") for _ in range(number)]


async def used(database: Database, seal: Seal) -> int:
    async with database.transaction(EVERYTHING) as tx:
        return (await tx.seals.list_grants(seal.id))[0].used


async def test_campuses_in_a_circle_keep_nobody_waiting(store: Database) -> None:
    """Each grant is found once, at its distance, and no statement goes round for ever."""
    seal, here = await a_seal(store, campus="hefei")
    above = replace(here, id=uuid4(), campus="hq")
    for_contracts = [replace(each, id=uuid4(), grantee=CONTRACTS) for each in (here, above)]
    async with store.transaction(EVERYTHING) as tx:
        for each in (above, *for_contracts):
            await tx.seals.add_grant(each)
        await tx.school.put_campus(Campus("hq", "hefei", "hq", "hq", "Asia/Shanghai"))
    async with store.transaction(EVERYTHING) as tx:
        rules, _ = await tx.seal_register.hold(SealAsk(seal.id, frozenset({CLIENT}), "api:registry", "hefei"), ())
        found = await tx.seals.get_contract_seals("hefei")
    for candidates, grants in ((rules.candidates, (here, above)), (found.candidates, for_contracts)):
        assert sorted((each.distance, each.grant.id) for each in candidates) == [
            (distance, grant.id) for distance, grant in enumerate(grants)
        ]


async def test_a_batch_is_counted_ended_and_given_back(store: Database) -> None:
    seal, grant = await a_seal(store, campus="hq", max_uses=3)
    wanted = documents(4)
    uses = await begin(store, seal, wanted)
    assert [use.may_sign for use in uses] == [True, True, True, False]
    assert (uses[3].reason, uses[0].seal_grant, await used(store, seal)) == (UseRefusal.EXHAUSTED, grant.id, 3)
    async with store.transaction(EVERYTHING) as tx:
        await end_seal_uses(tx, [EndedUse(uses[0].id, "cd" * 32), EndedUse(uses[1].id, failure="page out of range")])
    async with store.transaction(EVERYTHING) as tx:  # what has ended stays as it is
        await end_seal_uses(tx, [EndedUse(uses[0].id, failure="late"), EndedUse(uses[1].id, "ef" * 32)])
    again = await begin(store, seal, wanted)  # the process died with the third open, and begins all anew
    assert [use.outcome for use in again] == [
        UseOutcome.SEALED,
        UseOutcome.ATTEMPT,
        UseOutcome.ATTEMPT,
        UseOutcome.REFUSED,
    ]
    assert [use.tries for use in again] == [1, 2, 2, 2]
    assert await used(store, seal) == 3
    async with store.transaction(EVERYTHING) as tx:
        lines = await tx.seal_register.list_of_seal(seal.id)
        streamed = [use async for use in tx.seal_register.list_uses(None, NOW, NOW + timedelta(days=1))]
    assert {use.id for use in lines} == {use.id for use in streamed} == {each.use for each in wanted}
    assert {use.result_sha256 for use in lines if use.outcome is UseOutcome.SEALED} == {"cd" * 32}
    # The file was replaced in its store before another try: the line names what the key signs.
    await begin(store, seal, [replace(wanted[2], sha256="ee" * 32)])
    async with store.transaction(EVERYTHING) as tx:
        known = await tx.seal_register.get_known([wanted[2].use])
    assert known[wanted[2].use].document_sha256 == "ee" * 32


async def test_a_use_that_this_transaction_has_ended_is_not_begun_again(store: Database) -> None:
    """Its end waits for the statement that locks the seal, which then reads the line as it is."""
    seal, _ = await a_seal(store, campus="hefei")
    wanted = documents(1)
    await begin(store, seal, wanted)
    async with store.transaction(EVERYTHING) as tx:
        await end_seal_uses(tx, [EndedUse(wanted[0].use, "cd" * 32)])
        asked = SealAsk(seal.id, frozenset({CLIENT}), "api:registry", "hefei")
        (again,) = await begin_seal_uses(tx, asked, wanted)
    assert (again.may_sign, again.outcome, again.result_sha256) == (False, UseOutcome.SEALED, "cd" * 32)


async def test_a_grant_counts_for_its_campus_and_below(store: Database) -> None:
    seal, _ = await a_seal(store, campus="hefei")
    for campus, reason in (("hefei", None), ("hq", UseRefusal.OTHER_CAMPUS), ("beijing", UseRefusal.OTHER_CAMPUS)):
        (use,) = await begin(store, seal, documents(1), campus)
        assert use.reason == reason
    async with store.transaction(Scope(frozenset({"beijing"}))) as tx:
        assert await tx.seals.list_all() == []
        assert [use.campus for use in await tx.seal_register.list_of_seal(seal.id)] == ["beijing"]


async def test_many_at_the_same_moment_never_use_more_than_was_granted(store: Database) -> None:
    """All begin while the grant's row is held; each then sees what the one before it has counted."""
    seal, grant = await a_seal(store, max_uses=5)

    async def all_wait() -> bool:
        async with store.transaction(EVERYTHING) as tx:
            return await _count_waiting(tx) == AT_ONCE

    async with store.transaction(EVERYTHING) as holder:
        await holder.connection.fetch("SELECT 1 FROM seal_grant WHERE id = $1 FOR UPDATE", grant.id)
        tasks = [asyncio.create_task(begin(store, seal, documents(2))) for _ in range(AT_ONCE)]
        await until(all_wait)
    uses = [use for uses in await asyncio.gather(*tasks) for use in uses]
    assert sum(use.may_sign for use in uses) == 5 == await used(store, seal)


async def test_no_use_begins_after_a_suspension(store: Database) -> None:
    """A use that has begun is over before the suspension is; one that comes meanwhile waits for it."""
    seal, _ = await a_seal(store)
    async with store.transaction(EVERYTHING) as tx:
        await tx.seals.save((await tx.seals.lock(seal.id)).move(SealAct.SUSPEND, NOW))
        later = asyncio.create_task(begin(store, seal, documents(1)))

        async def waits() -> bool:
            return await _count_waiting(tx) == 1

        await until(waits)
    (use,) = await later
    assert (use.outcome, use.reason) == (UseOutcome.REFUSED, UseRefusal.SUSPENDED)
