"""End a contract other than by completing it: void it, record that it was signed on paper, or expire it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.errors import BadInput, IllegalMove
from hub.lifecycle.evidence.plan_package import plan_package
from hub.lifecycle.messaging.send import NewMessage, send_at_once
from hub.lifecycle.services import Services
from hub.lifecycle.signing.signing_order import close_tasks
from hub.model.contract.contract import Contract, ContractState, check_move
from hub.model.contract.signer import Signer
from hub.model.messaging.delivery import BY_DAY
from hub.model.messaging.message import Purpose
from hub.model.reminders.schedule import into_window, on_every_day, spread_of
from hub.model.staff.scope import Scope
from hub.router.policy import get_policy
from hub.store.transaction import Transaction

MAX_REASON_LENGTH = 500
MAX_DEADLINE = timedelta(days=366)


async def void(services: Services, scope: Scope, contract_id: UUID, reason: str, actor: str) -> Contract:
    """Void a contract as `void_locked` does, in its own transaction."""
    check_reason(reason)
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.lock_contract(contract_id)
        return await void_locked(services, tx, contract, reason, actor)


async def void_locked(services: Services, tx: Transaction, contract: Contract, reason: str, actor: str) -> Contract:
    """Void a contract that the caller has locked. Signers who got a message about it are notified. Idempotent.

    Raises IllegalMove if it is signed or has ended, or if an accepted signature is being embedded.
    """
    if contract.state is ContractState.VOIDED:
        return contract
    ending = Ending(ContractState.VOIDED, reason.strip(), actor, tell=Purpose.WITHDRAWN)
    return await end(services, tx, contract, ending)


def check_reason(reason: str) -> None:
    """Check the reason for which a contract is voided. Raises BadInput."""
    if not reason.strip() or len(reason) > MAX_REASON_LENGTH:
        raise BadInput(f"a reason of up to {MAX_REASON_LENGTH} characters is needed", field="reason")


async def sign_on_paper(services: Services, scope: Scope, contract_id: UUID, note: str, actor: str) -> Contract:
    """Record that the contract was signed on paper; nobody is notified. Idempotent. `note`: where the paper is.

    Raises IllegalMove as `void` does.
    """
    if not note.strip() or len(note) > MAX_REASON_LENGTH:
        raise BadInput(f"a note of up to {MAX_REASON_LENGTH} characters is needed", field="note")
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.lock_contract(contract_id)
        if contract.state is ContractState.SIGNED_ON_PAPER:
            return contract
        return await end(services, tx, contract, Ending(ContractState.SIGNED_ON_PAPER, note.strip(), actor))


async def expire(services: Services, tx: Transaction, contract: Contract) -> Contract:
    """Expire a contract that the caller has locked. Notifications wait for the daily window."""
    return await end(services, tx, contract, Ending(ContractState.EXPIRED, "deadline", "hub", tell=Purpose.EXPIRED))


@dataclass(frozen=True)
class Ending:
    """How a contract ends: final state, reason and actor.

    `tell`: the purpose of the message to signers who got a message about the contract before.
    """

    state: ContractState
    reason: str
    actor: str
    tell: Purpose | None = None


async def end(services: Services, tx: Transaction, contract: Contract, ending: Ending) -> Contract:
    """Move a contract to a final state other than COMPLETED, close its tasks and notify its signers."""
    state, reason = ending.state, ending.reason
    check_move(contract.state, state)
    if await tx.signatures.is_revision_held(contract.id):
        raise IllegalMove("a signature has just been accepted and is being written into the file")
    await tx.signatures.lapse_prepared(contract.id)
    at = tx.planning_now
    await close_tasks(tx, contract, state.kind, at)
    ended = await tx.contracts.move(contract, state, reason=reason, ended_at=tx.now)
    await tx.contracts.plan_hub_step(contract.id, None)
    await tx.record.append(contract.id, contract.campus, state.kind, ending.actor, {"reason": reason})
    await plan_package(tx, ended)
    if ending.tell:
        await _tell(services, tx, ended, ending.tell)
    return ended


async def _tell(services: Services, tx: Transaction, ended: Contract, news: Purpose) -> None:
    reached = {delivery.signer for delivery in await tx.deliveries.list_of_contract(ended.id)}
    for signer in await tx.contracts.list_signers(ended.id):
        if signer.id in reached:
            wait = await _wait_for_window(services, tx, ended, signer) if news in BY_DAY else timedelta(0)
            message = NewMessage(news, f"{news.value}-{ended.id}-{signer.id}", wait=wait)
            await send_at_once(services, tx, ended, signer, message)


async def _wait_for_window(services: Services, tx: Transaction, contract: Contract, signer: Signer) -> timedelta:
    """Return the time until the daily window opens for this signer. Closed days do not delay such notifications."""
    policy, now = on_every_day(await get_policy(tx, services.messaging.policy, contract)), tx.planning_now
    return into_window(policy, now, ZoneInfo(signer.zone), spread_of(signer.id)) - now


def check_deadline(deadline: datetime, now: datetime) -> None:
    """Check a deadline. Raises BadInput if it has no time zone, is in the past, or is too far away."""
    if deadline.tzinfo is None:
        raise BadInput("the deadline needs a time zone", field="deadline")
    if not now < deadline <= now + MAX_DEADLINE:
        raise BadInput("the deadline must lie in the future, at most a year away", field="deadline")
