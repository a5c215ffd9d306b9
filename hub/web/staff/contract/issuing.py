"""Issue one contract by hand, and show the preview of a contract."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast
from uuid import UUID, uuid4

from aiohttp import web

from hub.errors import BadInput, QiandaError
from hub.lifecycle.contract.issue import issue_prepared, prepare_contract
from hub.lifecycle.contract.new_contract import NewContract, NewSigner, NewStudent
from hub.lifecycle.contract.preview import ContractPreview, preview_contract
from hub.model.contract.contract_copy import CopyRecipient, CopyRole
from hub.model.contract.person import IdType
from hub.model.contract.signer import Role, channels_for
from hub.model.reminders.schedule import FirstSend
from hub.model.school.entered_day import end_of_day, read_day
from hub.store.staff.idempotency import ReservedKey
from hub.web.http.app_keys import RATE_LIMITS
from hub.web.pages.files import data_url
from hub.web.staff.contract.own_document import read_own_document
from hub.web.staff.forms import Entered, printable
from hub.web.staff.messaging.messages import price_of
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

SENDS = ("now", "policy", "none")
# The form field by which a second click on the same page is recognised. The hub sets it to a random key.
ONCE = "once"


# ---- the preview


async def limit_previews(visit: StaffVisit) -> None:
    """Limit how often one address may draw contracts for previews. The limit is shared with reading contracts."""
    await visit.request.app[RATE_LIMITS].slow_down(visit.request, "staff-read")


async def _look_at(visit: StaffVisit, asked: NewContract) -> ContractPreview:
    await limit_previews(visit)
    return await preview_contract(visit.services, visit.scope, asked)


def as_seen(seen: ContractPreview | None) -> dict[str, Any]:
    """Return the values for `as_seen.html`. The images are part of the page, so that they are stored nowhere else."""
    images = [data_url(image, "image/png") for image in seen.images] if seen else []
    return {"seen": seen, "seen_pages": images, "price": price_of}


# ---- by hand


async def form(visit: StaffVisit) -> web.Response:
    """Show the form. `?document=`: for a PDF that was just uploaded."""
    asked = {name: printable(value) for name, value in visit.request.query.items()}
    return await _form(visit, {name: asked[name] for name in ("document", "document_title") if name in asked})


async def _form(visit: StaffVisit, entered: Mapping[str, str], problem: QiandaError | None = None) -> web.Response:
    async with visit.services.database.transaction(visit.scope) as tx:
        courses = [course for course in await tx.school.list_courses() if visit.scope.covers(course.campus)]
    return await show(
        visit,
        "staff/contract/issue.html",
        once=uuid4(),
        entered=Entered(entered),
        courses=courses,
        problem=problem,
        representatives=bool(visit.services.documents.representatives),
    )


async def preview_by_hand(visit: StaffVisit) -> web.Response:
    """Show the entered contract as its signers will see it, before it is issued."""
    entered = await visit.read_form()
    try:
        seen = await _look_at(visit, await _asked(visit, entered))
    except QiandaError as error:
        return await _form(visit, entered, error)
    kept = {name: value for name, value in entered.items() if name != ONCE and value}
    return await show(visit, "staff/contract/issue_preview.html", kept=kept, once=uuid4(), **as_seen(seen))


async def change(visit: StaffVisit) -> web.Response:
    """Show the form again with the entered values, after a preview."""
    return await _form(visit, await visit.read_form())


async def issue_by_hand(visit: StaffVisit) -> web.StreamResponse:
    entered = await visit.read_form()
    try:
        contract = await _issue_once(visit, await _asked(visit, entered), entered[ONCE])
    except QiandaError as error:
        return await _form(visit, entered, error)
    raise web.HTTPSeeOther(f"/staff/contracts/{contract}?said=issued")


async def _issue_once(visit: StaffVisit, asked: NewContract, once: str) -> UUID:
    """Issue a contract. A second click on the same page gives the contract that the first one issued."""
    prepared = await prepare_contract(visit.services, visit.scope, asked)
    digest = hashlib.sha256(repr(asked).encode()).digest()
    async with visit.services.database.transaction(visit.scope) as tx:
        # This waits for the first click, because its transaction, which issues the contract, has written the key.
        kept = await tx.idempotency.find_answer(visit.staff.id, once, digest, tx.now) if once else None
        if kept:
            return UUID(kept[1])
        issued = (await issue_prepared(visit.services, tx, prepared, visit.actor)).contract.id
        if once:
            reserved = ReservedKey(visit.staff.id, once, tx.now)
            await tx.idempotency.keep_answer(reserved, web.HTTPSeeOther.status_code, str(issued))
    return issued


async def _asked(visit: StaffVisit, entered: Entered) -> NewContract:
    campus_id, _, course = entered["course"].partition("/")
    async with visit.services.database.transaction(visit.scope) as tx:
        campus = await tx.school.get_campus(campus_id)
    born = read_day(entered["birth_date"], "birth_date")
    student = NewStudent(entered["student_name"], entered["student_id_type"], entered["student_id_number"], born)
    return NewContract(
        campus=campus_id,
        course=course,
        student=student,
        signers=_people(entered, student),
        send=read_send(entered["send"]),
        deadline=end_of_day(read_day(entered["deadline"], "deadline"), campus.zone),
        representative=entered["representative"] == "yes",
        document=read_own_document(visit.services, entered),
        copies=_copies(entered),
    )


def _copies(entered: Entered) -> tuple[CopyRecipient, ...]:
    """Return who was entered for a copy, in the language of the signers."""
    language = entered["language"] or "zh"
    return tuple(
        CopyRecipient(role, entered[f"copy_{role}"].strip(), language=language)
        for role in CopyRole
        if entered[f"copy_{role}"].strip()
    )


def _people(entered: Entered, student: NewStudent) -> tuple[NewSigner, ...]:
    """Return the named guardians, and the student if there are none or if requested."""
    language, in_order = entered["language"] or "zh", entered["turns"] == "in-order"
    people = []
    for who in ("guardian", "guardian2"):
        if entered[f"{who}_name"]:
            people.append(
                NewSigner(
                    Role.GUARDIAN,
                    entered[f"{who}_name"],
                    entered["phone" if who == "guardian" else f"{who}_phone"],
                    entered[f"{who}_id_number"],
                    entered[f"{who}_id_type"] or IdType.CN_ID,
                    email=entered["email" if who == "guardian" else f"{who}_email"].strip() or None,
                    relation=entered["relation" if who == "guardian" else f"{who}_relation"] or None,
                )
            )
    if not people or entered["student_signs"] == "yes":
        own = "student_" if people else ""
        phone, email = entered[f"{own}phone"], entered[f"{own}email"].strip() or None
        people.append(NewSigner(Role.STUDENT, student.name, phone, student.id_number, student.id_type, email))
    return tuple(
        replace(each, language=language, order=number if in_order else 1, channels=channels_for(each.email))
        for number, each in enumerate(people, start=1)
    )


# ---- reading the form


def read_send(text: str) -> FirstSend:
    if text not in SENDS:
        raise BadInput("now, policy or none", field="send")
    return cast(FirstSend, text)
