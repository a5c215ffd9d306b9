"""Sets: documents that were issued together for one enrolment."""

from __future__ import annotations

from sqlalchemy import Uuid, bindparam, select

from hub.model.contract.contract import Contract
from hub.store.contract.contracts import Contracts
from hub.store.kernel.connection import Connection
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.contract import CONTRACT

_SET = SqlStatement(
    select(CONTRACT).where(CONTRACT.c.set_id == bindparam("set", type_=Uuid())).order_by(CONTRACT.c.number)
)


class DocumentSets:
    def __init__(self, connection: Connection, contracts: Contracts) -> None:
        self._connection = connection
        self._contracts = contracts

    async def list_documents(self, contract: Contract) -> list[Contract]:
        """Return all documents of the contract's set in the order of issue; only the contract if it has no set."""
        if contract.set_id is None:
            return [contract]
        rows = await self._connection.execute(_SET, {"set": contract.set_id})
        return [self._contracts.read_contract(row, in_list=True) for row in rows]
