"""Cases: a contract with its signers and tasks, read in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
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
    exists,
    func,
    select,
)

from hub.errors import ContractNotFound
from hub.model.contract.case import Case, Party
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer, TaskState
from hub.model.school.course import Campus
from hub.model.signing.session import CodeHistory, SigningSession, hash_secret
from hub.model.signing.signature_request import UNFINISHED
from hub.store.contract.contracts import Contracts
from hub.store.contract.tasks import read_task
from hub.store.evidence.record import Record
from hub.store.kernel.connection import Connection, Row
from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.signing.sessions import read_code_history, read_session
from hub.store.tables.contract import CONTRACT, SIGNER, SIGNING_TASK as TASK
from hub.store.tables.school import CAMPUS
from hub.store.tables.signing import SIGNATURE_REQUEST as REQUEST, SIGNING_SESSION as SESSION

_CONTRACT_ID = bindparam("contract", type_=Uuid())
_SECRET = bindparam("secret", type_=LargeBinary())
_BY_ORDER = (SIGNER.c.order, SIGNER.c.field)


def _labelled(statement: Select[Any]) -> Select[Any]:
    return statement.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)


def _parts(**rows: Table) -> str:
    """Return the columns of these rows of a function's result, labelled as `_labelled` does."""
    columns = [(name, table.name, column.name) for name, table in rows.items() for column in table.c]
    return ", ".join(f'({name})."{column}" AS {table}_{column}' for name, table, column in columns)


