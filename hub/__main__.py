"""The server's commands: `qianda demo`, `serve`, `work`, `migrate`, `import`, `issue`, `doctor`."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from pydantic import ValidationError

from hub.doctor import examine
from hub.errors import BadInput, QiandaError
from hub.gate import check_demo, check_demo_database, check_elsewhere
from hub.lifecycle.issue import issue
from hub.lifecycle.load import LoadReport, load_roster, load_school, new_contract, put_staff_and_key
from hub.model.staff import EVERYTHING
from hub.processes import Job, Supervisor
from hub.settings import ROOT, Settings
from hub.store.embedded import EmbeddedPostgres
from hub.store.installation import kind_of, mark
from hub.store.migrate import migrate
from hub.wiring import Hub, build

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
DEMO_LOGIN = "demo"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Dsns:
    owner: str
    app: str


# ---- commands


@app.command()
def demo() -> None:
    """Run everything on this machine with a demo school. For trial only: refuses anything real."""
    with _said_plainly():
        settings = _settings()
        check_demo(settings)
        with _database(settings) as dsns:
            asyncio.run(migrate(dsns.owner))
            check_demo_database(asyncio.run(mark(dsns.owner, "demo", datetime.now(UTC))))
            key, password = _secret("QIANDA_DEMO_API_KEY"), _secret("QIANDA_DEMO_PASSWORD")
            asyncio.run(_prepare_demo(settings, dsns, key, password))
            _greet(settings, key, password)
            Supervisor([Job("web", settings, dsns.app, True), Job("work", settings, dsns.app, True)], _say).run()
            _say("Stopped.")


@app.command()
def serve() -> None:
    """Serve the pages and the API."""
    _run_elsewhere("web")


@app.command()
def work() -> None:
    """Run workers: reminders, messages, sealing. Any number of them, on any number of machines."""
    _run_elsewhere("work")


@app.command(name="migrate")
def migrate_command() -> None:
    """Bring the database to the current schema. Running it again changes nothing."""
    with _said_plainly():
        settings = _settings()
        with _database(settings) as dsns:
            asyncio.run(migrate(dsns.owner))
            asyncio.run(mark(dsns.owner, "production", datetime.now(UTC)))
            _say("The database is up to date.")


@app.command(name="import")
def import_command(file: Annotated[Path, typer.Argument(help="The roster, an .xlsx file.")]) -> None:
    """Load a roster. Bad rows are named one by one, the others are loaded."""
    with _said_plainly():
        content = file.read_bytes()
        report = _with_hub(lambda hub: load_roster(hub.database, content, EVERYTHING))
        for problem in report.problems:
            _say(str(problem))
        _say(f"{report.added} enrolments added, {report.already} known already, {len(report.problems)} rows refused.")
        if report.problems:
            raise typer.Exit(1)


@app.command(name="issue")
def issue_command(
    enrolment: Annotated[str, typer.Argument(help="The enrolment's id, as the staff pages show it.")],
) -> None:
    """Issue the contract of one enrolment and invite whoever signs first."""

    async def act(hub: Hub) -> str:
        async with hub.database.unit(EVERYTHING) as unit:
            found = await unit.school.enrolment(UUID(enrolment))
        contract = await issue(hub.parts, EVERYTHING, new_contract(found), "command-line")
        return f"{contract.number} {contract.state}"

    with _said_plainly():
        _say(_with_hub(act))


@app.command()
def doctor() -> None:
    """Check database, token, authority, timestamp service, channels, clock and fonts; say what is wrong and how to mend it."""
    with _said_plainly():
        findings = _with_hub(examine)
        for finding in findings:
            _say(str(finding))
        if any(not finding.well for finding in findings):
            raise typer.Exit(1)


# ---- what they share


def _run_elsewhere(kind: str) -> None:
    with _said_plainly():
        settings = _settings()
        with _database(settings) as dsns:
            check_elsewhere(os.environ, asyncio.run(kind_of(dsns.app)))
            jobs = [Job(kind, settings, dsns.app, False)] * (settings.workers if kind == "work" else 1)
            Supervisor(jobs, _say).run()


def _with_hub(act: Callable[[Hub], Coroutine[Any, Any, Result]]) -> Result:
    """Run one act on a hub of its own; the demo's database may be used too, since nothing is served."""
    settings = _settings()

    async def run(dsns: Dsns) -> Result:
        is_demo = await kind_of(dsns.app) == "demo"
        hub = await build(settings, dsns.app, demo=is_demo)
        try:
            return await act(hub)
        finally:
            await hub.close()

    with _database(settings) as dsns:
        return asyncio.run(run(dsns))


@contextmanager
def _database(settings: Settings) -> Iterator[Dsns]:
    """The configured database, or the embedded one of the data folder while we use it."""
    if settings.database:
        yield Dsns(settings.database_owner or settings.database, settings.database)
        return
    settings.data.mkdir(parents=True, exist_ok=True)
    server = EmbeddedPostgres(settings.data / "database").start()
    try:
        yield Dsns(server.dsn("owner"), server.dsn("app"))
    finally:
        server.stop()


def _settings() -> Settings:
    try:
        return Settings.load()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise BadInput(f"the configuration is wrong: {problems}") from error


@contextmanager
def _said_plainly() -> Iterator[None]:
    """Errors of ours end the command with a sentence, not with a traceback."""
    try:
        yield
    except (QiandaError, OSError, ValueError) as error:
        reason = str(error) if not isinstance(error, QiandaError) or error.detail else error.sentence
        typer.echo(f"qianda: {reason}", err=True)
        raise typer.Exit(2) from error


def _say(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()


# ---- the demo


def _secret(variable: str) -> str:
    return os.environ.get(variable) or secrets.token_urlsafe(16)


async def _prepare_demo(settings: Settings, dsns: Dsns, api_key: str, password: str) -> LoadReport | None:
    hub = await build(settings, dsns.app, demo=True)
    try:
        await load_school(hub.database, ROOT / "seeds")
        await put_staff_and_key(hub.database, login=DEMO_LOGIN, password=password, api_key=api_key)
        async with hub.database.unit(EVERYTHING) as unit:
            if await unit.school.count_open_enrolments():
                return None
        return await load_roster(hub.database, (ROOT / "seeds" / "roster.xlsx").read_bytes(), EVERYTHING)
    finally:
        await hub.close()


def _greet(settings: Settings, api_key: str, password: str) -> None:
    origin = settings.public_origin
    _say(f"""
Qianda 签达 demo: {origin}

  staff          {origin}/staff/    login {DEMO_LOGIN}   password {password}
  pretend phone  {origin}/demo/phone
  API key        {api_key}     {origin}/api/openapi.json

This is a demo. Its certificates and timestamps come from the built-in authority: for trial and internal use only.
Its messages reach nobody but the pretend phone. Press Ctrl-C to stop.
""")


if __name__ == "__main__":
    app()
