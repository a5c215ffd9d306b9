"""Replace a signer of a contract, or ask somebody else to approve it where the course or template demands that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.errors import ApprovalNeeded, Conflict
from hub.lifecycle.contract.draw import check_people
from hub.lifecycle.contract.new_contract import NewSigner, signer_of
from hub.lifecycle.contract.reissue import Replacement, plan_replacement, replace_person
from hub.lifecycle.school.issue_enrolments import begin_replacing
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.contract.person import normalise_id_number, normalise_name, normalise_phone, parse_id_document
from hub.model.contract.signer import Role
from hub.model.school.course import Enrolment
from hub.model.school.issue_many import IssueAct, SignerReplacement
from hub.model.staff.scope import Scope
from hub.store.transaction import Transaction


async def list_adults_on_file(tx: Transaction, contract: Contract) -> Mapping[str, NewSigner]:
    """Return the student's guardians in other enrolments of the campus who do not sign this contract, each by a keyed
    digest of what was shown. A form names one by this digest, since the roster may change before the form is sent."""
    asked = contract.data.get("asked")
    if asked is None:
        return {}
    student = asked["student"]
    person = tx.cipher.person(student["id_type"], normalise_id_number(student["id_number"]))
    lines = await tx.enrolments.list_of_student(contract.campus, student["name"], person)
    found = {
        normalise_id_number(each["id_number"]): await _with_phone_now(tx, signer_of(each), line)
        for line in lines
        for each in line.people["signers"]
        if each["role"] == Role.GUARDIAN
    }
    for each in asked["signers"]:
        found.pop(normalise_id_number(each["id_number"]), None)
    return {_digest_adult(tx, contract, each): each for each in found.values()}


def _digest_adult(tx: Transaction, contract: Contract, adult: NewSigner) -> str:
    said = [str(contract.id), adult.name, adult.id_type, adult.id_number, adult.phone]
    return tx.cipher.found_by("adult-on-file", json.dumps(said)).hex()


async def _with_phone_now(tx: Transaction, adult: NewSigner, line: Enrolment) -> NewSigner:
    """Return the adult with the phone number that has replaced the one in the roster."""
    person = tx.cipher.person(adult.id_type, normalise_id_number(adult.id_number))
    return replace(
        adult, phone=await tx.phone_changes.get_present_number(person, adult.phone, line.created_at or tx.now)
    )


async def replace_or_ask(
    services: Services, scope: Scope, contract_id: UUID, replacement: Replacement, act: IssueAct
) -> Contract | None:
    """Replace a signer, and return the new contract; None if `act` waits for somebody else's approval of it.

    Raises what `replace_person` raises; ApprovalNeeded only for a contract without an enrolment, whose replacement
    nobody can approve, and Conflict if its enrolment has another contract by now.
    """
    try:
        return await replace_person(services, scope, contract_id, replacement, act.asked_by)
    except ApprovalNeeded:
        wanted = await plan_replacement(services, scope, contract_id, replacement)
        if wanted.enrolment is None:
            raise
    async with services.database.transaction(scope) as tx:
        campus = await tx.school.get_campus(wanted.campus)
        check_people(wanted, tx.planning_now.astimezone(ZoneInfo(campus.zone)).date())
        enrolment = await tx.school.get_enrolment(wanted.enrolment, lock=True)
        if enrolment.contract != contract_id:
            raise Conflict("this contract has already been reissued")
        asked = SignerReplacement(contract_id, replacement.leaving, _values_of(replacement.by))
        await begin_replacing(services, tx, asked, enrolment, act)
    return None


def _values_of(by: NewSigner) -> dict[str, Any]:
    """Return the checked new signer as JSON values, in the form in which they are shown."""
    document = parse_id_document(by.id_type, by.id_number)
    values = {"name": normalise_name(by.name), "phone": normalise_phone(by.phone), "id_number": document.number}
    return asdict(by) | values | {"channels": list(by.channels)}
