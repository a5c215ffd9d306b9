"""`qianda keys rotate` and `check`: the key that encrypts columns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hub.commands.open_database import opened_database
from hub.commands.with_hub import Commands, check_current, real_settings, say
from hub.installation.data_folder import check_folder, master_key
from hub.store.encryption.keys import RETIRED, Keys
from hub.store.server.installation import find_binding

if TYPE_CHECKING:
    from hub.maintenance.key_rotation import Progress
    from hub.model.evidence.encryption_keys import EncryptionFaults
    from hub.store.encryption.encrypted_column import EncryptedColumn
    from hub.store.transaction import Database

app = Commands(no_args_is_help=True, help="The key that encrypts columns.")
Result = TypeVar("Result")


@app.command()
def rotate(
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Make the next key, but do not use it yet: copy it to other hosts first.")
    ] = False,
) -> None:
    """Encrypt everything with a new key, while the hub runs. If it is killed, run it again, and it continues."""
    from hub.maintenance.key_rotation import prepare_key, rotate_keys

    if prepare:
        folder = master_key(real_settings().data).parent
        made = prepare_key(Keys.load(folder / "master.key"))
        say(f"Made: {folder}/columns-{made}.key. Copy it to the other hosts; then run `qianda keys rotate`.")
        return
    with _progress() as progress:
        current, faults = _with_database(lambda owner: rotate_keys(owner, progress), as_owner=True)
    _say_faults(faults)
    say(f"Everything is encrypted with {current}. Earlier keys that had their own files are in keys/{RETIRED}.")


@app.command()
def check() -> None:
    """Decrypt every encrypted value. List those that cannot be decrypted by table, column and row, never by content."""
    from hub.maintenance.key_rotation import check_encrypted, list_encryption_keys

    for key in _with_database(list_encryption_keys):
        state = "current" if key.is_current else f"retired {key.retired_at:%Y-%m-%d}" if key.retired_at else "old"
        say(f"{key.id}  {state}  since {key.current_since:%Y-%m-%d}")
    with _progress() as progress:
        faults = _with_database(lambda database: check_encrypted(database, progress))
    _say_faults(faults)
    say(f"{faults.checked} encrypted values are intact.")


def _say_faults(faults: EncryptionFaults) -> None:
    for name in faults.names:
        say(f"cannot be decrypted: {name}")
    if faults.names:
        say(f"{len(faults.names)} values cannot be decrypted: they were encrypted with another key, changed or moved.")
        raise typer.Exit(1)


def _with_database(act: Callable[[Database], Coroutine[Any, Any, Result]], *, as_owner: bool = False) -> Result:
    """Run one act on the database of a bound data folder, without building a hub."""
    from datetime import UTC, datetime

    from hub.store.transaction import Database

    settings = real_settings()

    async def run(dsn: str) -> Result:
        await check_current(dsn)
        check_folder(settings.data, await find_binding(dsn))
        keys = Keys.load(master_key(settings.data))
        database = Database(dsn, keys, lambda: datetime.now(UTC), pool_size=2)
        try:
            return await act(database)
        finally:
            await database.close()

    with opened_database(settings, as_owner=as_owner) as (_, dsns):
        return asyncio.run(run(dsns.owner if as_owner else dsns.app))


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show the progress on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        bars: dict[str, Any] = {}

        def show(column: EncryptedColumn, done: int) -> None:
            name = f"{column.table}.{column.column}"
            if name not in bars:
                bars[name] = shown.add_task(name, total=None)
            shown.advance(bars[name], done)

        yield show
