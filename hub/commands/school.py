"""`qianda school apply` and `show`: read campuses and courses from a file, and print them as one; `record`: print the
school's own record.

Also `qianda import`: a roster from a spreadsheet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from hub.commands.with_hub import Commands, say, with_hub
from hub.model.evidence.record_facts import list_commitments
from hub.model.evidence.school_record import SCHOOL_KINDS
from hub.model.school.roster_import import MAX_FILE_NAME_LENGTH, RosterImport
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING

if TYPE_CHECKING:
    from hub.lifecycle.school.import_roster import ImportOptions, LoadReport
    from hub.model.evidence.record import RecordEntry
    from hub.model.school.school_change import SchoolComparison, SchoolFault
    from hub.wiring import Hub

app = Commands(no_args_is_help=True, help="Set up the school: campuses and courses from a file, and back.")
FAULTS_FOUND = 1


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="The school's file, TOML (docs/operating.md, The school's file).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
) -> None:
    """Add and change campuses and courses as the file says: all of it, or nothing if there is a fault.

    What the file does not mention stays. Exit code 0: done, or nothing to do. 1: the file has faults. 2: it could not
    begin.
    """
    from hub.documents.school.school_file import read_school
    from hub.lifecycle.school.apply_school import apply_school, compare_school

    described, faults = read_school(file.read_text("utf-8"))

    async def act(hub: Hub) -> SchoolComparison:
        organisation = hub.settings.school.model_dump()
        if dry_run or faults:
            return await compare_school(hub.services, described, organisation)
        return await apply_school(hub.services, described, organisation, COMMAND_LINE.actor)

    compared = with_hub(act)
    say_comparison(compared, [*faults, *compared.faults], dry_run=dry_run)


def say_comparison(compared: SchoolComparison, faults: list[SchoolFault], *, dry_run: bool) -> None:
    """Print the changes, or every fault. Raises typer's Exit with 1 if there are faults."""
    from hub.model.school.school_change import path_of

    if faults:
        for fault in dict.fromkeys(faults):
            say(str(fault))
        say(f"{_counted(len(dict.fromkeys(faults)), 'fault')}. Nothing was changed.")
        raise typer.Exit(FAULTS_FOUND)
    for change in compared.changes:
        say(str(change))
    if compared.absent:
        say(f"not in the file, and left as they are: {', '.join(map(path_of, compared.absent))}")
    unchanged = "1 entry as it is" if compared.unchanged == 1 else f"{compared.unchanged} entries as they are"
    counted = f"{_counted(len(compared.changes), 'change')}, {unchanged}"
    say(f"{counted}. Nothing was changed (--dry-run)." if dry_run else f"{counted}.")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@app.command()
def show() -> None:
    """Print the present campuses and courses as a file for `apply`."""
    from hub.documents.school.school_file import describe_school
    from hub.documents.toml_text import write_toml

    async def act(hub: Hub) -> str:
        async with hub.database.transaction(EVERYTHING) as tx:
            campuses, courses = await tx.school.list_campuses(), await tx.school.list_courses()
        return write_toml(describe_school(hub.settings.school.model_dump(), campuses, courses))

    say(with_hub(act).rstrip("\n"))


@app.command()
def record() -> None:
    """Print the school's own record: when accounts, keys, campuses, courses and the seal were changed."""

    async def act(hub: Hub) -> list[str]:
        async with hub.database.transaction(EVERYTHING) as tx:
            installation = await tx.school.find_installation()
            entries = await tx.record.list_entries(installation) if installation else []
            values = await tx.record.get_values(installation) if installation else {}
        words = {commitment: value for commitment, (_, value) in values.items()}
        return [_line(each, words) for each in entries]

    for line in with_hub(act) or ["Nothing is recorded yet."]:
        say(line)


def _line(entry: RecordEntry, words: Mapping[str, str]) -> str:
    """Return one entry as a line. Erased values are shown as a dash."""
    facts = dict(entry.facts)
    for name, committed in list_commitments(facts):
        facts[name] = words.get(committed, "–")
    said = json.dumps(facts, ensure_ascii=False) if facts else ""
    what = SCHOOL_KINDS.get(entry.kind, entry.kind)
    return f"{entry.at:%Y-%m-%d %H:%M:%S}Z  {what}, by {entry.actor}  {said}".rstrip()


async def _begin_import(hub: Hub, name: str, options: ImportOptions) -> ImportOptions:
    """Begin an import by headquarters, which staff can see and undo. Without a school, return the options unchanged."""
    from hub.lifecycle.school.import_roster import begin_import

    async with hub.database.transaction(EVERYTHING) as tx:
        top = await tx.school.find_headquarters()
        if top is None:
            return options
        wanted = RosterImport(uuid4(), top.id, COMMAND_LINE.actor, name[-MAX_FILE_NAME_LENGTH:], tx.now)
        return replace(options, roster_import=await begin_import(tx, wanted))


def import_roster(file: Path, dry_run: bool, marked: Path | None) -> None:
    """Load a roster, or only report its faults. `marked`: a new file for the sheet with its faults.

    Raises typer's Exit with 1 if there are faults.
    """
    from hub.lifecycle.school.import_roster import ImportOptions, load_roster, mark_roster, read_titles

    options = ImportOptions("en", dry_run=dry_run)
    content = file.read_bytes()

    async def act(hub: Hub) -> LoadReport:
        if marked:
            sheet = await mark_roster(hub.database, hub.services.clock, content, EVERYTHING, options)
            with marked.open("xb") as new:
                new.write(sheet)
        _, missing = await read_titles(hub.database, content, EVERYTHING)
        begun = options if dry_run or missing else await _begin_import(hub, file.name, options)
        return await load_roster(hub.database, hub.services.clock, content, EVERYTHING, begun)

    report = with_hub(act)
    for title in report.header.unknown:
        say(f"{title.cell(report.header.row)}: the column {title.title} is left out{title.offer()}.")
    for problem in report.problems:
        say(str(problem))
    if report.faults > len(report.problems):
        say(f"… and {report.faults - len(report.problems)} more faults; --marked FILE.xlsx shows all of them.")
    would = "would be " if dry_run else ""
    added, refused = _counted(report.added, "enrolment"), _counted(report.refused, "row")
    say(f"{added} {would}added, {report.already} known already, {refused} refused.")
    if report.faults:
        raise typer.Exit(FAULTS_FOUND)
