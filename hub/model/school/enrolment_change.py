"""Changes that staff make to an enrolment before its contract is issued. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hub.errors import BadInput
from hub.model.contract.person import check_address, normalise_name, normalise_phone, parse_id_document
from hub.model.contract.signer import channels_for
from hub.model.school.course import Enrolment


@dataclass(frozen=True)
class PersonChange:
    """Input about a person. None leaves a value as it is. So does an empty number or e-mail address, since the page
    does not show them; `without_email` removes the address."""

    name: str | None = None
    id_type: str | None = None
    id_number: str = ""
    phone: str = ""
    email: str = ""
    without_email: bool = False
    relation: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class EnrolmentChange:
    """Input for the change of an enrolment. `birth_date`: YYYY-MM-DD. `signers`: in the order of the enrolment."""

    course: str | None = None
    external_id: str | None = None
    birth_date: str | None = None
    student: PersonChange = PersonChange()
    signers: Sequence[PersonChange] = field(default_factory=tuple)


def apply_change(enrolment: Enrolment, wanted: EnrolmentChange) -> Enrolment:
    """Return the changed enrolment with normalised values. Raises BadInput with the field."""
    people, signers = enrolment.people, enrolment.people["signers"]
    if len(wanted.signers) > len(signers):
        raise BadInput("this enrolment names fewer people who sign", field="signers")
    student = _changed_person(people["student"], wanted.student, "student")
    document = parse_id_document(student["id_type"], student["id_number"], field="student.id_number")
    said, known = document.birth_date and document.birth_date.isoformat(), people["student"].get("birth_date")
    if said and wanted.birth_date not in (None, "", known, said):  # the page shows `known` beside a new number
        raise BadInput("the birth date is not that of the document number", field="student.birth_date")
    born = said or wanted.birth_date
    student["birth_date"] = known if born is None else born or None
    entered = [*wanted.signers, *([PersonChange()] * (len(signers) - len(wanted.signers)))]
    changed = [
        _changed_person(signer, change, f"signers[{number}]")
        for number, (signer, change) in enumerate(zip(signers, entered, strict=True))
    ]
    return replace(
        enrolment,
        course=enrolment.course if wanted.course is None else wanted.course,
        external_id=enrolment.external_id if wanted.external_id is None else wanted.external_id or None,
        student_name=student["name"],
        people=dict(people) | {"student": student, "signers": _same_person(student, changed)},
    )


def list_changed(before: Enrolment, after: Enrolment) -> list[str]:
    """Return the names of the fields that differ, without their values."""
    fields = [name for name in ("course", "external_id") if getattr(before, name) != getattr(after, name)]
    fields += _differing("student", before.people["student"], after.people["student"])
    for number, (old, new) in enumerate(zip(before.people["signers"], after.people["signers"], strict=True)):
        fields += _differing(f"signers[{number}]", old, new)
    return fields


def _differing(whose: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [f"{whose}.{name}" for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]


def _changed_person(person: Mapping[str, Any], change: PersonChange, where: str) -> dict[str, Any]:
    changed = dict(person)
    if change.name is not None:
        changed["name"] = normalise_name(change.name, field=f"{where}.name")
    if change.id_type is not None or change.id_number:
        id_type, number = change.id_type or person["id_type"], change.id_number or person["id_number"]
        document = parse_id_document(id_type, number, field=f"{where}.id_number")
        changed |= {"id_type": document.id_type.value, "id_number": document.number}
    if change.phone:
        changed["phone"] = normalise_phone(change.phone, field=f"{where}.phone")
    if change.email and change.without_email:
        raise BadInput("either enter another address or remove the one on file, not both", field=f"{where}.email")
    if change.email or change.without_email:
        email = check_address(change.email, field=f"{where}.email") if change.email else None
        changed |= {"email": email, "channels": list(channels_for(email))}
    if change.relation is not None:
        changed["relation"] = change.relation or None
    if change.language is not None:
        changed["language"] = change.language
    return changed


def _same_person(student: Mapping[str, Any], signers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the signers. A signing student gets the name and document of the enrolment's student, who is the same."""
    same = {name: student[name] for name in ("name", "id_type", "id_number")}
    return [signer | same if signer["role"] == "student" else signer for signer in signers]
