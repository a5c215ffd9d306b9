"""Issue a contract: draw and lay it out, store its file, write it, and open its first tasks."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from hub.documents.contract.layout import LaidOut
from hub.errors import BadInput, Conflict
from hub.lifecycle.contract.contract_ofd import StoredOfd, store_contract_ofd
from hub.lifecycle.contract.draw import DrawnContract, draft_contract, draft_signer, draw_contract
from hub.lifecycle.contract.end import Ending, end
from hub.lifecycle.contract.lay_out import lay_out
from hub.lifecycle.contract.new_contract import NewContract, refuse_erased
from hub.lifecycle.services import Services
from hub.lifecycle.signing.signing_order import Invitation, add_tasks
from hub.model.contract.case import Case, Party
from hub.model.contract.contract import OFD_ISSUED, Contract, ContractState
from hub.model.contract.contract_copy import copies_of
from hub.model.contract.signer import Signer, SigningTask, TaskState
from hub.model.school.course import MAX_COMPANIONS, Course
from hub.model.staff.scope import Scope
from hub.router.policy import get_policy_at
from hub.store.evidence.record import PersonalValue
from hub.store.kernel.opening import Opening
from hub.store.reminders.policies import opening_of_policy
from hub.store.school.campuses import opening_of_campus
from hub.store.transaction import Transaction

SALT_BYTES = 32
# Final states in which a contract may still be replaced. An issued contract is voided when it is replaced.
REPLACEABLE = (ContractState.DECLINED, ContractState.EXPIRED, ContractState.VOIDED)


@dataclass(frozen=True)
class PreparedContract:
    """A contract with its stored file, but without a row in the database yet. `companions`: the other documents of its
    set. `uploaded_size`: size in bytes of the school's own PDF, if there is one."""

    drawn: DrawnContract
    laid_out: LaidOut
    sha256: str
    size: int
    uploaded_size: int = 0
    companions: tuple[PreparedContract, ...] = ()
    ofd: StoredOfd | None = None


async def issue(services: Services, scope: Scope, asked: NewContract, actor: str, *, hold: bool = False) -> Contract:
    """Draw and issue a contract. Raises as `prepare_contract` and `issue_prepared` do. `hold`: see `issue_prepared`."""
    prepared = await prepare_contract(services, scope, asked)
    async with services.database.transaction(scope, opening_issue(asked)) as tx:
        return (await issue_prepared(services, tx, prepared, actor, hold=hold)).contract


async def prepare_contract(services: Services, scope: Scope, asked: NewContract) -> PreparedContract:
    """Draw a contract with the companions of its set, and store their files. Writes no row.

    Raises BadInput (with the field), GuardianRequired, UndrawableText, TemplateFailed, SealWithoutSm2.
    """
    async with services.database.transaction(scope, opening_of_campus(asked.campus, asked.course)) as tx:
        drawn = await draw_documents(services, tx, asked)
    return await lay_out_documents(services, drawn)


async def draw_documents(
    services: Services, tx: Transaction, asked: NewContract, number: str | None = None
) -> list[DrawnContract]:
    """Draw a contract and the companions of its set, as `draw_contract` does."""
    drawn = await draw_contract(services, tx, asked, number)
    companions = list_companions(drawn.asked, drawn.terms.course)
    if companions:
        drawn = replace(drawn, asked=replace(drawn.asked, set_id=companions[0].set_id))
    return [drawn, *[await draw_contract(services, tx, each, number) for each in companions]]


async def lay_out_documents(services: Services, drawn: Sequence[DrawnContract]) -> PreparedContract:
    """Lay out the documents of a set, and store their files. Raises as `lay_out` does."""
    leader, *others = [await _lay_out(services, each) for each in drawn]
    return replace(leader, companions=tuple(others))


def list_companions(asked: NewContract, course: Course | None) -> list[NewContract]:
    """Return the input for the other documents of the contract's set. There are none for a companion, and none for a
    contract that replaces another one, since the other documents of its set stay as they are."""
    templates = asked.companions if asked.companions is not None else course.companions if course else ()
    if asked.companion or asked.replaces is not None or not templates:
        return []
    if len({asked.template, *templates}) <= len(templates) or len(templates) > MAX_COMPANIONS:
        raise BadInput("a set has up to ten documents, each with a template of its own", field="companions")
    # Only the first document carries the enrolment and the other system's id.
    other = replace(
        asked, companion=True, companions=None, set_id=uuid4(), enrolment=None, external_id=None, document=None
    )
    return [replace(other, template=template) for template in templates]


async def _lay_out(services: Services, drawn: DrawnContract) -> PreparedContract:
    laid_out, document = await lay_out(services, drawn)
    ofd = await store_contract_ofd(services, drawn, laid_out)
    sha256 = await services.files.put(document)
    own = drawn.asked.document
    uploaded_size = await services.files.get_size(own.sha256) if own else 0
    return PreparedContract(drawn, laid_out, sha256, len(document), uploaded_size, ofd=ofd)


def opening_issue(asked: NewContract) -> Opening:
    """Return what `issue_prepared` reads first."""
    return opening_of_policy(asked.campus, asked.course, None)