_PARTIES = SIGNER.join(TASK, TASK.c.signer == SIGNER.c.id)
GET_CASE = SqlStatement(
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
# The signer whose link was opened. In another contract of the session, the same person is another signer.
_OWN = SIGNER.alias("own")
_VISITED = SESSION.join(_OWN, _OWN.c.id == SESSION.c.signer).outerjoin(CONTRACT, _MEANT)
_VISITED = _VISITED.outerjoin(_PARTIES, SIGNER.c.contract == CONTRACT.c.id)
_HAS_REQUESTS = exists().where(REQUEST.c.contract == CONTRACT.c.id, REQUEST.c.state.in_(UNFINISHED))
_VISIT = (
    select(SESSION, CONTRACT, SIGNER, TASK, _OWN.c.person, _HAS_REQUESTS.label("has_requests"))
    .select_from(_VISITED)
    .where(SESSION.c.secret_hash == _SECRET)
    .order_by(*_BY_ORDER)
)
_GET_WITH_SESSION = SqlStatement(_labelled(_VISIT))
_GET_WITH_CAMPUS = SqlStatement(
    _labelled(_VISIT.add_columns(CAMPUS).select_from(_VISITED.outerjoin(CAMPUS, CAMPUS.c.id == CONTRACT.c.campus)))
)
_SESSION_AND_SIGNER = SqlStatement(
    _labelled(
        select(SESSION, SIGNER).join(SIGNER, SIGNER.c.id == SESSION.c.signer).where(SESSION.c.secret_hash == _SECRET)
    )
)
# A statement that waits for a lock reads other tables as they were before the wait. These functions lock in one
# statement, and read in another one.
_LOCK = SqlStatement(
    f"SELECT {_parts(its_contract=CONTRACT, its_signer=SIGNER, its_task=TASK)}, record_entries, record_digest"  # noqa: S608
    " FROM lock_case(CAST(:contract AS uuid), CAST(:with_record AS boolean))"
)
_WITH_SESSION = (
    f"SELECT {_parts(its_session=SESSION, its_contract=CONTRACT, its_signer=SIGNER, its_task=TASK)},"  # noqa: S608
    " (SELECT person FROM signer WHERE id = (its_session).signer) AS own_person"
)
_LOCK_WITH_SESSION = SqlStatement(
    f"{_WITH_SESSION}, has_requests((its_contract).id)"
    " FROM lock_visit(CAST(:secret AS bytea), CAST(:contract AS uuid), CAST(:request AS uuid))"
)
_SEE_PAGES = SqlStatement(
    f"SELECT {_parts(its_session=SESSION)}, its_contract, its_document, its_pages, task_state, is_noted"  # noqa: S608
    " FROM note_pages(CAST(:secret AS bytea), CAST(:contract AS uuid), CAST(:pages AS integer[]),"
    " CAST(:at AS timestamptz))"
)
_CODE_HISTORY = "LATERAL recent_tries(ARRAY[(its_signer).person], (its_session).id) AS tries"
_LOCK_FOR_CODE = SqlStatement(
    f"SELECT {_parts(its_session=SESSION, its_contract=CONTRACT, its_signer=SIGNER)}, record_entries, record_digest,"  # noqa: S608
    f" tries.* FROM lock_for_code(CAST(:secret AS bytea)), {_CODE_HISTORY}"
)
_LOCK_FOR_ANSWER = SqlStatement(
    f"SELECT {_parts(its_session=SESSION, its_signer=SIGNER)}, its_door, locked_contracts, tries.*"  # noqa: S608
    f" FROM lock_for_answer(CAST(:secret AS bytea)), {_CODE_HISTORY}"
)
_COLUMNS = {
    table: {f"{table.name}_{column.name}": column.name for column in table.c}
    for table in (SESSION, CONTRACT, SIGNER, TASK, CAMPUS)
}


def _part(row: Row, table: Table) -> dict[str, Any]:
    """Return the columns of one table, by their names in that table."""
    return {name: row[label] for label, name in _COLUMNS[table].items()}


@dataclass(frozen=True)
class FoundVisit:
    """A session and a case, which is None if the session does not include the contract. `person`: the session's.
    `has_requests`: whether the contract may have a prepared or accepted signature request."""

    session: SigningSession
    case: Case | None
    person: str
    has_requests: bool


@dataclass(frozen=True)
class SeenPages:
    """A session that fetches pages of a contract. `document`: its SHA-256 (hex); `pages`: how many pages it has.

    `contract`: None if the session does not include it; `task`: the state of the task of the session's person there.
    `is_noted`: whether those pages that the document has are noted as seen; False if the session may not see them, or
    if nothing has to be signed any more.
    """

    session: SigningSession
    contract: UUID | None
    document: str | None
    pages: int
    task: TaskState | None
    is_noted: bool


def opening_with_session(secret: str, contract: UUID | None, *, is_all: bool = False) -> Opening:
    """Return what `Cases.get_with_session` reads."""
    return Opening(_GET_WITH_SESSION, {"secret": hash_secret(secret), "contract": contract}, is_all)


def opening_with_campus(secret: str, contract: UUID | None) -> Opening:
    """Return what `Cases.get_with_campus` reads."""
    return Opening(_GET_WITH_CAMPUS, {"secret": hash_secret(secret), "contract": contract}, is_all=True)


def opening_see_pages(secret: str, contract: UUID | None, pages: Iterable[int], at: datetime) -> Opening:
    """Return what `Cases.see_pages` does."""
    values = {"secret": hash_secret(secret), "contract": contract, "pages": list(pages), "at": at}
    return Opening(_SEE_PAGES, values, is_all=True)


def opening_lock_with_session(secret: str, contract: UUID | None, request: UUID | None = None) -> Opening:
    """Return what `Cases.lock_with_session` does."""
    return Opening(_LOCK_WITH_SESSION, {"secret": hash_secret(secret), "contract": contract, "request": request})


def opening_with_signer(secret: str) -> Opening:
    """Return what `Cases.get_session_and_signer` reads."""
    return Opening(_SESSION_AND_SIGNER, {"secret": hash_secret(secret)})


def opening_of_case(contract: UUID) -> Opening:
    """Return what `Cases.get` reads."""
    return Opening(GET_CASE, {"contract": contract})


def opening_of_parties(contracts: Iterable[Contract]) -> Opening:
    """Return what `Cases.list_cases` reads."""
    return Opening(_PARTIES_OF, {"ids": [contract.id for contract in contracts]})


def opening_lock(contract: UUID, *, with_record: bool = False) -> Opening:
    """Return what `Cases.lock` does first."""
    return Opening(_LOCK, {"contract": contract, "with_record": with_record})


def opening_lock_for_code(secret: str) -> Opening:
    """Return what `Cases.lock_for_code` does."""
    return Opening(_LOCK_FOR_CODE, {"secret": hash_secret(secret)})


def opening_lock_for_answer(secret: str) -> Opening:
    """Return what `Cases.lock_for_answer` does."""
    return Opening(_LOCK_FOR_ANSWER, {"secret": hash_secret(secret)})


@dataclass(frozen=True)
class LockedForCode:
    """A session, its link's contract and its signer, with the code history of the person, as they are under the
    locks."""

    session: SigningSession
    contract: Contract
    signer: Signer
    history: CodeHistory


@dataclass(frozen=True)
class LockedAnswer:
    """A session and its signer, as they are under the locks for an answer. `door`: of the session's link, if there is
    one. `contracts`: the signer's contract and the person's other contracts that are being signed, newest first."""

    session: SigningSession
    signer: Signer
    door: str | None
    contracts: list[UUID]
    history: CodeHistory


class Cases:
    def __init__(self, connection: Connection, contracts: Contracts, record: Record) -> None:
        self._connection = connection
        self._contracts = contracts
        self._record = record

    async def get(self, contract: UUID) -> Case:
        """Return the case of a contract. Raises ContractNotFound if it is unknown, and the same outside the scope."""
        rows = await self._connection.execute(GET_CASE, {"contract": contract})
        if not rows:
            raise ContractNotFound
        return self._read(rows)

    async def lock(self, contract: UUID, *, with_record: bool = False) -> Case:
        """Lock the contract until the end of the transaction, and return its case as it is under the lock.

        The lock is `NO KEY`: other transactions can still write rows that refer to the contract. `with_record`: also
        lock the record of the contract. Use this only if every transaction locks the rows that follow under the lock of
        this contract. Raises ContractNotFound.
        """
        rows = await self._connection.execute(_LOCK, {"contract": contract, "with_record": with_record})
        if not rows:
            raise ContractNotFound
        if with_record:
            self._record.remember_head(contract, rows[0]["record_entries"], rows[0]["record_digest"])
        return self._read(rows)

    async def list_cases(self, contracts: Iterable[Contract]) -> list[Case]:
        """Return the cases of these contracts, in their order. To change them, lock the contracts first."""
        parties: dict[UUID, list[Party]] = {}
        found = list(contracts)
        opening = opening_of_parties(found)
        for row in await self._connection.execute(opening.statement, opening.values):
            party = self._party(row)
            parties.setdefault(party.task.contract, []).append(party)
        return [Case(contract, tuple(parties.get(contract.id, ()))) for contract in found]

    async def get_with_session(self, secret: str, contract: UUID | None) -> FoundVisit | None:
        """Return the session with this secret, and the case of `contract`, or by default of the session's link.

        Return None if there is no such session.
        """
        values = {"secret": hash_secret(secret), "contract": contract}
        return self._with_session(await self._connection.execute(_GET_WITH_SESSION, values))

    async def get_with_campus(self, secret: str, contract: UUID | None) -> tuple[FoundVisit | None, Campus | None]:
        """Return what `get_with_session` returns, and the campus of the contract."""
        rows = await self._connection.execute(_GET_WITH_CAMPUS, {"secret": hash_secret(secret), "contract": contract})
        found = self._with_session(rows)
        return found, Campus(**_part(rows[0], CAMPUS)) if found and found.case else None

    async def see_pages(self, opening: Opening) -> SeenPages | None:
        """Note that this session's person fetches pages of the document. Return None if there is no such session."""
        row = (await self._connection.execute(opening.statement, opening.values)).first()
        if row is None:
            return None
        return SeenPages(
            read_session(_part(row, SESSION)),
            row["its_contract"],
            row["its_document"],
            row["its_pages"] or 0,
            TaskState(row["task_state"]) if row["task_state"] else None,
            row["is_noted"],
        )

    async def lock_with_session(
        self, secret: str, contract: UUID | None, request: UUID | None = None
    ) -> FoundVisit | None:
        """Lock the contract, and return what `get_with_session` returns, as it is under the lock.

        `request`: lock the contract of this signature request instead; the case is None if the session did not ask for
        the request.
        """
        values = {"secret": hash_secret(secret), "contract": contract, "request": request}
        return self._with_session(await self._connection.execute(_LOCK_WITH_SESSION, values))

    def _with_session(self, rows: Sequence[Row]) -> FoundVisit | None:
        if not rows:
            return None
        session = read_session(_part(rows[0], SESSION))
        case = None if rows[0]["contract_id"] is None else self._read(rows)
        return FoundVisit(session, case, rows[0]["own_person"], rows[0]["has_requests"])

    async def get_session_and_signer(self, secret: str) -> tuple[SigningSession, Signer] | None:
        """Return the session with this secret and the signer whose link was opened."""
        row = (await self._connection.execute(_SESSION_AND_SIGNER, {"secret": hash_secret(secret)})).first()
        if row is None:
            return None
        return read_session(_part(row, SESSION)), self._contracts.read_signer(_part(row, SIGNER))

    async def lock_for_code(self, secret: str) -> LockedForCode | None:
        """Lock the contract of the session's link, its person and the contract's record. Return them, with the session,
        as they are under the locks, or None if there is no such session."""
        row = (await self._connection.execute(_LOCK_FOR_CODE, {"secret": hash_secret(secret)})).first()
        if row is None:
            return None
        contract = self._contracts.read_contract(_part(row, CONTRACT))
        self._record.remember_head(contract.id, row["record_entries"], row["record_digest"])
        signer = self._contracts.read_signer(_part(row, SIGNER))
        return LockedForCode(read_session(_part(row, SESSION)), contract, signer, read_code_history(row))

    async def lock_for_answer(self, secret: str) -> LockedAnswer | None:
        """Lock the contracts that the session would show, the session and its person. Return None if there is no such
        session.

        The person is the same if document and phone are the same. The signer's own contract is included whatever its
        state, and at most 50 others are.
        """
        row = (await self._connection.execute(_LOCK_FOR_ANSWER, {"secret": hash_secret(secret)})).first()
        if row is None:
            return None
        session, signer = read_session(_part(row, SESSION)), self._contracts.read_signer(_part(row, SIGNER))
        return LockedAnswer(session, signer, row["its_door"], row["locked_contracts"], read_code_history(row))

    def _read(self, rows: Sequence[Row]) -> Case:
        contract = self._contracts.read_contract(_part(rows[0], CONTRACT))
        return Case(contract, tuple(self._party(row) for row in rows if row["signer_id"] is not None))

    def _party(self, row: Row) -> Party:
        return Party(self._contracts.read_signer(_part(row, SIGNER)), read_task(_part(row, TASK)))
