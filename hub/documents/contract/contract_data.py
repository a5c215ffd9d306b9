"""The data from which a contract is drawn: plain values, already masked where the contract masks them.

A contract shows a person's full name, because it is made with a named person. It shows only the last four characters of
an ID number, and masks the middle of a phone number, because the contract will be copied, mailed and photographed for
years. To match a person to the contract, those four characters are enough. The full numbers stay encrypted in the
database, and the record holds commitments to them, so a court can get them from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter


@dataclass(frozen=True)
class SchoolFacts:
    """Party A. `licence` is the number of the school's operating permit (办学许可证)."""

    name: str
    credit_code: str
    licence: str
    representative: str = ""


@dataclass(frozen=True)
class CampusFacts:
    name: str
    address: str
    phone: str


@dataclass(frozen=True)
class RefundStep:
    """The refund if party B withdraws at some point.

    `when` describes in words how long this step applies; `share` is the percentage of the fee for lessons not yet held.
    """

    when: str
    share: int


@dataclass(frozen=True)
class CourseFacts:
    """A course. Prices are in yuan; `schedule` is in words, for example 每周六 09:00–10:30; `hours` are clock hours in
    total."""

    name: str
    subject: str
    lessons: int
    minutes: int
    starts: date
    ends: date
    schedule: str
    place: str
    class_size: int
    teacher: str
    price: Decimal
    materials_fee: Decimal
    refund_steps: tuple[RefundStep, ...]

    @property
    def total(self) -> Decimal:
        return self.price + self.materials_fee

    @property
    def hours(self) -> str:
        return f"{Decimal(self.lessons * self.minutes) / 60:.1f}".removesuffix(".0")

    @property
    def lesson_fee(self) -> Decimal:
        """Fee of one lesson in yuan, rounded to a fen: the basis of refunds."""
        return (self.price / self.lessons).quantize(Decimal("0.01"))


@dataclass(frozen=True)
class StudentFacts:
    """The student. `id_type` is the document's name in the contract's language, `id_masked` its number with the last
    four characters."""

    name: str
    id_type: str
    id_masked: str
    birth_date: date | None = None
    phone_masked: str = ""

    def __post_init__(self) -> None:
        _require_masked(self.id_masked, self.phone_masked)


@dataclass(frozen=True)
class GuardianFacts:
    """A guardian. `relation` to the student is in the contract's language, for example 母亲."""

    name: str
    relation: str
    phone_masked: str
    id_type: str = ""
    id_masked: str = ""

    def __post_init__(self) -> None:
        _require_masked(self.id_masked, self.phone_masked)


@dataclass(frozen=True)
class SignerFacts:
    """A signer. `field` names the signature field: `student-1`, `guardian-1`, `guardian-2`, `representative-1` …

    `role` is the word that the contract shows.
    """

    field: str
    role: str
    name: str


@dataclass(frozen=True)
class ContractData:
    """Everything from which a contract is drawn.

    `issued_at` (with time zone) becomes the file's creation date, so that the same data gives the same bytes; `date` is
    shown. `extra` holds values that only a school's own template needs. `rehearsal`: the document is marked as a
    rehearsal.
    """

    number: str
    date: date
    issued_at: datetime
    school: SchoolFacts
    campus: CampusFacts
    student: StudentFacts
    signers: tuple[SignerFacts, ...]
    guardians: tuple[GuardianFacts, ...] = ()
    course: CourseFacts | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    rehearsal: bool = False

    @property
    def student_signs(self) -> bool:
        """True if the student is party B: of age on the contract's date, so that no guardian is named."""
        return not self.guardians

    def values(self) -> dict[str, Any]:
        """Return the data as JSON values for a template: dates as ISO text, amounts as decimal text."""
        values: dict[str, Any] = _plain(self)
        values["student_signs"] = self.student_signs
        if self.course is not None:
            computed = {"total": self.course.total, "hours": self.course.hours, "lesson_fee": self.course.lesson_fee}
            values["course"].update(_plain(computed))
        return values

    def personal_texts(self) -> list[str]:
        """Return the texts that differ between the contracts of a course: number, names, masked numbers, answers."""
        people = (self.student, *self.guardians, *self.signers)
        masked = (getattr(one, name, "") for one in people for name in ("name", "id_masked", "phone_masked"))
        # A single letter would be found in every paragraph.
        return [
            text for text in dict.fromkeys((self.number, *masked, *list_texts(_plain(self.extra)))) if len(text) > 1
        ]

    def texts(self) -> Iterator[str]:
        """Return every text in the data, for the check against the font."""
        return list_texts(self.values())


_READER = TypeAdapter(ContractData)  # it takes 20 ms to build


def read_contract_data(values: Mapping[str, Any]) -> ContractData:
    """Return the data from the values that `ContractData.values` returned."""
    return _READER.validate_python(values)


def _require_masked(*values: str) -> None:
    if any(value and "*" not in value for value in values):
        raise ValueError("a number that a contract shows must be masked")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date):  # a datetime is also a date
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def list_texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from list_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from list_texts(item)
