"""Input for issuing a contract, not validated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from hub.errors import BadInput, IllegalMove
from hub.model.contract.case import Case
from hub.model.contract.contract import Contract
from hub.model.contract.contract_copy import CopyRecipient
from hub.model.contract.own_document import OwnDocument
from hub.model.contract.person import check_address, is_minor, parse_id_document
from hub.model.contract.signer import Representative, Role, Signer
from hub.model.evidence.person_data import ERASED
from hub.model.reminders.schedule import FirstSend

# The template if neither the input nor the course names one.
DEFAULT_TEMPLATE = "course"


@dataclass(frozen=True)
class NewStudent:
    name: str
    id_type: str
    id_number: str
    birth_date: date | None = None


@dataclass(frozen=True)
class NewSigner:
    role: Role
    name: str
    phone: str
    id_number: str
    id_type: str = "cn-id"
    email: str | None = None
    relation: str | None = None
    order: int = 1
    language: str = "zh"
    channels: tuple[str, ...] = ("sms",)

    @classmethod
    def of(cls, person: Signer | Representative, **more: Any) -> NewSigner:
        """Return the input for a signer who is this person. `more`: values to set or replace."""
        same = {name: value for name, value in vars(person).items() if name in cls.__dataclass_fields__}
        return cls(**(same | more))


@dataclass(frozen=True)
class NewContract:
    """Input of staff or of another system, not validated.

    `deadline`: with a time zone; None for the default one. `representative`: add the representative configured for the
    campus, as a template may also require. `template`: empty for the course's template, or `course` if it has none.

    `declared`: the ID numbers of signers who only declared their identity, without a check.

    `companions`: templates of further documents of the same set; None for the course's companions. `companion`: whether
    this is such a further document. `set_id`: the set to which the contract belongs. `document`: a PDF of the school's
    own, in place of a template.

    `approved`: a second person has approved this contract.

    `copies`: who gets the completed contract besides its signers and those whom the template names.

    `rehearsal`: the contract is issued to try the hub out, and says so wherever it is shown.
    """

    campus: str
    student: NewStudent
    signers: Sequence[NewSigner]
    course: str | None = None
    template: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    deadline: datetime | None = None
    external_id: str | None = None
    send: FirstSend = "now"
    enrolment: UUID | None = None
    replaces: UUID | None = None
    representative: bool = False
    declared: Sequence[str] = ()
    rehearsal: bool = False
    approved: bool = False
    companions: Sequence[str] | None = None
    companion: bool = False
    set_id: UUID | None = None
    document: OwnDocument | None = None
    copies: Sequence[CopyRecipient] = ()


def student_of(values: Mapping[str, Any]) -> NewStudent:
    born = values.get("birth_date")
    return NewStudent(
        values["name"], values["id_type"], values["id_number"], date.fromisoformat(born) if born else None
    )


def has_outgrown_guardian(case: Case, on: date) -> bool:
    """Return whether a guardian is still to sign for a student who is an adult on this day and does not sign."""
    waiting = {each.signer.role for each in case.parties if not each.task.state.final}
    signs = any(each.signer.role is Role.STUDENT for each in case.parties)
    return Role.GUARDIAN in waiting and not signs and _is_student_adult(case.contract, on)


def _is_student_adult(contract: Contract, on: date) -> bool:
    """Return whether the student is an adult on this day; False also if that is not known, or was erased."""
    try:
        student = student_of((contract.data.get("asked") or {})["student"])
        born = parse_id_document(student.id_type, student.id_number).birth_date or student.birth_date
    except (KeyError, ValueError, BadInput):  # the person was erased: a dash stands for each value
        return False
    return born is not None and not is_minor(born, on)


def signer_of(values: Mapping[str, Any]) -> NewSigner:
    channels = tuple(values.get("channels", ("sms",)))
    return NewSigner(**(dict(values) | {"role": Role(values["role"]), "channels": channels}))


def refuse_erased(old: Contract) -> None:
    """Raise IllegalMove for a contract from which a person was erased: it cannot be issued again."""
    asked = old.data.get("asked") or {}
    if any(
        ERASED in (each.get("id_number"), each.get("name"))
        for each in (asked.get("student", {}), *asked.get("signers", ()))
    ):
        raise IllegalMove("a person was erased from this contract: issue a separate contract")


def drop_wrong_email(signer: NewSigner) -> NewSigner:
    """Return a signer on file, without an e-mail address that is not valid. Version 0.3.0 did not check addresses, and
    what it stored must not prevent a reissue."""
    try:
        check_address(signer.email or "")
    except BadInput:
        others = tuple(each for each in signer.channels if each != "email")
        return replace(signer, email=None, channels=others or ("sms",))
    return signer
