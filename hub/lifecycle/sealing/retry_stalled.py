"""A signed contract that the hub does not finish: it shows as stuck, is asked for again, and staff hear of it.

Apart from `finalise`, so that a worker which only reminds does not load what makes PDF files.
"""

from __future__ import annotations

from uuid import UUID, uuid4

from hub.errors import QiandaError
from hub.model.contract.contract import TRIES_BEFORE_STAFF, Contract, ContractState, compute_backoff
from hub.model.staff.accounts import StaffTask
from hub.store.kernel.jobs import COMPLETE
from hub.store.transaction import Transaction

STILL_NOT = "The contract is signed and is still not finished. The hub has tried so often:"
CANNOT = "The contract is signed but cannot be finished:"
# The reason where no error says one: its jobs wait, or whoever works on it dies before there is a result.
NOT_FINISHED = "not-finished"


async def ask_again(tx: Transaction, contract_id: UUID) -> None:
    """Its step is due and nobody has said how it went. Who dies at it cannot tell: that is seen by the tries alone."""
    tries = await tx.contracts.hub_tries(contract_id) + 1
    await tx.contracts.plan_hub_step(contract_id, tx.now + compute_backoff(tries), tries)
    await tx.jobs.enqueue(COMPLETE, {"contract": str(contract_id)}, f"complete-{contract_id}-{tx.now}")
    if tries < TRIES_BEFORE_STAFF:
        return
    contract = await tx.contracts.locked(contract_id)
    # An error that was seen is told by whoever saw it, with its reason.
    if await waits_for_hub(tx, contract) and (contract.stuck_since is None or tries > TRIES_BEFORE_STAFF):
        await _show(tx, contract, contract.stuck_reason or NOT_FINISHED)
        await _tell(tx, contract, f"{STILL_NOT}\n{tries}")


async def note_trouble(tx: Transaction, contract_id: UUID, error: QiandaError) -> int | None:
    """Show it, plan the next try (1 min, doubling to 1 h), and tell staff when it lasts or is not a matter of waiting.
    Returns the tries so far; None: somebody else has finished meanwhile what failed here."""
    contract = await tx.contracts.locked(contract_id)
    if not await waits_for_hub(tx, contract):
        await tx.contracts.plan_hub_step(contract_id, None)
        return None
    tries = await tx.contracts.hub_tries(contract_id)
    await tx.contracts.plan_hub_step(contract_id, tx.now + compute_backoff(tries), tries)
    await _show(tx, contract, error.code)
    if tries >= TRIES_BEFORE_STAFF or not error.retry:
        await _tell(tx, contract, f"{CANNOT}\n{error.sentence}")
    return tries


async def waits_for_hub(tx: Transaction, contract: Contract) -> bool:
    """Whether the hub has something to do for it; the caller has locked it."""
    return contract.state is ContractState.SIGNED or await tx.signatures.holds_revision(contract.id)


async def _show(tx: Transaction, contract: Contract, reason: str) -> None:
    await tx.contracts.change(contract, stuck_since=contract.stuck_since or tx.now, stuck_reason=reason)
    if contract.stuck_since is None:
        await tx.record.append(contract.id, contract.campus, "stuck", "hub", {"reason": reason})


async def _tell(tx: Transaction, contract: Contract, text: str) -> None:
    await tx.staff_tasks.add_task_once(StaffTask(uuid4(), "stuck", text, contract.campus, tx.now, contract.id))
