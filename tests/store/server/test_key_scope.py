"""A transaction with an API key has the scope of the key's campus, from its first read on."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from hub.errors import ContractNotFound, KeyNotValid
from hub.model.school.course import Campus
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.cases import opening_of_case
from hub.store.kernel.opening import by_key, enter
from hub.store.staff.accounts import key_hash
from tests.lifecycle.clockwork import quiet_hub

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCOPE = text("SELECT current_setting('qianda.scope')")


async def test_a_campus_covers_what_is_below_it_and_headquarters_everything() -> None:
    async with quiet_hub() as running:
        database = running.hub.database
        async with database.transaction(EVERYTHING) as tx:
            assert await tx.school.get_scope_below("hq") == EVERYTHING
            below = await tx.school.get_scope_below("hefei")
            assert below.covers("hefei")
            assert not below.covers("beijing")
            assert not below.covers("hq")
            await tx.school.put_campus(Campus("feixi", "hefei", "肥西校区", "Feixi", "Asia/Shanghai", "肥西", "0551-1"))
            campuses = await tx.school.list_campuses()
            for campus in campuses:
                await tx.api_keys.put_api_key(campus.id, f"secret of {campus.id}", campus.id, tx.now)
            assert (await tx.school.get_scope_below("hefei")).covers("feixi")
        for campus in campuses:
            async with database.transaction_by_key(f"secret of {campus.id}") as (tx, key):
                assert (key.name, tx.scope) == (campus.id, await tx.school.get_scope_below(campus.id))


async def test_a_key_reads_in_its_scope_and_whoever_has_none_reads_nothing() -> None:
    async with quiet_hub() as running:
        database, contract = running.hub.database, await running.issue_minor()
        async with database.transaction(EVERYTHING) as tx:
            for campus in ("hefei", "beijing"):
                await tx.api_keys.put_api_key(campus, f"secret of {campus}", campus, tx.now)
        opening = opening_of_case(contract.id)
        async with database.transaction_by_key("secret of hefei", opening) as (tx, _):
            assert (await tx.cases.get(contract.id)).contract.number == contract.number
            assert await tx.connection.scalar(SCOPE) == ",hefei,"
        async with database.transaction_by_key("secret of beijing", opening) as (tx, _):
            with pytest.raises(ContractNotFound):
                await tx.cases.get(contract.id)
        for secret in ("no secret", ""):
            with pytest.raises(KeyNotValid):
                async with database.transaction_by_key(secret, opening):
                    pass
        reading, arguments = enter(by_key(key_hash("no secret")), opening)
        driver = await database.pool.take()
        try:
            assert [row["contract_id"] for row in await driver.fetch(reading, *arguments)] == [None]
        finally:
            database.pool.give_back(driver)
