"""Change or delete an enrolment in the console, as long as no contract was issued from it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.errors import EnrolmentIssued
from hub.lifecycle.contract.draw import check_people
from hub.lifecycle.evidence.school_acts import record_act
from hub.lifecycle.school.import_roster import new_contract
from hub.model.school.course import Enrolment
from hub.model.school.enrolment_change import EnrolmentChange, apply_change, list_changed
from hub.store.transaction import Transaction


async def change_enrolment(tx: Transaction, enrolment_id: UUID, wanted: EnrolmentChange, actor: str) -> Enrolment:
    """Change an enrolment, and record which values changed, without the values.

    Raises NotFound; EnrolmentIssued; BadInput and GuardianRequired, as for a contract; AlreadyEnrolled if this student
    is already in this course.
    """
    before = await _lock_unissued(tx, enrolment_id)
    after = apply_change(before, wanted)
    fields = list_changed(before, after)
    if not fields:
        return before
    await tx.school.get_course(after.campus, after.course)
    zone = (await tx.school.get_campus(after.campus)).zone
    check_people(new_contract(after), tx.planning_now.astimezone(ZoneInfo(zone)).date())
    student = after.people["student"]
    await tx.enrolments.change(after, tx.cipher.person(student["id_type"], student["id_number"]), actor, tx.now)
    await record_act(tx, after.campus, "enrolment-changed", actor, {"enrolment": str(after.id), "fields": fields})
    return replace(after, changed_at=tx.now, changed_by=actor)


async def delete_enrolment(tx: Transaction, enrolment_id: UUID, actor: str) -> Enrolment:
    """Delete an enrolment, and record that it was deleted. Raises NotFound, EnrolmentIssued."""
    gone = await _lock_unissued(tx, enrolment_id)
    await tx.enrolments.delete(gone.id)
    facts = {"enrolment": str(gone.id), "course": gone.course}
    await record_act(tx, gone.campus, "enrolment-deleted", actor, facts)
    return gone


async def _lock_unissued(tx: Transaction, enrolment_id: UUID) -> Enrolment:
    found = await tx.school.get_enrolment(enrolment_id, lock=True)
    if found.contract is not None:
        raise EnrolmentIssued
    return found
