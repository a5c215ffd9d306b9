"""Find campuses and courses by what people write: the id, or the name in either language. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from hub.model.school.course import Campus, Course
from hub.model.staff.scope import Scope

# Maximum number of names that are offered in place of an unknown one.
MAX_OFFERED_NAMES = 3
# The ids that have each folded name.
Names = Mapping[str, set[str]]


class NameNotFound(Exception):
    """The text names no campus or course, or several. `reason`: `unknown`, `several` or `not-yours`; `offered`: similar
    names."""

    def __init__(self, reason: str, offered: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.reason, self.offered = reason, tuple(offered)


class SchoolNames:
    """The campuses within a scope, and the courses of each."""

    def __init__(self, campuses: Sequence[Campus], courses: Sequence[Course], scope: Scope) -> None:
        inside = [each for each in campuses if scope.covers(each.id)]
        outside = [each for each in campuses if not scope.covers(each.id)]
        self._campuses = _by_name(inside)
        self._outside = _by_name(outside)
        self._courses = {
            campus.id: _by_name([each for each in courses if each.campus == campus.id]) for campus in inside
        }
        entries: list[Campus | Course] = [*courses, *inside]
        self._zones = {each.id: ZoneInfo(each.zone) for each in inside}
        self._shown = {each.id: f"{each.name} ({each.id})" for each in entries}
        # What was offered for a text: in a roster, thousands of rows may have the same unknown name.
        self._offered: dict[tuple[str, str], tuple[str, ...]] = {}

    @property
    def only_campus(self) -> str | None:
        """The only campus in the scope that offers courses; None if there is none or more than one."""
        offering = [campus for campus, courses in self._courses.items() if courses]
        return offering[0] if len(offering) == 1 else None

    def find_campus(self, text: str) -> str:
        """Return the id of a campus. Raises NameNotFound."""
        if _fold(text) not in self._campuses and _fold(text) in self._outside:
            raise NameNotFound("not-yours")
        return self._the_one("", self._campuses, text)

    def day_at(self, campus: str, now: datetime) -> date:
        """Return the date at a campus at this moment; that of UTC for a campus that is not within the scope."""
        return now.astimezone(self._zones.get(campus, UTC)).date()

    def find_course(self, campus: str, text: str) -> str:
        """Return the id of a course of this campus. Raises NameNotFound."""
        return self._the_one(campus, self._courses.get(campus, {}), text)

    def _the_one(self, campus: str, names: Names, text: str) -> str:
        """Return the id that `names` has for a text. `campus`: whose courses they are; empty for campuses."""
        wanted = _fold(text)
        found = names.get(wanted, set())
        if len(found) == 1:
            return next(iter(found))
        if (campus, wanted) not in self._offered:
            ids = list(found) or [each for name in get_close_matches(wanted, names) for each in names[name]]
            shown = [self._shown[each] for each in sorted(set(ids), key=ids.index)]
            self._offered[campus, wanted] = tuple(shown[:MAX_OFFERED_NAMES])
        raise NameNotFound("several" if found else "unknown", self._offered[campus, wanted])


def _by_name(entries: Sequence[Campus | Course]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in entries:
        for name in _names(each):
            found.setdefault(name, set()).add(each.id)
    # An id is unique: it never means another campus or course that has the same text as its name.
    return found | {_fold(each.id): {each.id} for each in entries}


def _names(each: Campus | Course) -> Iterator[str]:
    for name in (each.name, each.name_en):
        if folded := _fold(name):
            yield folded
            if isinstance(each, Campus):
                yield folded.removesuffix("校区").removesuffix("campus") or folded


def _fold(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()
