"""Read a school's file: organisation, campuses and courses as TOML. All faults are reported at once, each with its
place.

origin = "https://sign.school.example"
templates = ["course"]                     # contract templates by name; each has to exist

[school]                                   # as in the configuration
[[campus]]                                 # id, parent, name, name_en, zone, address, address_en, phone
[[course]]                                 # campus, id, name, name_en
[course.details]                           # what the contract says of the course
[configuration]                            # for `qianda init --from`: any further setting
[staff]                                    # … the first account of headquarters: login, name, password_file
[seal]                                     # … kind: builtin, request, or pkcs12 with file, password_file, above
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, TypeVar
from zoneinfo import available_timezones

from stdnum.cn import uscc

from hub.model.school.course import Campus, Course
from hub.model.school.school_change import SchoolFault, SchoolFile

Entry = TypeVar("Entry")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
DEFAULT_ZONE = "Asia/Shanghai"
# The most characters of one value; this still fits on a page.
MAX_TEXT_LENGTH = 200
# The most dots of one key. The parser's time grows with the square of the number of a key's parts.
MAX_KEY_DOTS = 8
# Strings and comments, as TOML reads them. A string that is not closed reaches to the end of its line or, with three
# quotation marks, of the text. Atomic groups here, and possessive sets here and in the next pattern, keep the time of a
# search in proportion to the length of the text. (Debian 12's Python reads possessive groups wrongly.)
_STRING_OR_COMMENT = re.compile(
    r"""(?s:\"{3}(?>(?:\\.|(?!\"{3}).)*)(?:\"{3,5}|\Z)|'{3}(?>(?:(?!'{3}).)*)(?:'{3,5}|\Z))"""
    r"""|"(?>(?:[^"\\\n]|\\.)*)"?|'[^'\n]*+'?|\#[^\n]*+"""
)
# The beginning of a key with too many dots, outside strings and comments.
_DEEP_KEY = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{MAX_KEY_DOTS + 1}}}")
ORGANISATION = ("name", "name_en", "short_name", "short_name_en", "credit_code", "licence", "representative")
CAMPUS = ("id", "parent", "name", "name_en", "zone", "address", "address_en", "phone")
COURSE = ("campus", "id", "name", "name_en", "details")
TEXTS = ("subject", "schedule", "place", "teacher")
COUNTS = ("lessons", "minutes", "class_size")
DATES = ("starts", "ends")
AMOUNTS = ("price", "materials_fee")
WITH_OFD = "with_ofd"
DETAILS = (
    "template",
    "approval",
    "companions",
    WITH_OFD,
    *TEXTS,
    *(f"{name}_en" for name in TEXTS),
    *COUNTS,
    *DATES,
    *AMOUNTS,
    "refund_steps",
)
STEP = ("when", "when_en", "share")
STAFF = ("login", "name", "password_file")
SEAL = ("kind", "file", "password_file", "above")
SEAL_KINDS = ("builtin", "request", "pkcs12")
ALL = ("origin", "templates", "school", "campus", "course", "configuration", "staff", "seal")


def read_school(text: str) -> tuple[SchoolFile, list[SchoolFault]]:
    """Return the content of the file, and its faults. If there are faults, the content is incomplete."""
    too_deep = SchoolFile(), [SchoolFault("the file", "it is nested too deeply")]
    if _DEEP_KEY.search(_STRING_OR_COMMENT.sub("_", text)):
        return too_deep
    reader = _Reader()
    try:
        return reader.school(tomllib.loads(text)), reader.faults
    except tomllib.TOMLDecodeError as error:
        return SchoolFile(), [SchoolFault("the file", f"it is not valid TOML: {error}")]
    except RecursionError:  # in the parser, or when a fault quotes a value
        return too_deep


def describe_school(organisation: Mapping[str, str], campuses: list[Campus], courses: list[Course]) -> dict[str, Any]:
    """Return the values for a file that describes this school. `read_school` gives the same school again."""
    return {
        "school": {name: organisation[name] for name in ORGANISATION if organisation.get(name)},
        "campus": [{name: getattr(each, name) for name in CAMPUS if getattr(each, name)} for each in campuses],
        "course": [
            {"campus": each.campus, "id": each.id, "name": each.name, "name_en": each.name_en}
            | {"details": dict(each.details)}
            for each in courses
        ],
    }


