"""The server's commands, except those in `hub.commands`: `qianda demo`, `serve`, `work`, `migrate`, `init`, `issue` …

The modules that build a hub are imported only where one is built, so that a refused command answers at once and a
supervisor stays small.
"""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import secrets
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hub.commands import (
    backup,
    evidence,
    hold,
    init,
    key,
    keys,
    person,
    prune,
    school,
    seal,
    seals,
    server,
    setup,
    staff,
)
from hub.commands.open_database import made_database, opened_database
from hub.commands.with_hub import check_current, load_settings, real_settings, said_plainly, say, uuid_of, with_hub
from hub.demo.guard import (
    check_demo,
    check_demo_database,
    check_elsewhere,
    lan_address,
)
from hub.demo.tls import at_its_own_address, how_to_try, make_certificates
from hub.errors import BadInput
from hub.installation.data_folder import check_folder
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING
from hub.processes.job import ServiceJob
from hub.processes.supervisor import Greeting, SupervisorPlan, become_supervisor
from hub.settings import PACKED, Settings
from hub.store.files.durable_files import read_or_create
from hub.store.server.connections import Dsns
from hub.store.server.installation import find_binding, kind_of, mark

if TYPE_CHECKING:
    from hub.wiring import Hub

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)
app.add_typer(school.app, name="school")
seal.app.add_typer(seals.app)
app.add_typer(seal.app, name="seal")
app.add_typer(person.app, name="person")
app.add_typer(keys.app, name="keys")
app.add_typer(hold.app, name="hold")
app.add_typer(server.app, name="database")
app.add_typer(staff.staff_app, name="staff")
app.add_typer(key.app, name="key")
app.command()(evidence.evidence)
app.command("renew")(evidence.renew_command)
app.command("pause")(backup.pause_command)
app.command("resume")(backup.resume_command)
app.command("prune")(prune.prune_command)
app.command("backup")(backup.backup_command)
app.command("restore")(backup.restore_command)
DEMO_LOGIN = "demo"
PORT_TIMEOUT = 5.0
MAX_PORT = 65535
_OTHER_PORT = "QIANDA_PORT (or `make run PORT=…`; of a worker QIANDA_WORK_PORT) chooses another port"
Result = TypeVar("Result")


# ---- commands


@app.command()
def demo() -> None:
    """Run everything on this machine with a demo school. For trial only: a real database or channel is refused."""
    with said_plainly():
        settings = at_its_own_address(load_settings())
        check_demo(settings)
        _check_port(settings.host, settings.port)
        with made_database(settings) as (_, dsns):
            asyncio.run(_prepare_demo_database(dsns))
            certificates = make_certificates(settings, datetime.now(UTC))
            greeting = _greeting(settings, *asyncio.run(_prepare_demo(settings, dsns)))
            web = ServiceJob("web", pickle.dumps(settings), dsns.app, True, settings.data, certificates)
            jobs = (web, replace(web, kind="work", certificates=None))
            address = (settings.host, settings.port)
            become_supervisor(SupervisorPlan(jobs, settings.data, Greeting(address, greeting)))


@app.command()
def serve() -> None:
    """Serve the pages and the API."""
    _run_elsewhere("web")


@app.command()
def work() -> None:
    """Run workers: reminders, messages, sealing. There may be any number of them, on any number of machines."""
    _run_elsewhere("work")


@app.command(name="migrate")
def migrate_command() -> None:
    """Bring the database to the current schema. Running it again changes nothing."""
    with said_plainly():
        bound = init.migrate_database(real_settings())
        say("The database is up to date.")
        if not bound:
            say("No data folder is bound to it yet: run `qianda init` next.")


