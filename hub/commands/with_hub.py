"""What the commands share: read the settings, run one act on a hub, and report an error in one sentence."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import typer
from pydantic import ValidationError

from hub.commands.open_database import opened_database
from hub.demo.guard import check_environment, check_real
from hub.demo.tls import at_its_own_address
from hub.errors import BadInput, QiandaError
from hub.processes.streams import open_closed_streams
from hub.settings import Settings
from hub.store.server.connections import Dsns
from hub.store.server.installation import kind_of

if TYPE_CHECKING:
    from hub.model.school.course import Campus
    from hub.store.transaction import Database
    from hub.wiring import Hub

Result = TypeVar("Result")
Command = TypeVar("Command", bound=Callable[..., None])
# What pydantic says, in plain words.
_PLAIN_REASONS = {"Extra inputs are not permitted": "there is no such setting"}


class Commands(typer.Typer):
    """Commands that end with a sentence instead of a traceback if an expected error occurs."""

    def command(self, *names: Any, **options: Any) -> Callable[[Command], Command]:
        add = super().command(*names, **options)

        def added(command: Command) -> Command:
            add(_errors_as_sentences()(command))
            return command

        return added


def with_hub(act: Callable[[Hub], Coroutine[Any, Any, Result]]) -> Result:
    """Run one act on a hub built for it. The demo's database is allowed too, because no pages are served."""
    check_environment(os.environ)
    settings = load_settings()
    with opened_database(settings) as (_, dsns):
        return asyncio.run(_run(settings, dsns, act))


def with_hub_and_owner(act: Callable[[Hub, Database], Coroutine[Any, Any, Result]]) -> Result:
    """Run one act on a hub built for it, and on the database as the role `owner`, which may change evidence.

    Row-level security does not limit the owner.
    """
    check_environment(os.environ)
    settings = load_settings()

    with opened_database(settings, as_owner=True) as (_, dsns):

        async def run(hub: Hub) -> Result:
            from hub.store.transaction import Database

            owner = Database(dsns.owner, hub.database.keys, hub.database.clock, pool_size=2)
            try:
                return await act(hub, owner)
            finally:
                await owner.close()

        return asyncio.run(_run(settings, dsns, run))


async def _run(settings: Settings, dsns: Dsns, act: Callable[[Hub], Coroutine[Any, Any, Result]]) -> Result:
    from hub.wiring import build

    demo = await kind_of(dsns.app) == "demo"
    if not demo:
        check_real(settings)
    await check_current(dsns.app)
    hub = await build(at_its_own_address(settings) if demo else settings, dsns.app, demo=demo)
    try:
        return await act(hub)
    finally:
        await hub.close()


async def get_headquarters(hub: Hub) -> Campus:
    """Return the campus at the top. Raises BadInput if there is no school yet."""
    from hub.model.staff.scope import EVERYTHING

    async with hub.database.transaction(EVERYTHING) as tx:
        found = await tx.school.find_headquarters()
    if found is None:
        raise BadInput("there is no campus yet: run `qianda school apply` first", field="campus")
    return found


async def check_current(dsn: str) -> None:
    from hub.store.server import migrate

    await migrate.check_current(dsn)


def real_settings() -> Settings:
    """Return the settings for a command that never works with a demo's database.

    Raises BadInput for settings with which no real hub may start.
    """
    check_environment(os.environ)
    settings = load_settings()
    check_real(settings)
    return settings


def load_settings() -> Settings:
    with settings_errors_explained():
        return Settings.load()


@contextmanager
def settings_errors_explained() -> Iterator[None]:
    """Report errors of the configuration with the name of each setting. Raises BadInput."""
    try:
        yield
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {_reason(each['msg'])}" for each in error.errors())
        raise BadInput(f"the configuration is wrong: {problems}") from error


def _reason(message: str) -> str:
    return _PLAIN_REASONS.get(message) or message.removeprefix("Value error, ")


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    """End the command with a sentence instead of a traceback if an expected error occurs. SIGTERM acts like Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupted)
    open_closed_streams()
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("qianda: interrupted", err=True)
        raise typer.Exit(130) from None
    except (QiandaError, OSError, ValueError) as error:
        typer.echo(f"qianda: {_say_error(error)}", err=True)
        raise typer.Exit(2) from error


def _say_error(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def uuid_of(text: str, what: str, field: str) -> UUID:
    """Return an id. Raises BadInput for a text that is not the id of `what`."""
    try:
        return UUID(text)
    except ValueError as error:
        raise BadInput(f"{text} is not the id of {what}", field=field) from error


def first_line(file: Path) -> str:
    """Return the first line of a file, which holds a password."""
    return (file.read_text("utf-8").splitlines() or [""])[0]


def say_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"


def say(text: str) -> None:
    """Print a line at once. If its reader has ended, as `head` does, the command ends without a word, as by SIGPIPE."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still in the buffer
        raise typer.Exit(128 + signal.SIGPIPE) from None
