"""How a contract ends otherwise than by being signed, and how its deadline moves."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.errors import BadInput, IllegalMove
from hub.lifecycle.messaging.send import send_at_once
from hub.lifecycle.services import Services
from hub.lifecycle.signing.signing_order import close_tasks
from hub.model.contract.contract import Contract, ContractState, check_move
from hub.model.contract.signer import Signer
from hub.model.messaging.delivery import BY_DAY
from hub.model.messaging.message import Purpose
from hub.model.reminders.schedule import into_window, on_every_day, spread_of
from hub.model.staff.accounts import Scope
from hub.router.policy import policy_of
from hub.store.transaction import Transaction

MAX_REASON_LENGTH = 500
MAX_DEADLINE = timedelta(days=366)


async def void(services: Services, scope: Scope, contract_id: UUID, reason: str, actor: str) -> Contract:
    """The school withdraws the contract. Signers who had got a message about it are told.

    Raises IllegalMove when it is signed or has ended, also when an accepted signature is about to be embedded.
    """
    if not reason.strip() or len(reason) > MAX_REASON_LENGTH:
        raise BadInput(f"a reason of up to {MAX_REASON_LENGTH} characters is needed", field="reason")
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.locked(contract_id)
        if contract.state is ContractState.VOIDED:
            return contract
        return await end(services, tx, contract, ContractState.VOIDED, reason.strip(), actor, tell=Purpose.WITHDRAWN)


async def sign_on_paper(services: Services, scope: Scope, contract_id: UUID, note: str, actor: str) -> Contract:
    """The contract was signed by hand after all, and nobody signs it here any more; nobody is written to. `note`: where
    the paper is. Again: success, nothing changes.

    Raises IllegalMove as `void` does.
    """
    if not note.strip() or len(note) > MAX_REASON_LENGTH:
        raise BadInput(f"a note of up to {MAX_REASON_LENGTH} characters is needed", field="note")
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.locked(contract_id)
        if contract.state is ContractState.SIGNED_ON_PAPER:
            return contract
        return await end(services, tx, contract, ContractState.SIGNED_ON_PAPER, note.strip(), actor, tell=None)


async def expire(services: Services, tx: Transaction, contract: Contract) -> Contract:
    """The deadline has passed. `contract` is locked by the caller. At night the news of it waits for the morning."""
    return await end(services, tx, contract, ContractState.EXPIRED, "deadline", "hub", tell=Purpose.EXPIRED)


async def end(
    services: Services,
    tx: Transaction,
    contract: Contract,
    state: ContractState,
    reason: str,
    actor: str,
    tell: Purpose | None,
) -> Contract:
    """Move to a final state other than COMPLETED; close the tasks; tell those who had been written to."""
    check_move(contract.state, state)
    if await tx.signatures.holds_revision(contract.id):
        raise IllegalMove("a signature has just been accepted and is being written into the file")
    await tx.signatures.lapse_prepared(contract.id)
    at = tx.planning_now
    await close_tasks(tx, contract, state.kind, at)
    ended = await tx.contracts.move(contract, state, reason=reason, ended_at=tx.now)
    await tx.contracts.plan_hub_step(contract.id, None)
    await tx.record.append(contract.id, contract.campus, state.kind, actor, {"reason": reason})
    if tell:
        await _tell(services, tx, ended, tell)
    return ended


async def _tell(services: Services, tx: Transaction, ended: Contract, news: Purpose) -> None:
    reached = {delivery.signer for delivery in await tx.deliveries.of_contract(ended.id)}
    for signer in await tx.contracts.signers(ended.id):
        if signer.id in reached:
            wait = await _until_day(services, tx, ended, signer) if news in BY_DAY else timedelta(0)
            await send_at_once(services, tx, ended, signer, news, f"{news.value}-{ended.id}-{signer.id}", wait=wait)


async def _until_day(services: Services, tx: Transaction, contract: Contract, signer: Signer) -> timedelta:
    """How long until messages may go to this signer again; a closed day is one like others for news."""
    policy, now = on_every_day(await policy_of(tx, services.policy, contract)), tx.planning_now
    return into_window(policy, now, ZoneInfo(signer.zone), spread_of(signer.id)) - now


def check_deadline(deadline: datetime, now: datetime) -> None:
    """Raises BadInput for one without a zone, in the past, or too far away."""
    if deadline.tzinfo is None:
        raise BadInput("the deadline needs a time zone", field="deadline")
    if not now < deadline <= now + MAX_DEADLINE:
        raise BadInput("the deadline must lie in the future, at most a year away", field="deadline")
