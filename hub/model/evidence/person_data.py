"""The data kept about one person, the part that may be erased now, and how their values are removed from texts. Pure.

A person is identified by an identity document, because a phone number may belong to a whole family.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.errors import BadInput
from hub.model.contract.contract import ContractState
from hub.model.contract.person import (
    IdType,
    format_phone,
    is_phone,
    mask_id,
    mask_name,
    mask_phone,
    normalise_id_number,
    normalise_name,
    normalise_phone,
    parse_id_document,
    same_name,
)
from hub.model.evidence.legal_hold import LegalHold
from hub.model.evidence.retention import Retention

# Stands in place of an erased value.
ERASED = "–"
# States in which both sides are bound. A contract in one of these is kept for a time after its end.
CONCLUDED = (ContractState.COMPLETED, ContractState.SIGNED_ON_PAPER)
_OF_PERSON = ("name", "phone", "id_number", "email", "relation", "birth_date")


@dataclass(frozen=True)
class SoughtPerson:
    """The values to search for a person by. All given values must match. `phone`: E.164."""

    phone: str = ""
    id_number: str = ""
    name: str = ""

    @classmethod
    def typed(cls, phone: str, id_number: str, name: str) -> SoughtPerson:
        """Return the typed values, normalised. Raises BadInput, which never quotes a number."""
        if not (phone or id_number or name):
            raise BadInput("give a phone number, an ID number or a name")
        number = normalise_id_number(id_number)
        if number and not any(_is_number(kind, number) for kind in IdType):
            raise BadInput("This is not a valid number of any identity document.", field="id_number")
        return cls(normalise_phone(phone) if phone else "", number, normalise_name(name) if name else "")

    def fits(self, values: Mapping[str, Any]) -> bool:
        """Return whether these values of a person match all given values."""
        return (
            (not self.phone or is_phone(str(values.get("phone") or ""), self.phone))
            and (not self.id_number or normalise_id_number(str(values.get("id_number", ""))) == self.id_number)
            and (not self.name or same_name(str(values.get("name", "")), self.name))
        )


def _is_number(kind: IdType, number: str) -> bool:
    try:
        parse_id_document(kind, number)
    except BadInput:
        return False
    return True


@dataclass(frozen=True)
class KnownPerson:
    """A person with one identity document, and all names, phones (E.164) and e-mail addresses on file for them.

    `id_number` is empty if only a phone number is known. `shared`: phones that other people have too; messages from
    such a phone cannot be attributed to this person.
    """

    id_type: str
    id_number: str
    names: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()

    @property
    def own_phones(self) -> list[str]:
        return sorted(self.phones - self.shared)

    @property
    def masked(self) -> str:
        """Name and numbers of the person, masked for display."""
        parts = [mask_name(name) for name in sorted(self.names)] + [mask_phone(phone) for phone in sorted(self.phones)]
        return " · ".join(parts + ([mask_id(self.id_number)] if self.id_number else []))


@dataclass(frozen=True)
class PersonInContract:
    """What one contract contains about a person. `signer`, `signs_as`: empty for a student who does not sign. `zone`:
    time zone of the contract's campus."""

    contract: UUID
    number: str
    campus: str
    state: ContractState
    title: str
    created_at: datetime
    completed_at: datetime | None = None
    ended_at: datetime | None = None
    document: str | None = None
    enrolment: UUID | None = None
    signer: UUID | None = None
    signs_as: str = ""
    is_student: bool = False
    on_file: Mapping[str, Any] = field(default_factory=dict)
    template: str = ""
    hold: LegalHold | None = None
    zone: str = "UTC"

    def why_kept(self, retention: Retention, now: datetime) -> str:
        """Return why this may not be erased now, as a sentence; empty if it may be erased."""
        if self.hold is not None:
            return self.hold.describe(self.zone)
        if not self.state.final:
            return f"it is in progress ({self.state}): withdraw it first, or wait for its end"
        if self.state not in CONCLUDED:
            return ""
        ended = self.completed_at or self.ended_at or now
        if now < (until := ended + retention.of_template(self.template)):
            return f"it was concluded, and is kept until {until.astimezone(ZoneInfo(self.zone)):%Y-%m-%d} ([retention])"
        return ""


@dataclass(frozen=True)
class PersonData:
    """Everything in the database about a person. `others`: further rows by kind, in the form shown to the person."""

    person: KnownPerson
    contracts: Sequence[PersonInContract]
    others: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is stored. A phone number that is looked up counts as a person all the same."""
        return not (self.contracts or any(self.others.values()))

    def keep_reasons(self, retention: Retention, now: datetime) -> dict[str, str]:
        """Return the number of each contract that has to be kept, with the reason."""
        reasons = {each.number: each.why_kept(retention, now) for each in self.contracts}
        return {number: reason for number, reason in reasons.items() if reason}


def list_words(person: KnownPerson) -> list[str]:
    """Return all forms in which this person's values may occur in a text, longest first."""
    words = {*person.names, *person.emails}
    for phone in person.phones:
        words |= {phone, phone.removeprefix("+86"), format_phone(phone), mask_phone(phone)}
    if person.id_number:
        words |= {person.id_number, mask_id(person.id_number)}
    return sorted((word for word in words if word and word != ERASED), key=len, reverse=True)


def redact(value: Any, words: Sequence[str]) -> Any:
    """Return the JSON value with the person's words replaced in all texts. A word of one letter is replaced only if it
    is the whole text."""
    if isinstance(value, str):
        for word in words:
            value = value.replace(word, ERASED) if len(word) > 1 else (ERASED if value == word else value)
        return value
    if isinstance(value, Mapping):
        return {key: redact(each, words) for key, each in value.items()}
    return [redact(each, words) for each in value] if isinstance(value, (list, tuple)) else value


def redact_people(people: Mapping[str, Any], person: KnownPerson, words: Sequence[str]) -> dict[str, Any]:
    """Return the people (`student`, `signers`) of an enrolment or contract, with dashes for this person's values."""

    def without(values: Mapping[str, Any]) -> Mapping[str, Any]:
        if normalise_id_number(str(values.get("id_number", ""))) != person.id_number:
            return values
        return dict(values) | {name: ERASED for name in _OF_PERSON if values.get(name)}

    changed: dict[str, Any] = dict(people)
    changed["student"] = without(people.get("student") or {})
    changed["signers"] = [without(each) for each in people.get("signers") or ()]
    plain: dict[str, Any] = redact(changed, words)
    return plain


def list_people(people: Mapping[str, Any]) -> Iterable[tuple[bool, Mapping[str, Any]]]:
    """Yield, for each person of an enrolment or contract, whether it is the student, and the person's values."""
    student = people.get("student")
    if isinstance(student, Mapping):
        yield True, student
    for each in people.get("signers") or ():
        if isinstance(each, Mapping):
            yield False, each
