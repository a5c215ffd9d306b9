"""A school as its file describes it, and the changes that applying the file would make."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from hub.model.school.course import Campus, Course


@dataclass(frozen=True)
class SchoolFault:
    """A fault in a school's file. `place`: the entry and its key, in words that help a person find it in the file."""

    place: str
    words: str

    def __str__(self) -> str:
        return f"{self.place}: {self.words}"


@dataclass(frozen=True)
class SchoolFile:
    """A school's file as it was read.

    `organisation`: keys as in `[school]` of the configuration; empty if the file has none. `configuration`, `staff` and
    `seal` are used only by a first installation.
    """

    origin: str = ""
    organisation: Mapping[str, str] = field(default_factory=dict)
    templates: tuple[str, ...] = ()
    campuses: tuple[Campus, ...] = ()
    courses: tuple[Course, ...] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)
    staff: Mapping[str, str] = field(default_factory=dict)
    seal: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SchoolChange:
    """A campus or course that is added or changed.

    `course`: empty for a campus. `values`: key, before and after. `entry`: as people know it: before a change, or new.
    """

    campus: str
    course: str
    is_new: bool
    entry: Campus | Course
    values: tuple[tuple[str, Any, Any], ...] = ()

    def __str__(self) -> str:
        what = f"course {self.campus}/{self.course}" if self.course else f"campus {self.campus}"
        if self.is_new:
            return f"+ {what}"
        changed = "; ".join(f"{name}: {before!r} → {after!r}" for name, before, after in self.values)
        return f"~ {what}: {changed}"


def path_of(entry: Campus | Course) -> str:
    """Return the id of a campus; of a course, with its campus in front."""
    return f"{entry.campus}/{entry.id}" if isinstance(entry, Course) else entry.id


@dataclass(frozen=True)
class SchoolComparison:
    """The difference between a school's file and the database. `unchanged`: the number of entries that are the same in
    both. `absent`: campuses and courses that the file does not name; they stay as they are."""

    changes: tuple[SchoolChange, ...] = ()
    unchanged: int = 0
    absent: tuple[Campus | Course, ...] = ()
    faults: tuple[SchoolFault, ...] = ()

    @property
    def digest(self) -> str:
        """A digest of the changes. The confirmation names it, to prove what the person has seen."""
        seen = json.dumps([asdict(change) for change in self.changes], default=str)
        return hashlib.sha256(seen.encode()).hexdigest()


def compare_campus(known: Campus | None, wanted: Campus) -> SchoolChange | None:
    """Return what would change; None if nothing does."""
    if known is None:
        return SchoolChange(wanted.id, "", True, wanted)
    changed = _differences(_plain(known), _plain(wanted))
    return SchoolChange(wanted.id, "", False, known, changed) if changed else None


def compare_course(known: Course | None, wanted: Course) -> SchoolChange | None:
    """Return what would change, each detail under its own name; None if nothing does."""
    if known is None:
        return SchoolChange(wanted.campus, wanted.id, True, wanted)
    changed = _differences(_plain(known), _plain(wanted))
    return SchoolChange(wanted.campus, wanted.id, False, known, changed) if changed else None


def find_tree_faults(campuses: Mapping[str, Campus], placed: Mapping[str, str]) -> list[SchoolFault]:
    """Return the faults in the tree of all campuses, which needs one headquarters, known parents, and no cycle.

    `placed`: the place in the file of each campus that the file names.
    """
    faults = []
    roots = [each.id for each in campuses.values() if each.parent is None]
    if len(roots) != 1:
        found = f"{len(roots)} have none ({', '.join(roots)})" if roots else "every campus has one"
        faults.append(SchoolFault("campus, parent", f"{found}; exactly one campus, the headquarters, has no parent"))
    for each in campuses.values():
        place = placed.get(each.id, f"campus {each.id}")
        if each.parent is not None and each.parent not in campuses:
            faults.append(SchoolFault(f"{place}, parent", f"there is no campus {each.parent}"))
        elif _is_above_itself(each, campuses):
            faults.append(SchoolFault(f"{place}, parent", "the campus would be above itself"))
    return faults


def parents_first(campuses: Iterable[Campus]) -> list[Campus]:
    """Return the campuses in an order in which each comes after its parent, if its parent is among them."""
    waiting = {each.id: each for each in campuses}
    ordered: list[Campus] = []
    while waiting:
        ready = [each for each in waiting.values() if each.parent not in waiting]
        ordered += ready
        for each in ready:
            del waiting[each.id]
    return ordered


def _is_above_itself(campus: Campus, campuses: Mapping[str, Campus]) -> bool:
    seen, above = set(), campus.parent
    while above is not None and above in campuses and above not in seen:
        if above == campus.id:
            return True
        seen.add(above)
        above = campuses[above].parent
    return False


def _plain(one: Campus | Course) -> dict[str, Any]:
    values = {each.name: getattr(one, each.name) for each in fields(one)}
    return values | dict(values.pop("details", {}))


def _differences(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[tuple[str, Any, Any], ...]:
    names = dict.fromkeys((*known, *wanted))
    return tuple((name, known.get(name), wanted.get(name)) for name in names if known.get(name) != wanted.get(name))
