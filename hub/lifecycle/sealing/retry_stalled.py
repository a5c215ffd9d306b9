"""Mark a contract that the hub cannot finish as stuck, try it again, and tell staff.

This module is separate from `finalise` so that a worker that only reminds does not load the PDF libraries.
"""

from __future__ import annotations

from uuid import UUID, uuid4

from hub.errors import CertificateNotValid, CertificateRevoked, QiandaError
from hub.model.contract.contract import TRIES_BEFORE_STAFF, Contract, ContractState, compute_backoff
from hub.model.staff.accounts import StaffTask
from hub.store.operation.jobs import COMPLETE
from hub.store.transaction import Transaction

STILL_NOT = "The contract is signed, but still not finished. Number of tries so far:"
CANNOT = "The contract is signed but cannot be finished:"
# Here it is always the seal's: a signer whose certificate ended signs again.
SEAL_ENDED = (
    "The certificate of the seal has expired or was revoked. Once there is another one, the contract is completed "
    "automatically."
)
# The reason if no error was seen: the jobs are still waiting, or each process died before it had a result.
NOT_FINISHED = "not-finished"


async def enqueue_overdue_step(tx: Transaction, contract_id: UUID) -> None:
    """Enqueue a job for a contract whose step is overdue and has no result, and count the try.

    A process that dies cannot report it; only the number of tries shows it.
    """
    tries = await tx.contracts.get_hub_tries(contract_id) + 1
    await tx.contracts.plan_hub_step(contract_id, tx.now + compute_backoff(tries), tries)
    # The dedupe key of the job that the signature enqueued. While that job waits or runs, however long, no second one
    # is added: it would sign the same bytes with the seal again.
    signature = await tx.signatures.find_last_signed(contract_id)
    await tx.jobs.enqueue(COMPLETE, {"contract": str(contract_id)}, f"complete-{signature or contract_id}")
    if tries < TRIES_BEFORE_STAFF:
        return
    contract = await tx.contracts.lock_contract(contract_id)
    # If an error was seen, `note_trouble` tells staff, with the reason.
    if await waits_for_hub(tx, contract) and (contract.stuck_since is None or tries > TRIES_BEFORE_STAFF):
        await _show(tx, contract, contract.stuck_reason or NOT_FINISHED)
        await _tell(tx, contract, f"{STILL_NOT}\n{tries}")


async def note_trouble(tx: Transaction, contract_id: UUID, error: QiandaError) -> int | None:
    """Write the error to the contract and plan the next try (after 1 minute, doubling to 1 hour).

    Staff are told after TRIES_BEFORE_STAFF tries, or at once if waiting cannot help. Returns the number of tries, or
    None if another process has meanwhile done what failed here.
    """
    contract = await tx.contracts.lock_contract(contract_id)
    if not await waits_for_hub(tx, contract):
        await tx.contracts.plan_hub_step(contract_id, None)
        return None
    tries = await tx.contracts.get_hub_tries(contract_id)
    await tx.contracts.plan_hub_step(contract_id, tx.now + compute_backoff(tries), tries)
    await _show(tx, contract, error.code)
    if tries >= TRIES_BEFORE_STAFF or not error.retry:
        is_of_seal = isinstance(error, CertificateNotValid | CertificateRevoked)
        await _tell(tx, contract, f"{CANNOT}\n{SEAL_ENDED if is_of_seal else error.sentence}")
    return tries


async def waits_for_hub(tx: Transaction, contract: Contract) -> bool:
    """Return whether the hub has something to do for the contract, which the caller has locked."""
    return contract.state is ContractState.SIGNED or await tx.signatures.is_revision_held(contract.id)


async def _show(tx: Transaction, contract: Contract, reason: str) -> None:
    await tx.contracts.change(contract, stuck_since=contract.stuck_since or tx.now, stuck_reason=reason)
    if contract.stuck_since is None:
        await tx.record.append(contract.id, contract.campus, "stuck", "hub", {"reason": reason})


async def _tell(tx: Transaction, contract: Contract, text: str) -> None:
    await tx.staff_tasks.add_task_once(StaffTask(uuid4(), "stuck", text, contract.campus, tx.now, contract.id))
