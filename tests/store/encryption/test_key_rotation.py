"""A new key for encrypted columns: everything is sealed anew while the hub works, killed in the middle or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from channels import CallbackContent, Inbound
from hub.doctor.records import examine_records
from hub.errors import BadInput, WrongInstallation
from hub.installation.data_folder import check_folder
from hub.maintenance.key_rotation import check_encrypted, list_encryption_keys, prepare_key, rotate_keys
from hub.model.messaging.sms_commands import SmsCommand
from hub.model.school.course import Enrolment
from hub.model.school.roster_import import RosterUpload
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.encryption.keys import Keys, make_sealing_key
from hub.store.server.encryption_keys import ENCRYPTED_COLUMNS
from hub.store.server.installation import find_binding
from hub.store.transaction import Database
from hub.web.inbound.callback_batcher import CallbackBatcher
from tests.database import tamper
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.people import father, mother
from tests.lifecycle.signer import signed
from tests.running import GUARDIAN_PHONE, Running
from tests.store.evidence.test_record import superuser


class Killed(Exception):
    """The rotation ends here, as if its process had died."""


def quietly(column: EncryptedColumn, done: int) -> None:
    del column, done


# No process of these tests has been idle for seconds.
rotate_at_once = partial(rotate_keys, switch_timeout=0.0)


@asynccontextmanager
async def owner_of(running: Running) -> AsyncIterator[Database]:
    database = running.hub.database
    dsn = database.dsn.replace("//app@", "//owner@")
    assert database.keys.folder is not None
    owner = Database(dsn, Keys.load(database.keys.folder / "master.key"), database.clock, pool_size=2)
    try:
        yield owner
    finally:
        await owner.close()


async def live(running: Running) -> UUID:
    """Let sealed values of many kinds come about. Return a contract."""
    contract = await running.issue_minor(signers=(father(), mother()))
    await signed(running, contract, 0)
    people = {"student": {"name": "x"}, "signers": []}
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for number in range(3):
            line = Enrolment(uuid4(), "hefei", "math-a", "x", people, None)
            await tx.school.add_enrolment(line, f"person {number}", tx.now)
        await tx.inbound.add("sms", Inbound("1", GUARDIAN_PHONE, "hello"), SmsCommand.OTHER, tx.now)
        await tx.rosters.add_upload(RosterUpload(uuid4(), "hefei", "x", "roster.csv", tx.now, b"a,b"))
        await tx.idempotency.find_answer(uuid4(), "key", b"h", tx.now)
    await CallbackBatcher(running.hub.database).store("sms", CallbackContent((), ()))
    return contract.id


async def prefixes(running: Running) -> dict[str, set[str]]:
    """Return the id of the key by which each sealed value is sealed; `unbound` for values without one."""
    found: dict[str, set[str]] = {}
    async with superuser(running) as connection:
        for column in ENCRYPTED_COLUMNS:
            rows = await connection.fetch(f'SELECT "{column.column}" AS sealed FROM "{column.table}"')
            for sealed in (row["sealed"] for row in rows if row["sealed"] is not None):
                key = sealed[3:11].hex() if sealed.startswith(b"QS1") else "unbound"
                found.setdefault(key, set()).add(f"{column.table}.{column.column}")
    return found


async def forget_keys(running: Running) -> None:
    """Make the database one of an earlier version, in which nothing bears the id of a key."""
    await tamper(running.hub.database.dsn, "DELETE FROM sealing_key")


async def test_everything_is_sealed_anew_and_the_hub_goes_on() -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        contract = await live(running)
        before = await prefixes(running)
        assert len(before) == 1 and len(next(iter(before.values()))) >= 9
        current, faults = await rotate_at_once(owner, quietly)
        assert await prefixes(running) == {current: next(iter(before.values()))} and current not in before
        checked = await check_encrypted(running.hub.database, quietly)
        assert (faults.names, checked.names) == ([], []) and checked.checked > 15
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert next(each.phone for each in await tx.contracts.list_signers(contract)) == GUARDIAN_PHONE
        again, _ = await rotate_at_once(owner, quietly)
        folder = running.hub.database.keys.folder
        assert folder is not None and set(await prefixes(running)) == {again}
        assert [path.name for path in (folder / "retired").iterdir()] == [f"columns-{current}.key"]
        assert (folder / f"columns-{again}.key").exists()
        states = [(key.is_current, key.retired_at is None) for key in await list_encryption_keys(owner)]
        assert states == [(False, False), (False, False), (True, True)]
        running.clock.advance(timedelta(minutes=2))
        await signed(running, await running.issue_minor(), 0)
        findings = [each async for each in examine_records(running.hub, lambda _: None)]
        assert all(each.well for each in findings), findings


async def test_values_of_an_earlier_version_are_bound_by_the_first_rotation() -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        await forget_keys(running)
        await live(running)
        assert set(await prefixes(running)) == {"unbound"}
        current, _ = await rotate_at_once(owner, quietly)
        assert set(await prefixes(running)) == {current}
        await running.issue_minor()
        assert set(await prefixes(running)) == {current}
        assert running.hub.database.cipher.state.refuses_unbound


async def test_killed_anywhere_it_goes_on_with_the_same_key() -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        await live(running)
        steps = 0

        def count(column: EncryptedColumn, done: int) -> None:
            nonlocal steps
            steps += 1
            if steps == 4:
                raise Killed(column, done)

        with pytest.raises(Killed):
            await rotate_at_once(owner, count)
        half = set(await prefixes(running))
        assert len(half) == 2
        assert (await check_encrypted(running.hub.database, quietly)).names == []
        current, _ = await rotate_at_once(owner, quietly)
        assert current in half and set(await prefixes(running)) == {current}


async def test_what_an_older_transaction_writes_late_is_sealed_anew_as_well() -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        await live(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            key_before = tx.cipher.state.current
            rotation = asyncio.create_task(rotate_at_once(owner, quietly))
            while (await list_encryption_keys(owner))[-1].id == key_before:
                await asyncio.sleep(0.02)
            tx.cipher.observe(key_before, True)  # as in a process that has begun nothing since
            await tx.inbound.add("sms", Inbound("2", GUARDIAN_PHONE, "late"), SmsCommand.OTHER, tx.now)
            done, _ = await asyncio.wait({rotation}, timeout=1)
            assert not done  # it waits for this transaction
        current, _ = await rotation
        assert current != key_before and set(await prefixes(running)) == {current}


async def test_it_waits_for_a_held_row_and_holds_up_nobody_meanwhile() -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        contract = await live(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.contracts.lock_contract(contract)
            rotation = asyncio.create_task(rotate_at_once(owner, quietly))
            while len(await list_encryption_keys(owner)) < 2:
                await asyncio.sleep(0.02)
            await running.issue_minor()  # others go on
            done, _ = await asyncio.wait({rotation}, timeout=0.5)
            assert not done
        current, _ = await rotation
        assert set(await prefixes(running)) == {current}


async def test_values_that_do_not_open_are_named_without_what_they_say_and_nothing_is_retired() -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        contract = await live(running)
        dsn = running.hub.database.dsn
        async with running.hub.database.transaction(EVERYTHING) as tx:
            one, other = (await tx.contracts.list_signers(contract))[:2]
        swap = "UPDATE signer SET phone_sealed = (SELECT phone_sealed FROM signer WHERE id = $2) WHERE id = $1"
        await tamper(dsn, swap, one.id, other.id)
        faults = await check_encrypted(running.hub.database, quietly)
        assert faults.names == [f"signer.phone_sealed/{one.id}"]
        before = await list_encryption_keys(owner)
        _, faults = await rotate_at_once(owner, quietly)
        assert faults.names == [f"signer.phone_sealed/{one.id}"]
        after = await list_encryption_keys(owner)
        assert len(after) == len(before) + 1 and all(key.retired_at is None for key in after)


async def test_a_prepared_key_is_used_and_two_rotations_never_run_at_once() -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        await live(running)
        prepared = prepare_key(owner.keys)
        first, second = await asyncio.gather(
            rotate_at_once(owner, quietly), rotate_at_once(owner, quietly), return_exceptions=True
        )
        outcomes: list[Any] = sorted([first, second], key=lambda each: isinstance(each, BaseException))
        assert outcomes[0][0] == prepared and isinstance(outcomes[1], BadInput)


async def test_a_folder_without_the_current_key_is_refused() -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        current, _ = await rotate_at_once(owner, quietly)
        folder = running.hub.database.keys.folder
        assert folder is not None
        binding = await find_binding(owner.dsn)
        check_folder(folder.parent, binding)
        (folder / f"columns-{current}.key").unlink()
        with pytest.raises(WrongInstallation, match="keys rotate"):
            check_folder(folder.parent, binding)
        make_sealing_key(folder)
        with pytest.raises(WrongInstallation, match=current):
            check_folder(folder.parent, binding)
