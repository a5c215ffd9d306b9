"""Cases: a contract with its signers and tasks, read in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    LABEL_STYLE_TABLENAME_PLUS_COL,
    LargeBinary,
    Select,
    Table,
    Uuid,
    any_,
    bindparam,
    func,
    select,
)

from hub.errors import ContractNotFound
from hub.model.contract.case import Case, Party
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer
from hub.model.signing.session import SigningSession, hash_secret
from hub.store.contract.contracts import CONTRACT, SIGNER, Contracts
from hub.store.contract.tasks import TASK, read_task
from hub.store.evidence.record import Record
from hub.store.kernel.connection import Connection, Row
from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.signing.sessions import SESSION, read_session

_CONTRACT_ID = bindparam("contract", type_=Uuid())
_SECRET = bindparam("secret", type_=LargeBinary())
_BY_ORDER = (SIGNER.c.order, SIGNER.c.field)


def _labelled(statement: Select[Any]) -> Select[Any]:
    return statement.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)


_PARTIES = SIGNER.join(TASK, TASK.c.signer == SIGNER.c.id)
_GET = SqlStatement(
    _labelled(
        select(CONTRACT, SIGNER, TASK)
        .select_from(CONTRACT.outerjoin(_PARTIES, SIGNER.c.contract == CONTRACT.c.id))
        .where(CONTRACT.c.id == _CONTRACT_ID)
        .order_by(*_BY_ORDER)
    )
)
_PARTIES_OF = SqlStatement(
    _labelled(
        select(SIGNER, TASK)
        .select_from(_PARTIES)
        .where(SIGNER.c.contract == any_(bindparam("ids", type_=ARRAY(Uuid()))))
        .order_by(*_BY_ORDER)
    )
)
# The contract that a call of a session is about: the one named in the call, else the one of the link.
_MEANT = CONTRACT.c.id == func.coalesce(_CONTRACT_ID, SESSION.c.contract)
_MEANT &= CONTRACT.c.id == any_(SESSION.c.contracts)
_GET_WITH_SESSION = SqlStatement(
    _labelled(
        select(SESSION, CONTRACT, SIGNER, TASK)
        .select_from(SESSION.outerjoin(CONTRACT, _MEANT).outerjoin(_PARTIES, SIGNER.c.contract == CONTRACT.c.id))
        .where(SESSION.c.secret_hash == _SECRET)
        .order_by(*_BY_ORDER)
    )
)
_SESSION_AND_SIGNER = SqlStatement(
    _labelled(
        select(SESSION, SIGNER).join(SIGNER, SIGNER.c.id == SESSION.c.signer).where(SESSION.c.secret_hash == _SECRET)
    )
)
# Locking and reading are two statements: a statement that waits for a lock reads the other tables as they were before
# the wait.
_LOCK = SqlStatement(select(CONTRACT.c.id).where(CONTRACT.c.id == _CONTRACT_ID).with_for_update(key_share=True))
# The function that locks the record sees what was committed before it, though the contract was waited for.
_LOCK_WITH_RECORD = SqlStatement("""
WITH mine AS MATERIALIZED (SELECT id FROM contract WHERE id = :contract FOR NO KEY UPDATE)
SELECT mine.id, head.entries, head.digest FROM mine LEFT JOIN LATERAL lock_records(ARRAY[mine.id]) AS head ON true
""")
_LOCK_OF_SESSION = SqlStatement(
    select(CONTRACT.c.id)
    .select_from(SESSION.join(CONTRACT, _MEANT))
    .where(SESSION.c.secret_hash == _SECRET)
    .with_for_update(key_share=True, of=CONTRACT)
)
_COLUMNS = {
    table: {f"{table.name}_{column.name}": column.name for column in table.c}
    for table in (SESSION, CONTRACT, SIGNER, TASK)
}


def _part(row: Row, table: Table) -> dict[str, Any]:
    """Return the columns of one table, by their names in that table."""
    return {name: row[label] for label, name in _COLUMNS[table].items()}


def _values_of_session(secret: str, contract: UUID | None) -> dict[str, Any]:
    return {"secret": hash_secret(secret), "contract": contract}


def opening_with_session(secret: str, contract: UUID | None, *, lock: bool = False) -> Opening:
    """Return what `Cases.get_with_session` reads first."""
    return Opening(_LOCK_OF_SESSION if lock else _GET_WITH_SESSION, _values_of_session(secret, contract))


def opening_with_signer(secret: str) -> Opening:
    """Return what `Cases.get_session_and_signer` reads."""
    return Opening(_SESSION_AND_SIGNER, {"secret": hash_secret(secret)})


def opening_lock(contract: UUID, *, with_record: bool = False) -> Opening:
    """Return what `Cases.lock`, or `Cases.lock_with_record`, does first."""
    return Opening(_LOCK_WITH_RECORD if with_record else _LOCK, {"contract": contract})


class Cases:
    def __init__(self, connection: Connection, contracts: Contracts, record: Record) -> None:
        self._connection = connection
        self._contracts = contracts
        self._record = record

    async def get(self, contract: UUID) -> Case:
        """Return the case of a contract. Raises ContractNotFound, the same for unknown contracts and those outside the
        scope."""
        rows = await self._connection.execute(_GET, {"contract": contract})
        if not rows:
            raise ContractNotFound
        return self._read(rows)

    async def lock(self, contract: UUID) -> Case:
        """Lock the contract until the end of the transaction, and return its case as it is under the lock.

        The lock is `NO KEY`: other transactions can still write rows that refer to the contract. Raises
        ContractNotFound.
        """
        await self._connection.execute(_LOCK, {"contract": contract})
        return await self.get(contract)

    async def lock_with_record(self, contract: UUID) -> Case:
        """Do as `lock`, and also lock the record of the contract. Use this only if all rows that are locked afterwards
        are locked by other transactions only under the same contract's lock."""
        for row in await self._connection.execute(_LOCK_WITH_RECORD, {"contract": contract}):
            self._record.know_head(row["id"], row["entries"], row["digest"])
        return await self.get(contract)

    async def lock_many(self, contracts: Iterable[UUID], *, wait: bool = True) -> list[Case]:
        """Lock these contracts in the common order, and return their cases as they are under the lock.

        Without `wait`, contracts that another transaction has locked are left out.
        """
        return await self.complete((await self._contracts.lock_many(contracts, wait=wait)).values())

    async def complete(self, contracts: Iterable[Contract]) -> list[Case]:
        """Return the cases of these contracts, in their order. To change them, lock the contracts first."""
        parties: dict[UUID, list[Party]] = {}
        found = list(contracts)
        rows = await self._connection.execute(_PARTIES_OF, {"ids": [contract.id for contract in found]})
        for row in rows:
            party = self._party(row)
            parties.setdefault(party.task.contract, []).append(party)
        return [Case(contract, tuple(parties.get(contract.id, ()))) for contract in found]

    async def get_with_session(
        self, secret: str, contract: UUID | None, *, lock: bool = False
    ) -> tuple[SigningSession | None, Case | None]:
        """Return the session with this secret, and the case of `contract`, or by default of the session's link.

        The case is None if the session does not include the contract. `lock`: lock the contract first.
        """
        values = _values_of_session(secret, contract)
        if lock:
            await self._connection.execute(_LOCK_OF_SESSION, values)
        rows = await self._connection.execute(_GET_WITH_SESSION, values)
        if not rows:
            return None, None
        session = read_session(_part(rows[0], SESSION))
        return session, None if rows[0]["contract_id"] is None else self._read(rows)

    async def get_session_and_signer(self, secret: str) -> tuple[SigningSession, Signer] | None:
        """Return the session with this secret and the signer whose link was opened."""
        row = (await self._connection.execute(_SESSION_AND_SIGNER, {"secret": hash_secret(secret)})).first()
        if row is None:
            return None
        return read_session(_part(row, SESSION)), self._contracts.read_signer(_part(row, SIGNER))

    def _read(self, rows: Sequence[Row]) -> Case:
        contract = self._contracts.read_contract(_part(rows[0], CONTRACT))
        return Case(contract, tuple(self._party(row) for row in rows if row["signer_id"] is not None))

    def _party(self, row: Row) -> Party:
        return Party(self._contracts.read_signer(_part(row, SIGNER)), read_task(_part(row, TASK)))