async def issue_prepared(
    services: Services, tx: Transaction, prepared: PreparedContract, actor: str, *, hold: bool = False
) -> Case:
    """Write a prepared contract and its companions in this transaction, and open their first tasks. Return its case.

    `hold`: another contract for the same signer follows, so an immediate invitation waits a moment to let both share
    one message. Raises Conflict if the enrolment already has a contract, or if the contract to be replaced was already
    reissued. Raises IllegalMove while an accepted signature is being embedded in the contract to be replaced.
    """
    documents, asked = (prepared, *prepared.companions), prepared.drawn.asked
    # A new contract has no policy of its own. The documents of a set have the same campus and course.
    policy = await get_policy_at(tx, services.messaging.policy, asked.campus, asked.course)
    cases = []
    for number, each in enumerate(documents, 1):
        case = await _write(services, tx, each, actor)
        # A person who signs several documents of the set gets one message for all of them.
        invitation = Invitation(policy, each.drawn.asked.send, hold or number < len(documents))
        cases.append(await add_tasks(tx, case, invitation))
    return cases[0]


# ---- writing


async def _write(services: Services, tx: Transaction, prepared: PreparedContract, actor: str) -> Case:
    drawn, laid_out, template, ofd = prepared.drawn, prepared.laid_out, prepared.drawn.template, prepared.ofd
    draft = replace(draft_contract(drawn, laid_out), issued_ofd_sha256=ofd.sha256 if ofd else None)
    contract = draft.issue(prepared.sha256, tx.now)
    await _take_enrolment(tx, drawn, contract.id)
    await tx.contracts.add(contract, drawn.terms.student.name)
    tx.record.remember_head(contract.id, None, None)
    await _end_replaced(services, tx, drawn.asked.replaces, contract.id, actor)
    parties, commitments = await _write_signers(tx, contract, drawn)
    draft_sha256 = hashlib.sha256(laid_out.pdf).hexdigest()
    if own := drawn.asked.document:  # its file stays, so that the contract can be issued again
        await tx.contracts.add_version(contract.id, "uploaded", own.sha256, prepared.uploaded_size, tx.now)
    await tx.contracts.add_version(contract.id, "draft", draft_sha256, len(laid_out.pdf), tx.now)
    if ofd is not None:
        await tx.contracts.add_version(contract.id, OFD_ISSUED, ofd.sha256, ofd.size, tx.now)
    await tx.contracts.add_version(contract.id, "issued", prepared.sha256, prepared.size, tx.now)
    facts: dict[str, Any] = {
        "number": contract.number,
        "template": template.id,
        "template_version": template.version,
        "template_sha256": template.sha256,
        "language": contract.language,
        "draft_sha256": draft_sha256,
        "course": contract.course,
        "deadline": contract.deadline.isoformat(),
        "signers": commitments,
    }
    facts |= {"set": str(contract.set_id)} if contract.set_id else {}
    facts |= {"copies": [each.role.value for each in copies_of(contract)]} if drawn.copies else {}
    facts |= {"rehearsal": True} if drawn.terms.rehearsal else {}
    await tx.record.append(contract.id, contract.campus, "drawn", actor, facts)
    facts = {"document_sha256": prepared.sha256} | ({"ofd_sha256": ofd.sha256} if ofd else {})
    await tx.record.append(contract.id, contract.campus, "issued", actor, facts)
    return Case(contract, tuple(parties))


async def _take_enrolment(tx: Transaction, drawn: DrawnContract, contract: UUID) -> None:
    if drawn.asked.enrolment is None:
        return
    enrolment = await tx.school.get_enrolment(drawn.asked.enrolment, lock=True)
    if enrolment.contract is not None and drawn.asked.replaces is None:
        raise Conflict("a contract has already been drawn from this enrolment")
    await tx.school.note_contract(enrolment.id, contract)


async def _end_replaced(services: Services, tx: Transaction, replaced: UUID | None, contract: UUID, actor: str) -> None:
    """End the contract that the new one replaces, in the same transaction, so that one is always valid, never both."""
    if replaced is None:
        return
    old = await tx.contracts.lock_contract(replaced)
    refuse_erased(old)  # the new one was drawn before it was locked
    if old.replaced_by is not None:
        raise Conflict("this contract has already been reissued")
    if old.state not in REPLACEABLE:
        old = await end(services, tx, old, Ending(ContractState.VOIDED, "reissued", actor))
    await tx.contracts.change(old, replaced_by=contract)
    await tx.record.append(old.id, old.campus, "replaced", actor, {"by": str(contract)})


def _personal(signer: Signer) -> dict[str, str]:
    relation = {"relation": signer.relation} if signer.relation else {}
    return {"name": signer.name, "phone": signer.phone, "id_number": signer.id_number} | relation


async def _write_signers(
    tx: Transaction, contract: Contract, drawn: DrawnContract
) -> tuple[list[Party], list[dict[str, str]]]:
    """Write the signers. Return them with their tasks, which are not written yet, and the record's entry about each."""
    parties, values, entries = [], [], []
    for each in drawn.terms.signers:
        signer = draft_signer(tx, contract, drawn, each)
        salt = secrets.token_bytes(SALT_BYTES)
        await tx.contracts.add_signer(signer, salt)
        task = SigningTask(uuid4(), contract.id, signer.id, contract.campus, TaskState.WAITING, signer.order)
        parties.append(Party(signer, task))
        personal = [PersonalValue(signer, salt, name, value) for name, value in _personal(signer).items()]
        values += personal
        entries.append(
            {"signer": str(signer.id), "role": signer.role.value, "field": signer.field}
            | {value.name: value.commitment for value in personal}
        )
    await tx.record.commit_all(values)
    return sorted(parties, key=lambda party: (party.signer.order, party.signer.field)), entries
