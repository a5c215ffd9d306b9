"""Cases: a contract with its signers and tasks, read in two statements."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.model.contract.case import Case, Party
from hub.model.contract.contract import Contract
from hub.store.contract.contracts import SIGNER, Contracts
from hub.store.contract.tasks import TASK, read_task

# Two statements, not one: a join that waits for the contract's lock would show the tasks as they were before the wait.
_PARTIES = (
    select(SIGNER, TASK)
    .join(TASK, TASK.c.signer == SIGNER.c.id)
    .where(SIGNER.c.contract == bindparam("contract"))
    .order_by(SIGNER.c.order, SIGNER.c.field)
    .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
)
_SIGNER_COLUMNS = {f"signer_{column.name}": column.name for column in SIGNER.c}
_TASK_COLUMNS = {f"signing_task_{column.name}": column.name for column in TASK.c}


class Cases:
    def __init__(self, connection: AsyncConnection, contracts: Contracts) -> None:
        self._connection = connection
        self._contracts = contracts

    async def get(self, contract: UUID) -> Case:
        """Raises ContractNotFound for an unknown contract and for one outside the scope alike."""
        return await self._complete(await self._contracts.get(contract))

    async def lock(self, contract: UUID) -> Case:
        """Lock the contract until the end of the transaction, and return its case as it is under the lock."""
        return await self._complete(await self._contracts.locked(contract))

    async def _complete(self, contract: Contract) -> Case:
        rows = (await self._connection.execute(_PARTIES, {"contract": contract.id})).mappings()
        parties = []
        for row in rows:
            signer = {name: row[label] for label, name in _SIGNER_COLUMNS.items()}
            task = {name: row[label] for label, name in _TASK_COLUMNS.items()}
            parties.append(Party(self._contracts.read_signer(signer), read_task(task)))
        return Case(contract, tuple(parties))
