"""Apply a school's file: add or change campuses and courses, either all of them or none."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping

from hub.documents.contract.contract_data import list_texts
from hub.documents.fonts import ContractFont
from hub.errors import SchoolChanged, UndrawableText
from hub.lifecycle.contract.template_in_force import list_all_in_force
from hub.lifecycle.evidence.school_acts import record_hub_act
from hub.lifecycle.services import Services
from hub.model.school.course import Campus, Course
from hub.model.school.school_change import (
    SchoolChange,
    SchoolComparison,
    SchoolFault,
    SchoolFile,
    compare_campus,
    compare_course,
    find_tree_faults,
    parents_first,
    path_of,
)
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction


async def compare_school(services: Services, file: SchoolFile, organisation: Mapping[str, str]) -> SchoolComparison:
    """Return what `apply_school` would change."""
    faults = await _find_faults(services, file, organisation)
    async with services.database.transaction(EVERYTHING) as tx:
        return await _compare(tx, file, faults)


async def apply_school(
    services: Services, file: SchoolFile, organisation: Mapping[str, str], actor: str, seen: str | None = None
) -> SchoolComparison:
    """Compare the file with the database, then change campuses and courses in one transaction.

    Nothing is changed if the file has a fault. `organisation`: the values of the configuration, which the file may
    repeat but not contradict. `seen`: the digest of the comparison that was confirmed; raises SchoolChanged if it
    differs now. Campuses and courses that the file does not name stay as they are.
    """
    faults = await _find_faults(services, file, organisation)
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.school.lock_changes()
        compared = await _compare(tx, file, faults)
        if compared.faults or not compared.changes:
            return compared
        if seen is not None and seen != compared.digest:
            raise SchoolChanged
        for campus in parents_first(file.campuses):
            await tx.school.put_campus(campus)
        for course in file.courses:
            await tx.school.put_course(course)
        await record_hub_act(tx, "school-changed", actor, _facts(compared.changes))
    return compared


async def _compare(tx: Transaction, file: SchoolFile, faults: list[SchoolFault]) -> SchoolComparison:
    campuses = {each.id: each for each in await tx.school.list_campuses()}
    courses = {(each.campus, each.id): each for each in await tx.school.list_courses()}
    named = {*map(path_of, file.campuses), *map(path_of, file.courses)}
    known: list[Campus | Course] = [*campuses.values(), *courses.values()]
    compared = [compare_campus(campuses.get(each.id), each) for each in file.campuses]
    compared += [compare_course(courses.get((each.campus, each.id)), each) for each in file.courses]
    changes = tuple(each for each in compared if each)
    merged = campuses | {each.id: each for each in file.campuses if each.id}
    return SchoolComparison(
        changes=changes,
        unchanged=len(compared) - len(changes),
        absent=tuple(each for each in known if path_of(each) not in named),
        faults=(*faults, *find_place_faults(file, merged)),
    )


# ---- faults


async def _find_faults(services: Services, file: SchoolFile, organisation: Mapping[str, str]) -> list[SchoolFault]:
    async with services.database.transaction(EVERYTHING) as tx:
        templates = [each.id for each in await list_all_in_force(services, tx)]
    content = await asyncio.to_thread(find_content_faults, templates, file)
    return [*_organisation_faults(file, organisation), *content]


def _organisation_faults(file: SchoolFile, organisation: Mapping[str, str]) -> Iterator[SchoolFault]:
    for name, value in file.organisation.items():
        if value != organisation.get(name, ""):
            words = f"the configuration says {organisation.get(name, '')!r}, the file {value!r}: correct one of them"
            yield SchoolFault(f"school, {name}", words)


def find_content_faults(templates: Collection[str], file: SchoolFile) -> list[SchoolFault]:
    """Return the faults that the file has in any school: templates that are not among these ids, and characters that
    cannot be drawn."""
    return [*_template_faults(templates, file), *_drawing_faults(file)]


def find_place_faults(file: SchoolFile, campuses: Mapping[str, Campus]) -> list[SchoolFault]:
    """Return the faults in the tree of all campuses, and the courses at campuses that do not exist."""
    placed = {each.id: f"campus {number} ({each.id})" for number, each in enumerate(file.campuses, 1)}
    return find_tree_faults(campuses, placed) + [
        SchoolFault(f"course {number} ({course.id}), campus", f"there is no campus {course.campus}")
        for number, course in enumerate(file.courses, 1)
        if course.campus and course.campus not in campuses
    ]


def _template_faults(known: Collection[str], file: SchoolFile) -> Iterator[SchoolFault]:
    named = [("templates", name) for name in file.templates]
    for number, course in enumerate(file.courses, 1):
        place = f"course {number} ({course.id}), details"
        named += [(f"{place}, template", course.template)] if course.template else []
        named += [(f"{place}, companions", name) for name in course.companions]
    for place, name in named:
        if name not in known:
            yield SchoolFault(place, f"there is no contract template {name}; there are {', '.join(known)}")


def _drawing_faults(file: SchoolFile) -> Iterator[SchoolFault]:
    """Yield a fault for each character that the contract's font cannot draw."""
    font = ContractFont()
    for number, campus in enumerate(file.campuses, 1):
        yield from _undrawable(font, f"campus {number} ({campus.id})", vars(campus).values())
    for number, course in enumerate(file.courses, 1):
        place = f"course {number} ({course.id})"
        yield from _undrawable(font, place, [course.name, course.name_en, *list_texts(course.details)])


def _undrawable(font: ContractFont, place: str, values: Iterable[object]) -> Iterator[SchoolFault]:
    try:
        font.check(str(value) for value in values if value)
    except UndrawableText as error:
        yield SchoolFault(place, str(error))


def _facts(changes: Iterable[SchoolChange]) -> dict[str, object]:
    """Return facts for the record: ids and the names of changed values. The values themselves are in the rows."""
    entries = []
    for each in changes:
        entry: dict[str, object] = {"campus": each.campus, "change": "added" if each.is_new else "changed"}
        entry |= {"course": each.course} if each.course else {}
        entry |= {"keys": ", ".join(name for name, _, _ in each.values)} if each.values else {}
        entries.append(entry)
    return {"changes": entries}
