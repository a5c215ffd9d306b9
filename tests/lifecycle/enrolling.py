"""A signer who enrols through a poster, by the lifecycle's own functions: nobody has checked what they say of
themselves."""

from __future__ import annotations

from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.lifecycle.school import guests
from hub.lifecycle.school.enrol import EnrolmentRequest, EnrolmentResult, enrol
from hub.model.contract.signer import Role
from tests.lifecycle.signer import Person, deliver, person
from tests.poster_visits import Family
from tests.running import ONE_TIME_CODE, Running


async def came(running: Running, ticket: str, family: Family, course: str = "math-a") -> Person:
    """Return the guardian of a family, in the session that begins with their enrolment."""
    enrolled = await enrolled_by(running, ticket, family, course)
    somebody = await person(running, enrolled.contracts[0][0])
    somebody.secret = enrolled.secret
    return somebody


async def enrolled_by(running: Running, ticket: str, family: Family, course: str = "math-a") -> EnrolmentResult:
    services = running.hub.services
    secret = (await guests.open_poster(services, ticket, family.phone, family.parent, "zh")).secret
    codes = len([each for each in await running.messages(family.phone) if each["purpose"] == "code"])
    await guests.send_code(services, secret)
    await deliver(running)
    found = ONE_TIME_CODE.search(await running.message("code", family.phone, codes + 1))
    assert found
    secret = (await guests.verify(services, secret, found[0])).secret
    guardian = NewSigner(Role.GUARDIAN, family.parent, family.phone, family.parent_id, relation="父亲")
    return await enrol(
        services, secret, EnrolmentRequest(course, NewStudent(family.child, "cn-id", family.child_id), [guardian])
    )
