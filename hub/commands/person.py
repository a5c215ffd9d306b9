"""`qianda person find`, `export` and `erase`: find and erase what is kept about one person, at that person's
request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.with_hub import Commands, say, with_hub, with_hub_and_owner
from hub.errors import BadInput
from hub.model.evidence.person_data import PersonData, SoughtPerson
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING

if TYPE_CHECKING:
    from hub.lifecycle.evidence.person import ErasedPerson, PersonAct
    from hub.store.transaction import Database
    from hub.wiring import Hub

app = Commands(no_args_is_help=True, help="What is kept about one person.")
# With this value the command asks for the real one, because everybody on the machine can see a command's arguments.
ASK = "-"

Phone = Annotated[str, typer.Option("--phone", help="Their whole phone number. `-` asks for it.")]
IdNumber = Annotated[str, typer.Option("--id-number", help="Their whole document number. `-` asks for it.")]
Name = Annotated[str, typer.Option("--name", help="Their whole name. `-` asks for it.")]
Campus = Annotated[str, typer.Option("--campus", help="Only at this campus and those below it. [default: everywhere]")]
Reason = Annotated[str, typer.Option("--reason", help="Why. It is written into the school's record.")]


@app.command()
def find(reason: Reason, phone: Phone = "", id_number: IdNumber = "", name: Name = "", campus: Campus = "") -> None:
    """List where a person occurs: contracts, enrolments, messages, visits, sessions, keys, tasks."""
    from hub.lifecycle.evidence.person import find_persons

    async def run(hub: Hub) -> list[PersonData]:
        return await find_persons(hub.services, await _act(hub, sought, campus, reason))

    sought = _sought(phone, id_number, name)
    found = with_hub(run)
    for data in found:
        _say_person(data)
    if not found:
        say("Nobody matches.")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The ZIP file to write, which must not exist yet.")],
    reason: Reason,
    phone: Phone = "",
    id_number: IdNumber = "",
    name: Name = "",
    campus: Campus = "",
) -> None:
    """Write what is kept about a person into one ZIP file: person.json, and each of their completed contracts."""
    from hub.durable_files import write_durably
    from hub.lifecycle.evidence.person import export_person

    async def run(hub: Hub) -> bytes:
        return await export_person(hub.services, await _act(hub, sought, campus, reason))

    if file.exists():
        raise BadInput(f"{file} exists already: name another file", field="file")
    sought = _sought(phone, id_number, name)
    content = with_hub(run)
    write_durably(file, content)
    say(f"{file}, {len(content):,} bytes. Give it to nobody but this person.")


@app.command()
def erase(
    reason: Reason,
    phone: Phone = "",
    id_number: IdNumber = "",
    name: Name = "",
    campus: Campus = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be erased, and erase nothing.")] = False,
) -> None:
    """Erase now, permanently, what may be erased about a person. What has to stay is listed with the reason (exit
    1)."""
    from hub.lifecycle.evidence.person import erase_person, plan_erasure

    async def run(hub: Hub, owner: Database) -> ErasedPerson:
        act = await _act(hub, sought, campus, reason)
        return await (plan_erasure(hub.services, act) if dry_run else erase_person(hub.services, owner, act))

    sought = _sought(phone, id_number, name)
    done = with_hub_and_owner(run)
    say(f"{done.person.masked}:")
    for number in done.contracts:
        say(f"  {number}: {'would be ' if dry_run else ''}erased, with its files")
    say(f"  {done.enrolments} enrolments, {done.messages} messages and visits")
    for number, kept in done.kept.items():
        say(f"  {number} stays: {kept}")
    say("Nothing was changed (--dry-run)." if dry_run else "Erased, except what stays." if done.kept else "Erased.")
    if done.kept:
        raise typer.Exit(1)


@app.command("erase-confirmed")
def erase_confirmed() -> None:
    """Carry out the erasures that staff requested in the console and a second person confirmed."""
    from hub.lifecycle.evidence.ask_erasure import CarriedOut, carry_out_erasures

    async def run(hub: Hub, owner: Database) -> list[CarriedOut]:
        return await carry_out_erasures(hub.services, owner)

    carried = with_hub_and_owner(run)
    for each in carried:
        if each.failure:
            say(f"{each.request.masked}: not erased: {each.failure}")
            continue
        kept = f", {len(each.done.kept)} contracts stay" if each.done and each.done.kept else ""
        say(f"{each.request.masked}: erased{kept}")
    if not carried:
        say("No erasure is confirmed.")
    if any(each.failure for each in carried):
        raise typer.Exit(1)


async def _act(hub: Hub, sought: SoughtPerson, campus: str, reason: str) -> PersonAct:
    """Return the act, within a campus and those below it. Raises BadInput if the campus does not exist."""
    from hub.lifecycle.evidence.person import PersonAct

    scope = EVERYTHING
    if campus:
        async with hub.database.transaction(EVERYTHING) as tx:
            await tx.school.get_campus(campus)
            scope = await tx.school.get_scope_below(campus)
    return PersonAct(sought, scope, COMMAND_LINE.actor, reason)


def _sought(phone: str, id_number: str, name: str) -> SoughtPerson:
    phone, id_number, name = (
        typer.prompt(question, err=True) if given == ASK else given
        for question, given in (("Phone number", phone), ("ID number", id_number), ("Name", name))
    )
    return SoughtPerson.typed(phone, id_number, name)


def _say_person(data: PersonData) -> None:
    say(f"{data.person.masked}:")
    for part in data.contracts:
        say(
            f"  {part.number}  {part.state}  {part.campus}  as {part.signs_as or 'student'}  {part.created_at:%Y-%m-%d}"
        )
    for line in data.others["enrolments"]:
        what = "student" if line["is_student"] else "signer"
        say(f"  enrolment {line['id']}  {line['campus']}/{line['course']}  as {what}")
    counts = {kind: len(rows) for kind, rows in data.others.items() if rows and kind != "enrolments"}
    for kind, number in counts.items():
        say(f"  {kind.replace('_', ' ')}: {number}")
    for _ in data.person.shared:
        say("  a phone is also used by somebody else: messages from it are not counted")
