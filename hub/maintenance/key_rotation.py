"""`qianda keys rotate` and `check`: replace the key for encrypted columns, while the hub runs.

1. A key is made in the folder `keys`, and becomes current in the database: from then on it encrypts.
2. Every value that was encrypted with another key is encrypted anew, one transaction for each batch.
3. This is repeated for values written by transactions that began before step 1.
4. The former keys are retired: their files move to `keys/retired`, and values without a key's id are refused.

If it is killed at any point, run it again, and it continues.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hub.errors import BadInput, DatabaseUnavailable
from hub.lifecycle.evidence.school_acts import record_hub_act
from hub.model.evidence.encryption_keys import EncryptionFaults, EncryptionKeyEntry, is_unfinished
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.encryption.keys import SEALING_FILES, Keys, key_id_of, make_sealing_key, retire_sealing_key
from hub.store.server.connections import DATABASE_OWNER, open_connection
from hub.store.server.encryption_keys import ENCRYPTED_COLUMNS, EncryptionKeys
from hub.store.transaction import SEALING_KEY_KNOWN_FOR, Database, Transaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Seconds, after which a process that encrypts outside transactions knows the new key: see `Database.know_sealing_key`.
SWITCH_TIMEOUT = 2 * SEALING_KEY_KNOWN_FOR
# Seconds to wait for transactions, and for rows that are locked.
HELD_TIMEOUT = 120.0
POLL_INTERVAL = 0.1
# Called with a column and the number of its values that are done.
Progress = Callable[[EncryptedColumn, int], None]


def prepare_key(keys: Keys) -> str:
    """Make the next key without using it yet, so that it can be copied to other hosts first. Return its id."""
    assert keys.folder is not None
    return make_sealing_key(keys.folder)


async def rotate_keys(
    owner: Database, progress: Progress, *, switch_timeout: float = SWITCH_TIMEOUT
) -> tuple[str, EncryptionFaults]:
    """Rotate to a prepared key or a new one, or continue a rotation. Return the current key's id and the faults.

    If there are faults, no key was retired. `owner`: the database as the role `owner`. Raises BadInput while another
    rotation runs.
    """
    folder = _folder(owner)
    async with _alone(owner.dsn):
        keys = await list_encryption_keys(owner)
        _move_retired(folder, keys)
        if not keys or not is_unfinished(keys):
            await _switch(owner, _next_key(folder, keys))
        began = time.monotonic()
        faults = await _reseal_all(owner, progress)
        async with owner.transaction(EVERYTHING) as tx:
            before = await _of(tx).list_running()
        await _outlive(owner, before, began + switch_timeout)
        faults = await _reseal_all(owner, progress) if not faults.names else faults
        if not faults.names:
            await _retire(owner)
            _move_retired(folder, await list_encryption_keys(owner))
        return owner.cipher.state.current, faults


async def check_encrypted(database: Database, progress: Progress) -> EncryptionFaults:
    """Decrypt every encrypted value, and return those that cannot be decrypted. The hub may keep running."""
    found = EncryptionFaults()
    for column in ENCRYPTED_COLUMNS:
        after: tuple[object, ...] = ()
        while True:
            async with database.transaction(EVERYTHING) as tx:
                batch = await _of(tx).check(column, after)
            if not batch.last:
                break
            found.checked += batch.done
            found.names += batch.faults
            after = tuple(batch.last)
            progress(column, batch.done)
    return found


def _of(tx: Transaction) -> EncryptionKeys:
    return EncryptionKeys(tx.connection, tx.cipher)


def _folder(database: Database) -> Path:
    if database.keys.folder is None:
        raise BadInput("the keys have no folder")
    return database.keys.folder


async def list_encryption_keys(database: Database) -> list[EncryptionKeyEntry]:
    async with database.transaction(EVERYTHING) as tx:
        return await _of(tx).list_keys()


@asynccontextmanager
async def _alone(dsn: str) -> AsyncIterator[None]:
    async with open_connection(dsn, DATABASE_OWNER) as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext('qianda-keys'))"):
            raise BadInput("another `qianda keys rotate` is at work on this database")
        yield


def _next_key(folder: Path, keys: list[EncryptionKeyEntry]) -> str:
    """Return the id of a key in the folder that the database does not know: prepared, or left by a killed rotation."""
    begin, end = SEALING_FILES.split("{}")
    lying = {path.name.removeprefix(begin).removesuffix(end) for path in folder.glob(SEALING_FILES.format("*"))}
    unused = sorted(lying - {key.id for key in keys})
    return unused[0] if unused else make_sealing_key(folder)


async def _switch(owner: Database, key: str) -> None:
    async with owner.transaction(EVERYTHING) as tx:
        await _of(tx).make_current(key, key_id_of(owner.keys.columns).hex(), tx.now)
        await _record(tx, "sealing-key-made", key)


async def _retire(owner: Database) -> None:
    async with owner.transaction(EVERYTHING) as tx:
        await _of(tx).retire_others(tx.now)
        await _record(tx, "sealing-keys-retired", owner.cipher.state.current)


async def _record(tx: Transaction, kind: str, key: str) -> None:
    await record_hub_act(tx, kind, COMMAND_LINE.actor, {"key": key})


async def _reseal_all(owner: Database, progress: Progress) -> EncryptionFaults:
    """Encrypt every value anew that needs it. Return those that cannot be decrypted."""
    found = EncryptionFaults()
    for column in ENCRYPTED_COLUMNS:
        deadline = time.monotonic() + HELD_TIMEOUT
        while True:
            faults = await _pass_over(owner, column, progress)
            async with owner.transaction(EVERYTHING) as tx:
                left = await _of(tx).count_left(column)
            if left <= len(faults):
                found.names += faults
                break
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(f"{left} rows of {column.table} are locked by others: run it again")
            await asyncio.sleep(POLL_INTERVAL)  # until the remaining locks are released
    return found


async def _pass_over(owner: Database, column: EncryptedColumn, progress: Progress) -> list[str]:
    faults: list[str] = []
    after: tuple[object, ...] = ()
    while True:
        async with owner.transaction(EVERYTHING) as tx:
            batch = await _of(tx).encrypt_again(column, after)
        faults += batch.faults
        if not batch.last:
            return faults
        after = tuple(batch.last)
        progress(column, batch.done)


async def _outlive(owner: Database, before: set[str], moment: float) -> None:
    """Wait until these transactions have ended and this moment has passed. Raises DatabaseUnavailable."""
    deadline = time.monotonic() + HELD_TIMEOUT
    while before or time.monotonic() < moment:
        if time.monotonic() > deadline:
            raise DatabaseUnavailable("a transaction has been open since before the new key: end it, and run it again")
        await asyncio.sleep(POLL_INTERVAL)
        async with owner.transaction(EVERYTHING) as tx:
            before &= await _of(tx).list_running()


def _move_retired(folder: Path, keys: list[EncryptionKeyEntry]) -> None:
    for key in keys:
        if key.retired_at is not None:
            retire_sealing_key(folder, key.id)
