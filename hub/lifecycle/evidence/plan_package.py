"""Plan the evidence package of a contract, in the transaction in which the contract reaches a final state."""

from __future__ import annotations

from uuid import UUID

from hub.model.contract.contract import Contract
from hub.model.evidence.package import PACKAGE_RETRY
from hub.store.operation.jobs import EVIDENCE
from hub.store.transaction import Transaction


async def plan_package(tx: Transaction, contract: Contract) -> None:
    """Enqueue the job that makes the package, and note that a package is due, in case the job does not finish."""
    await tx.packages.plan(contract, tx.now + PACKAGE_RETRY)
    await tx.jobs.enqueue(EVIDENCE, {"contract": str(contract.id)}, f"evidence-{contract.id}")


async def plan_due_packages(tx: Transaction) -> None:
    """Enqueue a job for each package that is overdue."""
    for contract in await tx.packages.list_due(tx.now):
        await enqueue_again(tx, contract)


async def enqueue_again(tx: Transaction, contract: UUID) -> None:
    tries = await tx.packages.get_tries(contract)
    await tx.jobs.enqueue(EVIDENCE, {"contract": str(contract)}, f"evidence-{contract}-{tries}")