@app.command(name="init")
def init_command(
    renew: Annotated[
        bool, typer.Option("--renew", help="Accept a root and a seal that were renewed on purpose.")
    ] = False,
    from_file: Annotated[
        Path | None,
        typer.Option("--from", help="Set up a whole school from its file (docs/operating.md, The school's file)."),
    ] = None,
    by_page: Annotated[
        bool, typer.Option("--page", help="Set up a school in a page with a one-time address; then serve and work.")
    ] = False,
) -> None:
    """Set up a school: by questions in the terminal, in a page (--page), or from a file (--from).

    If a configuration exists, make the keys and certificates of the data folder and bind it to the database. This is
    done once, after `migrate`.
    """
    with said_plainly():
        if renew + bool(from_file) + by_page > 1:
            raise BadInput("give one of --renew, --from and --page")
        if from_file:
            init.set_up(from_file)
        elif by_page:
            unset = setup.check_unset()
            _check_port(unset.host, unset.port)
            setup.set_up_by_page()
            _run_elsewhere("web", "work")
        elif not renew and setup.is_a_terminal() and setup.is_unset():
            if setup.set_up_in_terminal():
                _run_elsewhere("web", "work")
        else:
            setup.check_has_a_school()
            say(init.bind_database(real_settings(), renew=renew))


@app.command(name="import")
def import_command(
    file: Annotated[Path, typer.Argument(help="The roster: .xlsx, .xls, .ods, or .csv in UTF-8 or GBK.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report the faults, and load nothing.")] = False,
    marked: Annotated[
        Path | None, typer.Option(help="Write the sheet, with the faults marked in it, to this new .xlsx file.")
    ] = None,
) -> None:
    """Load a roster. Bad rows are reported one by one, the others are loaded. Running it again adds nothing twice."""
    with said_plainly():
        school.import_roster(file, dry_run, marked)


@app.command(name="issue")
def issue_command(
    enrolment: Annotated[str, typer.Argument(help="The enrolment's id, as the console shows it.")],
) -> None:
    """Issue the contract of one enrolment and invite the first signer."""
    from hub.lifecycle.contract.issue import issue
    from hub.lifecycle.school.import_roster import new_contract

    async def act(hub: Hub) -> str:
        async with hub.database.transaction(EVERYTHING) as tx:
            found = await tx.school.get_enrolment(uuid_of(enrolment))
        contract = await issue(hub.services, EVERYTHING, new_contract(found), COMMAND_LINE.actor)
        return f"{contract.number} {contract.state}"

    with said_plainly():
        say(with_hub(act))


@app.command()
def doctor(
    records: Annotated[bool, typer.Option("--records", help="Check every entry of every record as well.")] = False,
    files: Annotated[bool, typer.Option("--files", help="Check every stored file as well.")] = False,
) -> None:
    """Check every part that a contract needs; say what is wrong and how to correct it."""
    from hub.doctor.records import examine_all

    with said_plainly():
        if not with_hub(lambda hub: examine_all(hub, records, files, say)):
            raise typer.Exit(1)


@app.command()
def erase(
    number: Annotated[str, typer.Argument(help="The contract's number.")],
    entry: Annotated[int | None, typer.Option(help="The text behind this entry of its record.")] = None,
    signer: Annotated[str, typer.Option(help="All data of this signer, e.g. `guardian-1`.")] = "",
) -> None:
    """Erase personal data to which a contract's record commits, permanently. The record itself stays, and stays
    valid."""
    from hub.lifecycle.evidence.erase import erase_of_number

    with said_plainly():
        if (entry is None) is not bool(signer):
            raise BadInput("give either --entry or --signer")
        what = signer if entry is None else entry
        with_hub(lambda hub: erase_of_number(hub.services, number, what, COMMAND_LINE.actor))
        say("Erased.")


# ---- shared by the commands


def _run_elsewhere(*kinds: str) -> None:
    with said_plainly():
        settings = real_settings()
        jobs = [(kind, each) for kind in kinds for each in _settings_of_jobs(kind, settings)]
        for kind, each in jobs:
            _check_port(each.host, each.port) if kind == "web" else _check_port(each.work_host, each.work_port)
        with opened_database(settings) as (server, dsns):
            check_elsewhere(os.environ, asyncio.run(kind_of(dsns.app)))
            asyncio.run(check_current(dsns.app))
            check_folder(settings.data, asyncio.run(find_binding(dsns.app)))
            data = settings.data if server else None
            packed = [ServiceJob(kind, pickle.dumps(each), dsns.app, False, data) for kind, each in jobs]
            become_supervisor(SupervisorPlan(tuple(packed), data))


