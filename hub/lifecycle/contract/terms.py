"""The terms of a contract, drawn from a course: the values in the document, and their summary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hub.documents.contract.contract_data import (
    CampusFacts,
    ContractData,
    CourseFacts,
    GuardianFacts,
    RefundStep,
    SchoolFacts,
    SignerFacts,
    StudentFacts,
)
from hub.documents.contract.wording import day, minute
from hub.errors import BadInput, GuardianRequired
from hub.lifecycle.contract.new_contract import NewStudent
from hub.model.contract.contract import Contract
from hub.model.contract.person import (
    IdDocument,
    can_be_birth_date,
    format_id_type,
    is_minor,
    mask_id,
    mask_phone,
    normalise_name,
    parse_id_document,
    same_name,
)
from hub.model.contract.signer import Role
from hub.model.school.course import Campus, Course

ROLE_WORDS = {
    Role.STUDENT: {"zh": "学员", "en": "Student"},
    Role.GUARDIAN: {"zh": "监护人", "en": "Guardian"},
    Role.REPRESENTATIVE: {"zh": "校方代表", "en": "School representative"},
}
MUST_BE_ADULT = {
    Role.GUARDIAN: "a guardian must be an adult",
    Role.REPRESENTATIVE: "the school's representative must be an adult",
}
MUST_NOT_BE_STUDENT = {
    Role.GUARDIAN: "the guardian must not be the student",
    Role.REPRESENTATIVE: "the school's representative must not be the student",
}
DEFAULT_RELATION = {"zh": "监护人", "en": "guardian"}
REHEARSAL_WORDS = {"zh": "演练，不产生任何效力", "en": "A rehearsal, without any effect"}
LANGUAGES = ("zh", "en")
# In a contract's data, the key of the digest of its course's terms.
COURSE_TERMS = "course_terms"
SIGN_BY = {"zh": "签署截止", "en": "Sign by"}


@dataclass(frozen=True)
class DrawnSigner:
    """A validated signer of a contract that does not exist yet. `field`: the name of the signature field in the PDF."""

    role: Role
    name: str
    phone: str
    document: IdDocument
    order: int
    language: str
    channels: tuple[str, ...]
    field: str
    email: str | None = None
    relation: str | None = None


@dataclass(frozen=True)
class DrawnStudent:
    name: str
    document: IdDocument
    birth_date: date | None


def check_new_student(student: NewStudent) -> DrawnStudent:
    """Check the student as entered. Raises BadInput, also if the birth date contradicts the document number."""
    document = parse_id_document(student.id_type, student.id_number, field="student.id_number")
    if student.birth_date not in (None, document.birth_date or student.birth_date):
        raise BadInput("the birth date is not that of the document number", field="student.birth_date")
    name = normalise_name(student.name, field="student.name")
    return DrawnStudent(name, document, document.birth_date or student.birth_date)


def check_age(student: DrawnStudent, signers: Sequence[DrawnSigner], on: date) -> None:
    """Check that a guardian signs for a student under 18, that student or guardian is a signer, and that nobody who
    signs for others is under 18 by their own document.

    Raises GuardianRequired for a minor without a guardian; BadInput otherwise, and if the age is unknown or impossible.
    """
    if student.birth_date is not None and not can_be_birth_date(student.birth_date, on):
        field = "student.id_number" if student.document.birth_date else "student.birth_date"
        raise BadInput("the birth date must be between 1900 and today", field=field)
    for number, each in enumerate(signers):
        if each.role in MUST_BE_ADULT and each.document.birth_date and is_minor(each.document.birth_date, on):
            raise BadInput(MUST_BE_ADULT[each.role], field=f"signers[{number}].id_number")
    roles = {signer.role for signer in signers}
    if Role.GUARDIAN in roles:
        return
    if student.birth_date is None:
        raise BadInput(
            "this document does not contain the birth date, so birth_date is required", field="student.birth_date"
        )
    if is_minor(student.birth_date, on):
        raise GuardianRequired(field="signers")
    if Role.STUDENT not in roles:
        raise BadInput("the student or a guardian must be among the signers", field="signers")


def check_student(student: DrawnStudent, signers: Sequence[DrawnSigner]) -> None:
    """Check that a signing student is the student of the contract, and that no other signer is that student. Raises
    BadInput."""
    for number, each in enumerate(signers):
        where, themselves = f"signers[{number}]", each.document == student.document
        if each.role is Role.STUDENT and not themselves:
            raise BadInput("a student who signs must be the student of the contract", field=f"{where}.id_number")
        if each.role is Role.STUDENT and not same_name(each.name, student.name):
            raise BadInput("a student who signs must be the student of the contract", field=f"{where}.name")
        if each.role in MUST_NOT_BE_STUDENT and themselves:
            raise BadInput(MUST_NOT_BE_STUDENT[each.role], field=f"{where}.id_number")


@dataclass(frozen=True)
class DrawnTerms:
    """Validated terms, independent of the language. `on`: date at the campus. `extra`: more values for the template."""

    number: str
    issued_at: datetime
    on: date
    school: SchoolFacts
    campus: Campus
    course: Course | None
    student: DrawnStudent
    signers: tuple[DrawnSigner, ...]
    extra: Mapping[str, Any]
    rehearsal: bool = False


def contract_data(terms: DrawnTerms, language: str) -> ContractData:
    campus, course, signers = terms.campus, terms.course, terms.signers
    return ContractData(
        number=terms.number,
        date=terms.on,
        issued_at=terms.issued_at,
        school=terms.school,
        campus=CampusFacts(campus.named(language), campus.located(language), campus.phone),
        student=_student(terms.student, signers, language),
        signers=tuple(SignerFacts(each.field, ROLE_WORDS[each.role][language], each.name) for each in signers),
        guardians=tuple(_guardian(each, language) for each in signers if each.role is Role.GUARDIAN),
        course=course_facts(course, language) if course else None,
        extra=dict(terms.extra),
        rehearsal=terms.rehearsal,
    )


def _student(student: DrawnStudent, signers: Sequence[DrawnSigner], language: str) -> StudentFacts:
    own_phone = next((each.phone for each in signers if each.role is Role.STUDENT), None)
    return StudentFacts(
        name=student.name,
        id_type=format_id_type(student.document.id_type, language),
        id_masked=mask_id(student.document.number),
        birth_date=student.birth_date,
        phone_masked=mask_phone(own_phone) if own_phone else "",
    )


def _guardian(signer: DrawnSigner, language: str) -> GuardianFacts:
    return GuardianFacts(
        name=signer.name,
        relation=signer.relation or DEFAULT_RELATION[language],
        phone_masked=mask_phone(signer.phone),
        id_type=format_id_type(signer.document.id_type, language),
        id_masked=mask_id(signer.document.number),
    )


def course_facts(course: Course, language: str) -> CourseFacts:
    """Return the course for the document. In English, a detail `<key>_en` is used in place of `<key>` if it exists.

    Raises BadInput if a detail is missing or cannot be read.
    """
    details = dict(course.details)

    def word(key: str) -> str:
        return str(details.get(f"{key}_en", details[key]) if language == "en" else details[key])

    try:
        return CourseFacts(
            name=course.name_en if language == "en" else course.name,
            subject=word("subject"),
            schedule=word("schedule"),
            place=word("place"),
            teacher=word("teacher"),
            lessons=int(details["lessons"]),
            minutes=int(details["minutes"]),
            class_size=int(details["class_size"]),
            starts=date.fromisoformat(str(details["starts"])),
            ends=date.fromisoformat(str(details["ends"])),
            price=Decimal(str(details["price"])),
            materials_fee=Decimal(str(details.get("materials_fee", "0"))),
            refund_steps=tuple(_refund_step(step, language) for step in details["refund_steps"]),
        )
    except (KeyError, ValueError, ArithmeticError) as error:
        where = f"{course.campus}, {course.id}: {error}"
        raise BadInput(f"the details of this course are incomplete:\n{where}", field="course") from error


def _refund_step(step: Mapping[str, Any], language: str) -> RefundStep:
    words = step.get("when_en", step["when"]) if language == "en" else step["when"]
    return RefundStep(str(words), int(step["share"]))


def summary(data: ContractData, language: str) -> list[dict[str, str]]:
    """Return labels and values of the most important terms, for the summary above the pages."""
    english = language == "en"
    names = [signer.name for signer in data.signers if not signer.field.startswith("rep")]
    rows = [("性质", "Kind", REHEARSAL_WORDS[language])] if data.rehearsal else []
    rows.append(("学员", "Student", data.student.name))
    if data.course:
        rows += _course_rows(data.course, data.campus.name, language)
    rows += [
        ("甲方", "Party A", data.school.name),
        ("乙方", "Party B", (", " if english else "、").join(names)),
    ]
    return [{"label": en if english else zh, "value": value} for zh, en, value in rows]


def _course_rows(course: CourseFacts, campus: str, language: str) -> list[tuple[str, str, str]]:
    english, comma = language == "en", ", " if language == "en" else "，"
    dates = f"{day(course.starts, language)}{' to ' if english else '至'}{day(course.ends, language)}"
    refunds = "；".join(f"{step.when} {step.share}%" for step in course.refund_steps)
    return [
        ("课程", "Course", course.name),
        ("时间", "Dates", f"{dates}{comma}{course.schedule}"),
        ("地点", "Place", f"{campus}{comma}{course.place}"),
        ("课时", "Lessons", f"{course.lessons} × {course.minutes} {'min' if english else '分钟'}"),
        ("费用", "Fee", f"¥{course.total:,.2f}"),
        ("退费", "Refunds", refunds.replace("；", "; ") if english else refunds),
    ]


def digest_terms(course: Course, campus: Campus) -> str:
    """Return the SHA-256 (hex) of all that documents say about a course and where it is held, in both languages.

    Raises BadInput if a detail is missing or cannot be read.
    """
    said = [[asdict(course_facts(course, each)), campus.named(each), campus.located(each)] for each in LANGUAGES]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def has_terms_of(old: Contract, course: Course | None, campus: Campus) -> bool:
    """Return whether a contract was issued on the present terms of its course. A contract without stored terms, issued
    by an older version, counts as issued on other terms."""
    return course is None or old.data.get(COURSE_TERMS) == digest_terms(course, campus)


def card(contract: Contract, zone: str, language: str) -> list[dict[str, str]]:
    """Return the stored summary in `language` or else in the contract's language, with the present deadline."""
    summaries = contract.data.get("summary", {})
    told_in = language if summaries.get(language) else contract.language
    deadline = contract.deadline.astimezone(ZoneInfo(zone))
    return [*summaries.get(told_in, ()), {"label": SIGN_BY[told_in], "value": minute(deadline, told_in)}]