@dataclass
class _Reader:
    faults: list[SchoolFault] = field(default_factory=list)

    def fault(self, place: str, words: str) -> None:
        self.faults.append(SchoolFault(place, words))

    def school(self, values: Mapping[str, Any]) -> SchoolFile:
        self._known("the file", values, ALL)
        campuses = tuple(self._entries(values, "campus", self._campus))
        self._once("campus", [each.id for each in campuses])
        courses = tuple(self._entries(values, "course", self._course))
        self._once("course", [f"{each.campus}/{each.id}" for each in courses])
        return SchoolFile(
            origin=self._text("the file", values, "origin"),
            organisation=self._organisation(self._table(values, "school")),
            templates=tuple(self._templates(values)),
            campuses=campuses,
            courses=courses,
            configuration=self._table(values, "configuration"),
            staff=self._texts("staff", self._table(values, "staff"), STAFF, required=("login",)),
            seal=self._seal(self._table(values, "seal")),
        )

    # ---- parts

    def _organisation(self, values: Mapping[str, Any]) -> dict[str, str]:
        found = self._texts("school", values, ORGANISATION, required=("name", "credit_code", "licence"))
        code = found.get("credit_code", "")
        if code and not uscc.is_valid(code):
            self.fault("school, credit_code", f"{code} is not a valid credit code: a digit is wrong or missing")
        return found

    def _templates(self, values: Mapping[str, Any]) -> Iterator[str]:
        yield from self._names("templates", values.get("templates", []))

    def _names(self, place: str, names: Any) -> Iterator[str]:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self.fault(place, "has to be a list of names")
            return
        yield from names

    def _seal(self, values: Mapping[str, Any]) -> dict[str, str]:
        found = self._texts("seal", values, SEAL, required=("kind",))
        if found.get("kind", "builtin") not in SEAL_KINDS:
            self.fault("seal, kind", f"has to be one of {', '.join(SEAL_KINDS)}")
        if found.get("kind") == "pkcs12":
            for name in ("file", "password_file"):
                if name not in found:
                    self.fault(f"seal, {name}", "is missing")
        elif len(found) > 1:
            self.fault("seal", "has a file only with the kind pkcs12")
        return found

    def _campus(self, place: str, values: Mapping[str, Any]) -> Campus:
        found = self._texts(place, values, CAMPUS, required=("id", "name"))
        self._id(place, found)
        zone = found.get("zone") or DEFAULT_ZONE
        if zone not in available_timezones():
            self.fault(f"{place}, zone", _unknown("time zone", zone, available_timezones()))
        return Campus(
            id=found.get("id", ""),
            parent=found.get("parent") or None,
            name=found.get("name", ""),
            name_en=found.get("name_en") or found.get("name", ""),
            zone=zone,
            address=found.get("address", ""),
            phone=found.get("phone", ""),
            address_en=found.get("address_en", ""),
        )

    def _course(self, place: str, values: Mapping[str, Any]) -> Course:
        plain = {name: value for name, value in values.items() if name != "details"}
        self._known(place, values, COURSE)
        found = self._texts(place, plain, COURSE, required=("campus", "id", "name"))
        self._id(place, found)
        details = values.get("details")
        if not isinstance(details, Mapping):
            self.fault(f"{place}, details", "is missing: what the contract says of the course")
            details = {}
        else:
            details = self._details(f"{place}, details", details)
        name = found.get("name", "")
        return Course(found.get("id", ""), found.get("campus", ""), name, found.get("name_en") or name, details)

    def _details(self, place: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the details as they are stored: dates and amounts as text."""
        self._known(place, values, DETAILS)
        words = {name: value for name, value in values.items() if name.removesuffix("_en") in ("template", *TEXTS)}
        found: dict[str, Any] = dict(self._texts(place, words, DETAILS, required=TEXTS))
        for name in COUNTS:
            found[name] = self._count(f"{place}, {name}", values.get(name))
        for name in DATES:
            found[name] = self._date(f"{place}, {name}", values.get(name))
        for name in AMOUNTS:
            found[name] = self._amount(f"{place}, {name}", values.get(name, "0" if name == "materials_fee" else None))
        if found["starts"] and found["ends"] and found["ends"] < found["starts"]:
            self.fault(f"{place}, ends", "is before the course starts")
        if "approval" in values:
            found["approval"] = values["approval"]
            if not isinstance(values["approval"], bool):
                self.fault(f"{place}, approval", "has to be true or false")
        if "companions" in values:
            found["companions"] = list(self._names(f"{place}, companions", values["companions"]))
        if WITH_OFD in values:
            found[WITH_OFD] = self._flag(f"{place}, {WITH_OFD}", values[WITH_OFD])
        found["refund_steps"] = self._steps(f"{place}, refund_steps", values.get("refund_steps"))
        return found

    def _steps(self, place: str, values: Any) -> list[dict[str, Any]]:
        if not isinstance(values, list) or not values or not all(isinstance(each, Mapping) for each in values):
            self.fault(place, "has to be a list of steps, each with when and share")
            return []
        return [self._step(f"{place} {number}", each) for number, each in enumerate(values, 1)]

    def _step(self, place: str, values: Mapping[str, Any]) -> dict[str, Any]:
        self._known(place, values, STEP)
        words = {name: value for name, value in values.items() if name != "share"}
        share = values.get("share")
        if type(share) is not int or not 0 <= share <= 100:
            self.fault(f"{place}, share", "has to be a whole number from 0 to 100: percent of the fee not yet used")
        return {**self._texts(place, words, STEP, required=("when",)), "share": share}

    # ---- values

    def _table(self, values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        table = values.get(name, {})
        if isinstance(table, Mapping):
            return table
        self.fault(name, f"has to be a table [{name}]")
        return {}

    def _entries(
        self, values: Mapping[str, Any], name: str, read: Callable[[str, Mapping[str, Any]], Entry]
    ) -> Iterator[Entry]:
        entries = values.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(each, Mapping) for each in entries):
            self.fault(name, f"has to be entries [[{name}]]")
            return
        for number, each in enumerate(entries, 1):
            yield read(_place(name, number, each), each)

    def _known(self, place: str, values: Mapping[str, Any], names: tuple[str, ...]) -> None:
        for name in values:
            if name not in names:
                self.fault(place, _unknown("key", name, names))

    def _texts(
        self, place: str, values: Mapping[str, Any], names: tuple[str, ...], *, required: tuple[str, ...]
    ) -> dict[str, str]:
        """Return the texts that are present. An empty table may lack all of them."""
        self._known(place, values, names)
        found = {name: self._text(place, values, name) for name in values if name in names}
        for name in required if values else ():
            if not found.get(name) and name not in values:
                self.fault(f"{place}, {name}", "is missing")
            elif not found.get(name):
                self.fault(f"{place}, {name}", "is empty")
        return {name: text for name, text in found.items() if text}

    def _text(self, place: str, values: Mapping[str, Any], name: str) -> str:
        value = values.get(name, "")
        if not isinstance(value, str):
            self.fault(f"{place}, {name}", f"has to be text in quotes, not {value!r}")
            return ""
        text = value.strip()
        if len(text) > MAX_TEXT_LENGTH or not text.isprintable():
            self.fault(f"{place}, {name}", f"has to be one line of at most {MAX_TEXT_LENGTH} characters")
        return text

    def _id(self, place: str, found: Mapping[str, str]) -> None:
        if found.get("id") and not ID.fullmatch(found["id"]):
            self.fault(f"{place}, id", "has to be letters, digits, dot, dash and underscore, 40 at most")

    def _count(self, place: str, value: Any) -> int:
        if type(value) is int and value > 0:
            return value
        self.fault(place, "is missing" if value is None else f"has to be a whole number above 0, not {value!r}")
        return 0

    def _flag(self, place: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self.fault(place, f"has to be true or false, not {value!r}")
        return value is True

    def _date(self, place: str, value: Any) -> str:
        try:
            if value is not None:
                return (value if type(value) is date else date.fromisoformat(value)).isoformat()
        except (TypeError, ValueError):
            self.fault(place, f"has to be a day like 2027-03-01, not {value!r}")
            return ""
        self.fault(place, "is missing")
        return ""

    def _amount(self, place: str, value: Any) -> str:
        """Return an amount of yuan as text with two decimals."""
        if value is None:
            self.fault(place, "is missing")
            return ""
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            amount = Decimal("NaN")
        if isinstance(value, bool) or not amount.is_finite() or amount < 0 or amount != round(amount, 2):
            self.fault(place, f"has to be an amount in yuan like 2880.00, not {value!r}")
            return ""
        return f"{amount:.2f}"

    def _once(self, name: str, ids: list[str]) -> None:
        for repeated in sorted({each for each in ids if ids.count(each) > 1}):
            self.fault(name, f"{repeated} occurs more than once")


def _place(name: str, number: int, values: Mapping[str, Any]) -> str:
    named = values.get("id")
    return f"{name} {number} ({named})" if isinstance(named, str) and named else f"{name} {number}"


def _unknown(what: str, name: str, names: Any) -> str:
    near = get_close_matches(name, names, n=1)
    return f"there is no {what} {name}" + (f"; did you mean {near[0]}?" if near else "")
