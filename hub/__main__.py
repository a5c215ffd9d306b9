"""Put the commands of `hub.commands` together, and add `qianda migrate`, `init`, `import`, `issue`, `doctor`, `erase`.

The modules that build a hub are imported only where one is built, so that a refused command answers at once and a
supervisor stays small.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands import (
    backup,
    demo,
    evidence,
    hold,
    init,
    jobs,
    key,
    keys,
    person,
    prune,
    school,
    seal,
    seals,
    serve,
    server,
    setup,
    staff,
)
from hub.commands.with_hub import Commands, real_settings, say, uuid_of, with_hub
from hub.errors import BadInput
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING

if TYPE_CHECKING:
    from hub.wiring import Hub

app = Commands(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)
app.add_typer(school.app, name="school")
seal.app.add_typer(seals.app)
app.add_typer(seal.app, name="seal")
app.add_typer(person.app, name="person")
app.add_typer(keys.app, name="keys")
app.add_typer(hold.app, name="hold")
app.add_typer(jobs.app, name="jobs")
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
app.command("demo")(demo.demo_command)
app.command("serve")(serve.serve_command)
app.command("work")(serve.work_command)


@app.command(name="migrate")
def migrate_command() -> None:
    """Bring the database to the current schema. Running it again changes nothing."""
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
    if renew + bool(from_file) + by_page > 1:
        raise BadInput("give one of --renew, --from and --page")
    if from_file:
        init.set_up(from_file)
    elif by_page:
        unset = setup.check_unset()
        serve.check_port(unset.host, unset.port)
        setup.set_up_by_page()
        serve.run_processes("web", "work")
    elif not renew and setup.is_a_terminal() and setup.is_unset():
        if setup.set_up_in_terminal():
            serve.run_processes("web", "work")
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
            found = await tx.school.get_enrolment(uuid_of(enrolment, "an enrolment", "enrolment"))
        contract = await issue(hub.services, EVERYTHING, new_contract(found), COMMAND_LINE.actor)
        return f"{contract.number} {contract.state}"

    say(with_hub(act))


@app.command()
def doctor(
    records: Annotated[bool, typer.Option("--records", help="Check every entry of every record as well.")] = False,
    files: Annotated[bool, typer.Option("--files", help="Check every stored file as well.")] = False,
) -> None:
    """Check every part that a contract needs; say what is wrong and how to correct it."""
    from hub.doctor.records import examine_all

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

    if (entry is None) is not bool(signer):
        raise BadInput("give either --entry or --signer")
    what = signer if entry is None else entry
    with_hub(lambda hub: erase_of_number(hub.services, number, what, COMMAND_LINE.actor))
    say("Erased.")


if __name__ == "__main__":
    app()
