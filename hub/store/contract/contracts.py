"""Contracts, their signers, and the version chain of their files. One function writes a contract's state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import ARRAY, Table, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from hub.errors import ContractNotFound, ContractUnreadable, StaleVersion
from hub.model.contract.contract import Contract, ContractState, check_move
from hub.model.contract.person import same_name
from hub.model.contract.signer import Role, Signer
from hub.store.kernel.cipher import Cipher
from hub.store.kernel.rows import changed, insert_row, new_values, update_row
from hub.store.kernel.statement import Connection, Row, SqlStatement
from hub.store.tables import ContractNumberRow, ContractRow, DocumentVersionRow, SignerRow, table_of

CONTRACT: Table = table_of(ContractRow)
SIGNER: Table = table_of(SignerRow)
NUMBER: Table = table_of(ContractNumberRow)
VERSION: Table = table_of(DocumentVersionRow)
_IDS = bindparam("ids", type_=ARRAY(Uuid()))
_SEVERAL = select(CONTRACT).where(CONTRACT.c.id == any_(_IDS)).order_by(CONTRACT.c.id)
_LOCK, _LOCK_FREE = (
    SqlStatement(_SEVERAL.with_for_update(key_share=True, skip_locked=skipped)) for skipped in (False, True)
)
_IS_WAITING = CONTRACT.c.state.in_([ContractState.ISSUED.value, ContractState.SIGNED.value])
_UNFINISHED = [state.value for state in ContractState if not state.final]
_HIDDEN = {"data_sealed", "student_name", "hub_due_at", "hub_tries"}


_FIELDS = set(Contract.__dataclass_fields__) - {"data"}
_SIGNER_FIELDS = set(Signer.__dataclass_fields__)
_NEXT_NUMBER = SqlStatement(
    insert(NUMBER)
    .values(year=bindparam("year"), last=1)
    .on_conflict_do_update(index_elements=["year"], set_={"last": NUMBER.c.last + 1})
    .returning(NUMBER.c.last)
)
_ADD = insert_row(
    CONTRACT, {column.name for column in CONTRACT.c} & _FIELDS | {"student_name", "data_sealed", "hub_tries"}
)
_ONE = select(CONTRACT).where(CONTRACT.c.id == bindparam("contract"))
_GET, _LOCK_ONE = SqlStatement(_ONE), SqlStatement(_ONE.with_for_update(key_share=True))
_BY_NUMBER = SqlStatement(select(CONTRACT).where(CONTRACT.c.number == bindparam("number")))
_LOCK_IDS = SqlStatement(
    select(CONTRACT.c.id).where(CONTRACT.c.id == any_(_IDS)).order_by(CONTRACT.c.id).with_for_update(key_share=True)
)
_PLAN_HUB_STEP = update_row(CONTRACT, "hub_due_at", "hub_tries")
_ADD_SIGNER = SqlStatement(insert(SIGNER))
_SIGNER = SqlStatement(select(SIGNER).where(SIGNER.c.id == bindparam("signer")))
_ADD_VERSION = insert_row(VERSION, ("contract", "kind", "sha256", "size", "created_at"))


_NEWEST_WAITING = (
    select(CONTRACT.c.id)
    .join(SIGNER, SIGNER.c.contract == CONTRACT.c.id)
    .where(SIGNER.c.person == bindparam("person"), SIGNER.c.phone_hash == bindparam("phone"), _IS_WAITING)
    .order_by(CONTRACT.c.created_at.desc())
    .limit(50)
)
# The state stands outside as well: it is asked again of a row that was waited for.
_LOCK_WAITING = SqlStatement(
    select(CONTRACT.c.id, CONTRACT.c.created_at)
    .where((CONTRACT.c.id == bindparam("own")) | _IS_WAITING & CONTRACT.c.id.in_(_NEWEST_WAITING))
    .order_by(CONTRACT.c.id)
    .with_for_update(key_share=True)
)


@cache
def _change(*columns: str) -> SqlStatement:
    """Return the compare-and-set of these columns; its values are those of `changed`, and the `version` it was."""
    mine = (CONTRACT.c.id == bindparam("row")) & (CONTRACT.c.version == bindparam("was"))
    return SqlStatement(CONTRACT.update().where(mine).values(new_values(*columns)).returning(CONTRACT))


class Contracts:
    def __init__(self, connection: Connection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    # ---- contracts

    async def next_number(self, year: int) -> str:
        """`QD-2026-000001` and on. A number that was given out is never given out again; one is missing where the
        contract for which it was taken was not issued after all."""
        number = await self._connection.scalar(_NEXT_NUMBER, {"year": year})
        return f"QD-{year}-{number:06d}"

    async def add(self, contract: Contract, student_name: str) -> None:
        values = {column.name: getattr(contract, column.name) for column in CONTRACT.c if column.name in _FIELDS}
        values |= {"state": contract.state.value, "fields": list(contract.fields), "student_name": student_name}
        values |= {"data_sealed": self._cipher.seal_json(contract.data), "hub_tries": 0}
        await self._connection.execute(_ADD, values)

    async def get(self, contract: UUID) -> Contract:
        """Raises ContractNotFound for an unknown one and for one outside the scope alike."""
        return await self._one(_GET, {"contract": contract})

    async def locked(self, contract: UUID) -> Contract:
        """The same, holding its row until the unit ends: signing and sending take this lock.

        `NO KEY`: rows that only refer to the contract can still be written by those who do not change it.
        """
        return await self._one(_LOCK_ONE, {"contract": contract})

    async def lock_many(self, contracts: Iterable[UUID], *, wait: bool = True) -> dict[UUID, Contract]:
        """Lock several in the order in which everybody locks. Without `wait`: those that nobody else has."""
        values = {"ids": sorted(set(contracts))}
        rows = await self._connection.execute(_LOCK if wait else _LOCK_FREE, values)
        return {row["id"]: self.read_contract(row) for row in rows}

    async def lock(self, contracts: Iterable[UUID]) -> None:
        """Lock several rows in the order in which everybody does. Locks come in this order: visitors at a phone,
        contracts, sessions, people; tasks, messages, budgets and records only under the lock of their contract, or else
        a record alone.
        """
        if ids := list(set(contracts)):
            await self._connection.execute(_LOCK_IDS, {"ids": ids})

    async def _one(self, statement: Any, values: Mapping[str, Any]) -> Contract:
        row = (await self._connection.execute(statement, values)).first()
        if row is None:
            raise ContractNotFound
        return self.read_contract(row)

    def read_contract(self, row: Row | Mapping[str, Any], *, in_list: bool = False) -> Contract:
        """Raises ContractUnreadable; in a list such a one is marked instead, and hides none of the others."""
        values = {name: value for name, value in row.items() if name not in _HIDDEN}
        readable, data = True, {}
        try:
            data = self._cipher.open_json(row["data_sealed"])
        except (InvalidTag, ValueError):
            readable = False
            if not in_list:
                raise ContractUnreadable(f"contract {row['number']}: sealed under another key, or altered") from None
        values |= {"state": ContractState(row["state"]), "fields": tuple(row["fields"]), "data": data}
        values |= {"readable": readable}
        return Contract(**values)

    async def by_number(self, number: str) -> Contract:
        """Raises ContractNotFound."""
        return await self._one(_BY_NUMBER, {"number": number})

    async def by_external_id(self, external_id: str) -> Contract | None:
        statement = select(CONTRACT).where(CONTRACT.c.external_id == external_id).order_by(CONTRACT.c.created_at.desc())
        row = (await self._connection.execute(statement.limit(1))).first()
        return self.read_contract(row) if row else None

    async def listed(
        self,
        *,
        state: str | None = None,
        campus: str | None = None,
        after: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> list[Contract]:
        """Newest first; `after` is creation time and id of the last one seen."""
        statement = select(CONTRACT).order_by(CONTRACT.c.created_at.desc(), CONTRACT.c.id.desc()).limit(limit)
        if state:
            statement = statement.where(CONTRACT.c.state == state)
        if campus:
            statement = statement.where(CONTRACT.c.campus == campus)
        if after:
            created_at, last = after
            earlier = CONTRACT.c.created_at < created_at
            statement = statement.where(earlier | ((CONTRACT.c.created_at == created_at) & (CONTRACT.c.id < last)))
        return [self.read_contract(row, in_list=True) for row in (await self._connection.execute(statement))]

    async def move(self, contract: Contract, after: ContractState, **values: Any) -> Contract:
        """The one place that writes a state: checked against MOVES, compare-and-set on the version."""
        check_move(contract.state, after)
        if after.final:  # nothing is to be done for it any more
            values = {"stuck_since": None, "stuck_reason": None} | values
        return await self.change(contract, state=after, **values)

    async def change(self, contract: Contract, **values: Any) -> Contract:
        """Write fields by compare-and-set. Raises StaleVersion if somebody else wrote since `contract` was read."""
        plain = {name: _plain(value) for name, value in values.items()} | {"version": contract.version + 1}
        mine = changed(contract.id, plain) | {"was": contract.version}
        row = (await self._connection.execute(_change(*plain), mine)).first()
        if row is None:
            raise StaleVersion
        return self.read_contract(row)

    # ---- what the hub itself has to do next for a contract (embed, seal, close)

    async def plan_hub_step(self, contract: UUID, due_at: datetime | None, tries: int = 0) -> None:
        """When the job is asked for again should it not have ended by then. None: nothing left to do."""
        values = {"hub_due_at": due_at, "hub_tries": tries}
        await self._connection.execute(_PLAN_HUB_STEP, changed(contract, values))

    async def hub_tries(self, contract: UUID) -> int:
        return int(await self._connection.scalar(select(CONTRACT.c.hub_tries).where(CONTRACT.c.id == contract)) or 0)

    async def hub_due(self, now: datetime, limit: int = 100) -> list[UUID]:
        """Claim contracts whose hub step is due; concurrent callers get different ones."""
        statement = select(CONTRACT.c.id).where(CONTRACT.c.hub_due_at <= now).order_by(CONTRACT.c.hub_due_at)
        statement = statement.limit(limit).with_for_update(skip_locked=True, key_share=True)
        return list(await self._connection.scalars(statement))

    async def earliest_hub_step(self) -> datetime | None:
        from_queue = select(CONTRACT.c.hub_due_at).where(CONTRACT.c.hub_due_at.is_not(None))
        moment: datetime | None = await self._connection.scalar(from_queue.order_by(CONTRACT.c.hub_due_at).limit(1))
        return moment

    async def show_stuck(self, contract: UUID, at: datetime, reason: str) -> None:
        """Without a look at the contract, which may be what is broken; whoever changes it meanwhile goes on."""
        mine = (CONTRACT.c.id == contract) & CONTRACT.c.stuck_since.is_(None)
        await self._connection.execute(CONTRACT.update().where(mine).values(stuck_since=at, stuck_reason=reason))

    async def clear_stuck(self, contract: UUID, reason: str) -> bool:
        """False where it is not stuck, or for another reason."""
        mine = (CONTRACT.c.id == contract) & (CONTRACT.c.stuck_reason == reason)
        statement = CONTRACT.update().where(mine).values(stuck_since=None, stuck_reason=None)
        return (await self._connection.execute(statement)).rowcount == 1

    # ---- signers

    async def add_signer(self, signer: Signer, salt: bytes) -> None:
        values = {name: getattr(signer, name) for name in _SIGNER_FIELDS & set(SIGNER.c.keys())}
        values |= self._phone_hashes(signer.phone)
        values |= {"role": signer.role.value, "channels": list(signer.channels), "salt": salt}
        seal = self._cipher.seal
        values |= {"phone_sealed": seal(signer.phone), "id_number_sealed": seal(signer.id_number)}
        values["id_tail_hash"] = self._cipher.found_by("id-tail", signer.id_number[-4:].upper())
        values["email_sealed"] = seal(signer.email) if signer.email else None
        await self._connection.execute(_ADD_SIGNER, values)

    async def signers(self, contract: UUID) -> list[Signer]:
        """In signing order."""
        statement = select(SIGNER).where(SIGNER.c.contract == contract).order_by(SIGNER.c.order, SIGNER.c.field)
        return [self.read_signer(row) for row in (await self._connection.execute(statement))]

    async def signer(self, signer: UUID) -> Signer:
        row = (await self._connection.execute(_SIGNER, {"signer": signer})).first()
        if row is None:
            raise ContractNotFound
        return self.read_signer(row)

    async def salt(self, signer: UUID) -> bytes | None:
        """None once the person was erased."""
        salt: bytes | None = await self._connection.scalar(select(SIGNER.c.salt).where(SIGNER.c.id == signer))
        return salt

    async def lock_waiting_of(self, signer: Signer) -> list[UUID]:
        """Lock the contracts that this very person (document and phone) has to sign or is signing, and the signer's own
        whatever its state; return them, the newest first. At most 50 of others."""
        phone = self._cipher.found_by("phone", signer.phone)
        values = {"own": signer.contract, "person": signer.person, "phone": phone}
        rows = await self._connection.execute(_LOCK_WAITING, values)
        return [row.id for row in sorted(rows, key=lambda row: row.created_at, reverse=True)]

    async def signers_at(self, phone: str, limit: int = 50) -> list[Signer]:
        """Everybody on file with this phone number (E.164), newest contract first."""
        found = SIGNER.c.phone_hash == self._cipher.found_by("phone", phone)
        statement = select(SIGNER).join(CONTRACT, CONTRACT.c.id == SIGNER.c.contract).where(found)
        rows = await self._connection.execute(statement.order_by(CONTRACT.c.created_at.desc()).limit(limit))
        return [self.read_signer(row) for row in rows]

    async def is_known_by(self, person: str, name: str, phone: str) -> bool:
        """Whether this person is on file, and nowhere by another name or with another phone (E.164)."""
        mine = select(SIGNER.c.name, SIGNER.c.phone_hash).where(SIGNER.c.person == person).distinct()
        rows = await self._connection.execute(mine)
        found_by = self._cipher.found_by("phone", phone)
        return bool(rows) and all(same_name(row.name, name) and row.phone_hash == found_by for row in rows)

    async def unfinished_at(self, phone_hash: bytes) -> list[UUID]:
        """All contracts that have not ended and have a signer with this phone."""
        statement = select(CONTRACT.c.id).distinct().join(SIGNER, SIGNER.c.contract == CONTRACT.c.id)
        found = (SIGNER.c.phone_hash == phone_hash) & CONTRACT.c.state.in_(_UNFINISHED)
        return list(await self._connection.scalars(statement.where(found).order_by(CONTRACT.c.id)))

    async def persons_at(self, phone: str) -> list[str]:
        """Who has this phone number (E.164) in any contract."""
        found = SIGNER.c.phone_hash == self._cipher.found_by("phone", phone)
        return list(await self._connection.scalars(select(SIGNER.c.person).where(found).distinct()))

    async def with_phone(self, person: str, phone_hash: bytes) -> list[Signer]:
        """The signer rows of one person with one phone over all contracts, ended ones too."""
        mine = (SIGNER.c.person == person) & (SIGNER.c.phone_hash == phone_hash)
        rows = await self._connection.execute(select(SIGNER).where(mine).order_by(SIGNER.c.contract, SIGNER.c.id))
        return [self.read_signer(row) for row in rows]

    async def put_phone(self, signers: Sequence[UUID], phone: str) -> None:
        """`phone` is E.164."""
        await self._connection.execute(
            SIGNER.update()
            .where(SIGNER.c.id.in_(signers))
            .values(phone_sealed=self._cipher.seal(phone), **self._phone_hashes(phone))
        )

    def _phone_hashes(self, phone: str) -> dict[str, bytes]:
        found_by = self._cipher.found_by
        return {"phone_hash": found_by("phone", phone), "phone_tail_hash": found_by("phone-tail", phone[-4:])}

    async def signers_called(self, persons: Sequence[str], limit: int = 50) -> list[Signer]:
        """Everybody on file with one of these documents, newest contract first."""
        found = SIGNER.c.person.in_(persons)
        statement = select(SIGNER).join(CONTRACT, CONTRACT.c.id == SIGNER.c.contract).where(found)
        rows = await self._connection.execute(statement.order_by(CONTRACT.c.created_at.desc()).limit(limit))
        return [self.read_signer(row) for row in rows]

    def read_signer(self, row: Row | Mapping[str, Any]) -> Signer:
        """Return the signer of this row of their table. Raises ContractUnreadable."""
        values = {name: value for name, value in row.items() if name in _SIGNER_FIELDS}
        opened = self._cipher.open
        if not self._cipher.opens(row["phone_sealed"]):
            raise ContractUnreadable(f"signer {row['id']}: sealed under another key, or altered")
        return Signer(
            **(
                values
                | {
                    "role": Role(row["role"]),
                    "channels": tuple(row["channels"]),
                    "phone": opened(row["phone_sealed"]),
                    "id_number": opened(row["id_number_sealed"]),
                    "email": opened(row["email_sealed"]) if row["email_sealed"] else None,
                }
            )
        )

    # ---- files

    async def add_version(self, contract: UUID, kind: str, sha256: str, size: int, at: datetime) -> None:
        values = {"contract": contract, "kind": kind, "sha256": sha256, "size": size, "created_at": at}
        await self._connection.execute(_ADD_VERSION, values)

    async def versions(self, contract: UUID) -> Sequence[Mapping[str, Any]]:
        statement = select(VERSION).where(VERSION.c.contract == contract).order_by(VERSION.c.id)
        return [dict(row) for row in (await self._connection.execute(statement))]


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, ContractState) else value
