"""Try a template out before it is in force, with invented people in a real course."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from hub.documents.contract.contract_data import ContractData
from hub.documents.contract.contract_templates import ContractTemplate
from hub.documents.contract.layout import LaidOut
from hub.errors import BadInput
from hub.lifecycle.contract.draw import blank_answers
from hub.lifecycle.contract.new_contract import DEFAULT_TEMPLATE
from hub.lifecycle.contract.preview import UNNUMBERED
from hub.lifecycle.contract.terms import DrawnSigner, DrawnStudent, DrawnTerms, contract_data
from hub.lifecycle.services import Services
from hub.model.contract.person import IdDocument, IdType
from hub.model.contract.signer import Role
from hub.model.school.course import Campus, Course
from hub.store.transaction import Transaction

# Document numbers that belong to nobody. A contract shows their last four characters.
_CHILD = IdDocument(IdType.CN_ID, "110101201503070000")
_MOTHER = IdDocument(IdType.CN_ID, "110101198803070000")
_ADULT = IdDocument(IdType.CN_ID, "110101200003070000")
_PHONE = "+8613800000000"
_NAMES = {"zh": ("张小明", "李示范"), "en": ("Zhang Xiaoming", "Li Shifan")}
_RELATION = {"zh": "母亲", "en": "mother"}
_FIELDS = frozenset(ContractData.__dataclass_fields__)


@dataclass(frozen=True)
class SamplePlace:
    """The campus and the course from which a sample is drawn. `course`: None for a school without courses."""

    campus: Campus
    course: Course | None
    now: datetime


async def get_sample_place(tx: Transaction, template_id: str) -> SamplePlace:
    """Return the first course that uses this template, or else the first of all, with its campus."""
    courses = sorted(await tx.school.list_courses(), key=lambda course: (course.campus, course.id))
    using = [course for course in courses if (course.template or DEFAULT_TEMPLATE) == template_id] or courses
    course = using[0] if using else None
    if course is not None:
        return SamplePlace(await tx.school.get_campus(course.campus), course, tx.planning_now)
    campus = await tx.school.find_headquarters()
    if campus is None:
        raise BadInput("there is no campus yet", field="campus")
    return SamplePlace(campus, None, tx.planning_now)


def make_sample(services: Services, place: SamplePlace, template: ContractTemplate, *, adult: bool) -> ContractData:
    """Return the data of a contract with an adult student, or with a child and their mother."""
    language = template.language
    student, mother = _NAMES[language]
    if adult:
        signer = _signer(Role.STUDENT, student, _ADULT, language)
    else:
        signer = _signer(Role.GUARDIAN, mother, _MOTHER, language)
    number, born = (_ADULT, date(2000, 3, 7)) if adult else (_CHILD, date(2015, 3, 7))
    terms = DrawnTerms(
        UNNUMBERED,
        place.now.replace(microsecond=0),
        place.now.astimezone(ZoneInfo(place.campus.zone)).date(),
        services.documents.school,
        place.campus,
        place.course,
        DrawnStudent(student, number, born),
        (signer,),
        {name: name for name in template.requires if name not in _FIELDS} | blank_answers(template),
    )
    return contract_data(terms, language)


def _signer(role: Role, name: str, document: IdDocument, language: str) -> DrawnSigner:
    relation = _RELATION[language] if role is Role.GUARDIAN else None
    return DrawnSigner(role, name, _PHONE, document, 1, language, ("sms",), f"{role.value}-1", relation=relation)


async def check_draws(services: Services, place: SamplePlace, templates: Sequence[ContractTemplate]) -> None:
    """Lay out each template with a child and with an adult. Raises TemplateFailed, UndrawableText, BadInput."""

    def check() -> None:
        for template in templates:
            for adult in (False, True):
                draw_sample(services, place, template, adult=adult)

    await asyncio.to_thread(check)


def draw_sample(services: Services, place: SamplePlace, template: ContractTemplate, *, adult: bool) -> LaidOut:
    """Lay out a template with invented people. It is slow: call it in a thread. Raises as `check_draws` does."""
    sample = make_sample(services, place, template, adult=adult)
    return services.documents.printer.lay_out_by(template, sample, guarded=True)
