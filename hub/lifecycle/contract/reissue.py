"""Reissue: a new contract replaces an old one, and both refer to each other.

The names are part of the document, so a wrong name, identity document or course requires a new contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from hub.errors import BadInput, ContractNotFound, IllegalMove
from hub.lifecycle.contract.issue import PreparedContract, issue_prepared, opening_issue, prepare_contract
from hub.lifecycle.contract.new_contract import (
    NewContract,
    NewSigner,
    NewStudent,
    drop_wrong_email,
    refuse_erased,
    signer_of,
    student_of,
)
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.contract_copy import read_copies
from hub.model.contract.own_document import OwnDocument
from hub.model.contract.person import normalise_phone, parse_id_document
from hub.model.contract.signer import Role, Signer
from hub.model.evidence.record import RecordEntry
from hub.model.staff.scope import EVERYTHING, Scope


async def reissue(
    services: Services, scope: Scope, contract_id: UUID, actor: str, signers: Sequence[NewSigner] | None = None
) -> Contract:
    """Issue the contract again with the present data of the course, and void the old one if it is still issued.

    Raises as `prepare_again` and `issue_prepared` do.
    """
    prepared = await prepare_again(services, scope, contract_id, signers)
    async with services.database.transaction(scope, opening_issue(prepared.drawn.asked)) as tx:
        return (await issue_prepared(services, tx, prepared, actor)).contract


async def reissue_until(
    services: Services, scope: Scope, contract_id: UUID, deadline: datetime, actor: str
) -> Contract:
    """Issue the contract again with this deadline. Raises as `reissue` does, and BadInput for the deadline."""
    prepared = await prepare_again(services, scope, contract_id, deadline=deadline)
    async with services.database.transaction(scope, opening_issue(prepared.drawn.asked)) as tx:
        return (await issue_prepared(services, tx, prepared, actor)).contract


async def prepare_again(
    services: Services,
    scope: Scope,
    contract_id: UUID,
    signers: Sequence[NewSigner] | None = None,
    deadline: datetime | None = None,
) -> PreparedContract:
    """Draw a contract again with the present data of its course. `issue_prepared` then issues it in place of the old
    contract.

    `signers`: None to keep the old ones. Everybody signs again, since it is another contract. The end of the old
    contract is not announced, because the new invitation follows. `deadline`: None takes the one that the school set
    later, or else the one asked for at first; if neither lies in the future, the default.

    Raises what `plan_again` and `prepare_contract` raise. `issue_prepared` raises IllegalMove while an accepted
    signature is being embedded, and Conflict if the contract was already reissued.
    """
    return await prepare_contract(services, scope, await plan_again(services, scope, contract_id, signers, deadline))


async def plan_again(
    services: Services,
    scope: Scope,
    contract_id: UUID,
    signers: Sequence[NewSigner] | None = None,
    deadline: datetime | None = None,
) -> NewContract:
    """Return the input for issuing a contract again. `signers`, `deadline`: see `prepare_again`.

    Raises IllegalMove if both sides are bound (signed, completed, on paper) or a person was erased. Raises BadInput if
    a signer on file would get another phone number, because two people must approve such a change.
    """
    async with services.database.transaction(scope) as tx:
        old = await tx.contracts.get(contract_id)
        refuse_erased(old)
        deadline = deadline or _deadline(old, await tx.record.list_entries(old.id), tx.planning_now)
    before = await _signers_now(services, old)
    if old.state in (ContractState.SIGNED, ContractState.COMPLETED, ContractState.SIGNED_ON_PAPER):
        raise IllegalMove(f"a contract in this state binds both sides and cannot be reissued:\n{old.state}")
    if signers:
        _check_phones(signers, before)
    asked = _asked_again(old, before, deadline)
    return replace(asked, signers=tuple(signers)) if signers else asked


@dataclass(frozen=True)
class Replacement:
    """The signer to be replaced, and the new one."""

    leaving: UUID
    by: NewSigner


async def replace_person(
    services: Services, scope: Scope, contract_id: UUID, replacement: Replacement, actor: str
) -> Contract:
    """Reissue a contract with one signer replaced. Raises what `plan_replacement` and `reissue` raise."""
    wanted = await plan_replacement(services, scope, contract_id, replacement)
    prepared = await prepare_contract(services, scope, wanted)
    async with services.database.transaction(scope, opening_issue(prepared.drawn.asked)) as tx:
        return (await issue_prepared(services, tx, prepared, actor)).contract


async def plan_replacement(
    services: Services, scope: Scope, contract_id: UUID, replacement: Replacement
) -> NewContract:
    """Return the input for issuing a contract with one signer replaced; role, order and channels stay the same.

    Raises ContractNotFound, BadInput (`signer`) for the student of the contract, and what `plan_again` raises.
    """
    async with services.database.transaction(scope) as tx:
        old = await tx.contracts.get(contract_id)
    signers = await _signers_now(services, old)
    leaving = next((each for each in signers if each.id == replacement.leaving), None)
    if leaving is None:
        raise ContractNotFound
    if leaving.role is Role.STUDENT:
        raise BadInput(
            "the contract is about this student: issue a separate contract for another student", field="signer"
        )
    by = replacement.by
    here = replace(by, role=leaving.role, order=leaving.order, channels=_channels(leaving, by))
    people = [here if each is leaving else drop_wrong_email(NewSigner.of(each)) for each in signers]
    return await plan_again(services, scope, contract_id, people)


async def _signers_now(services: Services, old: Contract) -> list[Signer]:
    """Return the signers with their present phone numbers, since contracts that have ended keep the old ones."""
    since = old.issued_at or old.created_at
    async with services.database.transaction(EVERYTHING) as tx:  # another campus may have changed it
        return [
            replace(each, phone=await tx.phone_changes.get_present_number(each.person, each.phone, since))
            for each in await tx.contracts.list_signers(old.id)
        ]


def _check_phones(signers: Sequence[NewSigner], before: Sequence[Signer]) -> None:
    on_file = {(each.id_type, each.id_number): each.phone for each in before}
    for number, signer in enumerate(signers):
        field = f"signers[{number}]"
        document = parse_id_document(signer.id_type, signer.id_number, field=f"{field}.id_number")
        phone = normalise_phone(signer.phone, field=f"{field}.phone")
        if on_file.get((document.id_type, document.number), phone) != phone:
            raise BadInput(
                "this person has another phone number on file: request a change of it", field=f"{field}.phone"
            )


def _channels(leaving: Signer, by: NewSigner) -> tuple[str, ...]:
    """Return the channels of the replaced signer, with e-mail only if the new one has an address."""
    kept = tuple(each for each in leaving.channels if each != "email" or by.email)
    return kept or by.channels


def _deadline(old: Contract, entries: Sequence[RecordEntry], now: datetime) -> datetime | None:
    """Return the deadline as the school moved it, or as first asked for, if it is in the future; otherwise None.

    Extensions by the hub itself are ignored: they only gave a signer time to repeat a lost signature.
    """
    moved = any(each.kind == "deadline-moved" and each.actor != "hub" for each in entries)
    if moved and old.deadline > now:
        return old.deadline
    asked = old.data.get("asked", {}).get("deadline")
    wanted = datetime.fromisoformat(asked) if asked else None
    return wanted if wanted and wanted > now else None


def _student_again(asked: Mapping[str, Any]) -> NewStudent:
    """Return the student as asked for. If the stored request contradicts the document, the document counts."""
    student = student_of(asked)
    born = parse_id_document(student.id_type, student.id_number, field="student.id_number").birth_date
    return replace(student, birth_date=born) if born and student.birth_date not in (None, born) else student


def _asked_again(old: Contract, signers: Sequence[Signer], deadline: datetime | None) -> NewContract:
    asked: Mapping[str, Any] | None = old.data.get("asked")
    if asked is None:
        raise IllegalMove("this contract does not contain the data that it was requested with")
    return NewContract(
        campus=asked["campus"],
        course=asked["course"],
        template=asked["template"],
        data=asked["data"],
        student=_student_again(asked["student"]),
        signers=tuple(drop_wrong_email(_as_now(signer_of(each), signers)) for each in asked["signers"]),
        deadline=deadline,
        external_id=asked["external_id"],
        send=asked["send"],
        enrolment=UUID(asked["enrolment"]) if asked["enrolment"] else None,
        replaces=old.id,
        representative=asked.get("representative", False),
        declared=tuple(each.id_number for each in signers if each.declared),
        rehearsal=asked.get("rehearsal", False),
        companion=asked.get("companion", False),
        set_id=old.set_id,
        document=OwnDocument(**asked["document"]) if asked.get("document") else None,
        copies=read_copies(asked.get("copies", ())),
    )


def _as_now(asked: NewSigner, signers: Sequence[Signer]) -> NewSigner:
    """Return the signer with their present phone number."""
    document = parse_id_document(asked.id_type, asked.id_number)
    phones = [each.phone for each in signers if (each.id_type, each.id_number) == (document.id_type, document.number)]
    return replace(asked, phone=phones[0]) if phones else asked