def _settings_of_jobs(kind: str, settings: Settings) -> list[Settings]:
    """Return the settings for each process of a kind. The workers' health ports are consecutive. Raises BadInput if
    there are not enough ports."""
    if kind == "web":
        return [settings]
    first, number = settings.work_port, settings.workers
    if first + number - 1 > MAX_PORT:
        raise BadInput(f"work_port: {number} workers need as many ports from {first} on", field="work_port")
    ports = [first + place if first else 0 for place in range(number)]
    return [settings.model_copy(update={"work_port": port}) for port in ports]


def _check_port(host: str, port: int) -> None:
    """Raise BadInput if another process listens on the port; 0 means no port. A process that is just ending gets
    PORT_TIMEOUT seconds."""
    if not port:
        return
    deadline = time.monotonic() + PORT_TIMEOUT
    while True:
        try:
            with socket.create_server((host, port), family=_family(host)):
                return
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise BadInput(f"this machine has no address {host}: use one of its own addresses") from error
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                reason = f"cannot listen on {host}:{port} ({error.strerror})"
                raise BadInput(f"{reason}; {_OTHER_PORT}") from error
        time.sleep(0.1)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


# ---- the demo


async def _prepare_demo_database(dsns: Dsns) -> None:
    """Migrate the database and mark it as a demo's. Any other database is refused before it is changed."""
    from hub.store.server.migrate import migrate

    check_demo_database(await kind_of(dsns.owner) or "demo")
    await migrate(dsns.owner)
    check_demo_database(await mark(dsns.owner, "demo", datetime.now(UTC)))


async def _prepare_demo(settings: Settings, dsns: Dsns) -> tuple[str, str]:
    """Make keys and certificates, load the school and its roster, and add a login. Return the API key and the
    password."""
    from hub.initialise import initialise
    from hub.lifecycle.school.import_roster import load_roster, load_school, put_staff_and_key
    from hub.wiring import build

    api_key = _demo_secret(settings, "api-key", "QIANDA_DEMO_API_KEY")
    password = _demo_secret(settings, "password", "QIANDA_DEMO_PASSWORD")
    await initialise(settings, dsns.owner)
    hub = await build(settings, dsns.app, demo=True)
    try:
        await load_school(hub.database, PACKED / "demo" / "seeds")
        await put_staff_and_key(hub.database, login=DEMO_LOGIN, password=password, api_key=api_key)
        async with hub.database.transaction(EVERYTHING) as tx:
            is_loaded = await tx.school.count_open_enrolments() > 0
        if not is_loaded:
            roster = await asyncio.to_thread((PACKED / "demo" / "seeds" / "roster.xlsx").read_bytes)
            await load_roster(hub.database, hub.services.clock, roster, EVERYTHING)
    finally:
        await hub.close()
    return api_key, password


def _demo_secret(settings: Settings, name: str, variable: str) -> str:
    """Return the secret from the environment variable; otherwise the one that an earlier start generated, or a new one.

    It is stored, so that the old login still works after a second start.
    """
    folder = settings.data / "demo"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.environ.get(variable) or read_or_create(folder / name, lambda: secrets.token_urlsafe(16))


def _greeting(settings: Settings, api_key: str, password: str) -> str:
    origin = settings.public_origin
    return f"""
Qianda 签达 demo: {origin}
{how_to_try(origin) if lan_address(settings.host) else ""}
  staff          {origin}/staff/    login {DEMO_LOGIN}   password {password}
  pretend phone  {origin}/demo/phone
  API key        {api_key}     {origin}/api/openapi.json

This is a demo. Its certificates and timestamps come from the built-in authority: for trial and internal use only.
Its messages reach nobody but the pretend phone. Press Ctrl-C to stop.
"""


if __name__ == "__main__":
    app()
