"""Rehearse: issue a contract to oneself. Wherever it is shown, it says that it is a rehearsal without any effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.errors import BadInput
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.contract.new_contract import NewContract, NewSigner, NewStudent
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.school.course import Course
from hub.model.staff.scope import Scope


@dataclass(frozen=True)
class RehearsingPerson:
    """The person who rehearses: an adult, both student and signer. `email`: where messages go; empty for SMS."""

    name: str
    id_number: str
    phone: str
    email: str = ""
    language: str = "zh"


async def rehearse(services: Services, scope: Scope, person: RehearsingPerson, actor: str) -> Contract:
    """Issue the contract of the first course within the scope, and invite the person at once.

    Raises BadInput if there is no course yet, and what `issue` raises.
    """
    async with services.database.transaction(scope) as tx:
        courses = [each for each in await tx.school.list_courses() if scope.covers(each.campus)]
    return await issue(services, scope, make_rehearsal(person, courses), actor)


def make_rehearsal(person: RehearsingPerson, courses: Sequence[Course]) -> NewContract:
    """Return the input for the rehearsal's contract. Raises BadInput if there is no course to draw it from."""
    if not courses:
        raise BadInput("there is no course yet to draw a contract from: add one first", field="course")
    course = min(courses, key=lambda each: (each.campus, each.id))
    signer = NewSigner(
        Role.STUDENT,
        person.name,
        person.phone,
        person.id_number,
        email=person.email or None,
        language=person.language,
        channels=("email",) if person.email else ("sms",),
    )
    return NewContract(
        campus=course.campus,
        course=course.id,
        student=NewStudent(person.name, "cn-id", person.id_number),
        signers=(signer,),
        rehearsal=True,
    )
