"""Contracts, their signers, and the versions of their files. Only `move` writes a contract's state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from hub.errors import ContractNotFound, ContractUnreadable, StaleVersion
from hub.model.contract.contract import Contract, ContractState, check_move
from hub.model.contract.person import same_name
from hub.model.contract.signer import Role, Signer
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.encryption.packing import JoinedJson, PackedJson
from hub.store.kernel.connection import Row
from hub.store.kernel.opening import Opening
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.rows import arrays_of, changed, insert_many, insert_row, new_values, update_row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.contract import CONTRACT, CONTRACT_NUMBER as NUMBER, DOCUMENT_VERSION as VERSION, SIGNER

CONTRACT_DATA, ANSWERS = EncryptedColumn.of(CONTRACT.c.data_sealed), EncryptedColumn.of(CONTRACT.c.answers_sealed)
_PHONE, _ID_NUMBER, _EMAIL = (
    EncryptedColumn.of(SIGNER.c[name]) for name in ("phone_sealed", "id_number_sealed", "email_sealed")
)
_IDS = bindparam("ids", type_=ARRAY(Uuid()))
_SEVERAL = select(CONTRACT).where(CONTRACT.c.id == any_(_IDS)).order_by(CONTRACT.c.id)
_LOCK, _LOCK_FREE = (
    SqlStatement(_SEVERAL.with_for_update(key_share=True, skip_locked=skipped)) for skipped in (False, True)
)
_GET_SEVERAL = SqlStatement(_SEVERAL)
_UNFINISHED = [state.value for state in ContractState if not state.final]
_FIELDS = set(Contract.__dataclass_fields__) - {"data"}
_READ = sorted({column.name for column in CONTRACT.c} & _FIELDS)
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
_SET = SqlStatement(
    select(CONTRACT).where(CONTRACT.c.set_id == bindparam("set", type_=Uuid())).order_by(CONTRACT.c.number)
)
_LOCK_IDS = SqlStatement(
    select(CONTRACT.c.id).where(CONTRACT.c.id == any_(_IDS)).order_by(CONTRACT.c.id).with_for_update(key_share=True)
)
_PLAN_HUB_STEP = update_row(CONTRACT, "hub_due_at", "hub_tries")
_ADD_SIGNER = SqlStatement(insert(SIGNER))
_SIGNER = SqlStatement(select(SIGNER).where(SIGNER.c.id == bindparam("signer")))
_VERSION_COLUMNS = ("contract", "kind", "sha256", "size", "created_at", "file")
DRAFT = "draft"
_ADD_VERSION = insert_many(VERSION, _VERSION_COLUMNS)


VERSIONS = SqlStatement(select(VERSION).where(VERSION.c.contract == bindparam("contract")).order_by(VERSION.c.id))
_HUB_DUE = SqlStatement(
    select(CONTRACT.c.id)
    .where(CONTRACT.c.hub_due_at <= bindparam("now"))
    .order_by(CONTRACT.c.hub_due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True, key_share=True)
)


@cache
def _change(*columns: str) -> SqlStatement:
    """Return the compare-and-set of these columns. Its values: those of `changed`, and the `version` that was read."""
    mine = (CONTRACT.c.id == bindparam("row")) & (CONTRACT.c.version == bindparam("was"))
    return SqlStatement(CONTRACT.update().where(mine).values(new_values(*columns)).returning(CONTRACT))


def opening_of_versions(contract: UUID) -> Opening:
    """Return what `Contracts.list_versions` reads."""
    return Opening(VERSIONS, {"contract": contract})


class Contracts(EncryptedRepository):
    # ---- contracts

    async def take_number(self, year: int) -> str:
        """Return the next contract number of the year, e.g. `QD-2026-000001`. No number is given out twice.

        A number is skipped if the contract for which it was taken was not issued.
        """
        number = await self._connection.scalar(_NEXT_NUMBER, {"year": year})
        return f"QD-{year}-{number:06d}"

    async def add(self, contract: Contract, student_name: str) -> None:
        values = {column.name: getattr(contract, column.name) for column in CONTRACT.c if column.name in _FIELDS}
        values |= {"state": contract.state.value, "fields": list(contract.fields), "student_name": student_name}
        encrypted = self._cipher.encrypt_json(dict(contract.data), CONTRACT_DATA.at(contract.id))
        values |= {"data_sealed": encrypted, "hub_tries": 0}
        await self._connection.execute(_ADD, values)

    async def get(self, contract: UUID) -> Contract:
        """Return a contract. Raises ContractNotFound, the same for unknown contracts and those outside the scope."""
        return await self._one(_GET, {"contract": contract})

    async def get_many(self, contracts: Iterable[UUID]) -> dict[UUID, Contract]:
        """Return contracts by their ids. Those outside the scope are left out."""
        rows = await self._connection.execute(_GET_SEVERAL, {"ids": sorted(set(contracts))})
        return {row["id"]: self.read_contract(row) for row in rows}

    async def lock_contract(self, contract: UUID) -> Contract:
        """Lock the contract until the end of the transaction, and return it. Signing and sending take this lock.

        The lock is `NO KEY`: other transactions can still write rows that refer to the contract. Raises
        ContractNotFound.
        """
        return await self._one(_LOCK_ONE, {"contract": contract})

    async def lock_many(self, contracts: Iterable[UUID], *, wait: bool = True) -> dict[UUID, Contract]:
        """Lock several contracts in the common order, and return them by id. Without `wait`, skip locked ones."""
        values = {"ids": sorted(set(contracts))}
        rows = await self._connection.execute(_LOCK if wait else _LOCK_FREE, values)
        return {row["id"]: self.read_contract(row) for row in rows}

    async def lock(self, contracts: Iterable[UUID]) -> None:
        """Lock several contracts in the common order, without reading them.

        The order of locks is: visitors at a phone, contracts, sessions, persons. Tasks, messages, budgets and records
        are locked only under the lock of their contract; a record may also be locked alone.
        """
        if ids := list(set(contracts)):
            await self._connection.execute(_LOCK_IDS, {"ids": ids})

    async def _one(self, statement: Any, values: Mapping[str, Any]) -> Contract:
        row = (await self._connection.execute(statement, values)).first()
        if row is None:
            raise ContractNotFound
        return self.read_contract(row)

    def read_contract(self, row: Row | Mapping[str, Any], *, in_list: bool = False) -> Contract:
        """Return the contract of a row, which may have other columns too. Raises ContractUnreadable if its data cannot
        be decrypted.

        With `in_list`, such a contract is returned with `readable` False, so that the list still shows the others.
        """
        values = {name: row[name] for name in _READ}
        readable, pages = True, row["pages"]
        data: Mapping[str, Any] = {}
        try:
            packed = self._cipher.decrypt_bytes(row["data_sealed"], CONTRACT_DATA.at(row["id"]))
            data = PackedJson(packed, at_once=in_list)
            if row["answers_sealed"] is not None:
                answers = PackedJson(self._cipher.decrypt_bytes(row["answers_sealed"], ANSWERS.at(row["id"])))
                data, pages = JoinedJson(answers, data), answers["pages"]
        except (InvalidTag, ValueError, ContractUnreadable):
            readable = False
            if not in_list:
                raise ContractUnreadable(f"contract {row['number']}: encrypted with another key, or altered") from None
        values |= {"state": ContractState(row["state"]), "fields": tuple(row["fields"]), "data": data}
        values |= {"readable": readable, "pages": pages, "answered": row["answers_sealed"] is not None}
        return Contract(**values)

    async def get_by_number(self, number: str) -> Contract:
        """Return the contract with this number. Raises ContractNotFound."""
        return await self._one(_BY_NUMBER, {"number": number})

    async def list_set(self, contract: Contract) -> list[Contract]:
        """Return all documents of the contract's set in the order of issue; only the contract if it has no set."""
        if contract.set_id is None:
            return [contract]
        rows = await self._connection.execute(_SET, {"set": contract.set_id})
        return [self.read_contract(row, in_list=True) for row in rows]

    async def list_page(
        self,
        wanted: Mapping[str, str | None] = MappingProxyType({}),
        *,
        after: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> list[Contract]:
        """Return contracts, newest first. `wanted`: values by column; None for any. `after`: creation time and id of
        the last contract on the previous page."""
        statement = select(CONTRACT).order_by(CONTRACT.c.created_at.desc(), CONTRACT.c.id.desc()).limit(limit)
        for column, value in wanted.items():
            if value is not None:
                statement = statement.where(CONTRACT.c[column] == value)
        if after:
            created_at, last = after
            earlier = CONTRACT.c.created_at < created_at
            statement = statement.where(earlier | ((CONTRACT.c.created_at == created_at) & (CONTRACT.c.id < last)))
        return [self.read_contract(row, in_list=True) for row in (await self._connection.execute(statement))]

    async def move(self, contract: Contract, after: ContractState, **values: Any) -> Contract:
        """Write the state of a contract, after checking it against MOVES. Raises IllegalMove, StaleVersion.

        No other function changes a state that is stored.
        """
        check_move(contract.state, after)
        if after.final:  # the hub has nothing left to do
            values = {"stuck_since": None, "stuck_reason": None} | values
        return await self.change(contract, state=after, **values)

    async def change(self, contract: Contract, **values: Any) -> Contract:
        """Write fields by compare-and-set. Raises StaleVersion if it changed since `contract` was read."""
        plain = {name: _plain(value) for name, value in values.items()} | {"version": contract.version + 1}
        mine = changed(contract.id, plain) | {"was": contract.version}
        row = (await self._connection.write_now(_change(*plain), mine)).first()
        if row is None:
            raise StaleVersion
        return self.read_contract(row)

    # ---- the hub's own next step for a contract (embed, seal, close)

    async def plan_hub_step(self, contract: UUID, due_at: datetime | None, tries: int = 0) -> None:
        """Write when to enqueue the contract's job again if it has not ended by then. None: nothing is left to do."""
        values = {"hub_due_at": due_at, "hub_tries": tries}
        await self._connection.write(_PLAN_HUB_STEP, changed(contract, values))

    async def get_hub_tries(self, contract: UUID) -> int:
        return int(await self._connection.scalar(select(CONTRACT.c.hub_tries).where(CONTRACT.c.id == contract)) or 0)

    async def claim_hub_steps(self, now: datetime) -> list[UUID]:
        """Claim contracts whose hub step is due; concurrent callers get different ones."""
        return await self._connection.scalars(_HUB_DUE, {"now": now, "most": 100})

    async def show_stuck(self, contract: UUID, at: datetime, reason: str) -> None:
        """Mark the contract as stuck without reading it, since its data may be broken. Does not change its version."""
        mine = (CONTRACT.c.id == contract) & CONTRACT.c.stuck_since.is_(None)
        await self._connection.execute(CONTRACT.update().where(mine).values(stuck_since=at, stuck_reason=reason))

    async def clear_stuck(self, contract: UUID, reason: str) -> bool:
        """Clear the mark. Return False if the contract is not stuck, or is stuck for another reason."""
        mine = (CONTRACT.c.id == contract) & (CONTRACT.c.stuck_reason == reason)
        cleared = await self._connection.execute(
            CONTRACT.update().where(mine).values(stuck_since=None, stuck_reason=None)
        )
        return cleared.rowcount == 1

    # ---- signers

    async def add_signer(self, signer: Signer, salt: bytes) -> None:
        values = {name: getattr(signer, name) for name in _SIGNER_FIELDS & set(SIGNER.c.keys())}
        values |= self._phone_hashes(signer.phone)
        values |= {"role": signer.role.value, "channels": list(signer.channels), "salt": salt}
        encrypt = self._cipher.encrypt
        values |= {"phone_sealed": encrypt(signer.phone, _PHONE.at(signer.id))}
        values |= {"id_number_sealed": encrypt(signer.id_number, _ID_NUMBER.at(signer.id))}
        values["id_tail_hash"] = self._cipher.found_by("id-tail", signer.id_number[-4:].upper())
        values["email_sealed"] = encrypt(signer.email, _EMAIL.at(signer.id)) if signer.email else None
        await self._connection.write(_ADD_SIGNER, values)

    async def list_signers(self, contract: UUID) -> list[Signer]:
        """Return the signers of a contract in signing order."""
        statement = select(SIGNER).where(SIGNER.c.contract == contract).order_by(SIGNER.c.order, SIGNER.c.field)
        return [self.read_signer(row) for row in (await self._connection.execute(statement))]

    async def get_signer(self, signer: UUID) -> Signer:
        row = (await self._connection.execute(_SIGNER, {"signer": signer})).first()
        if row is None:
            raise ContractNotFound
        return self.read_signer(row)

    async def get_signer_names(self, signers: Iterable[UUID]) -> dict[UUID, str]:
        """Return the names of these signers by their ids."""
        statement = select(SIGNER.c.id, SIGNER.c.name).where(SIGNER.c.id.in_(sorted(set(signers))))
        return {row.id: row.name for row in await self._connection.execute(statement)}

    async def find_salt(self, signer: UUID) -> bytes | None:
        """Return the signer's salt for commitments, or None once it was erased."""
        salt: bytes | None = await self._connection.scalar(select(SIGNER.c.salt).where(SIGNER.c.id == signer))
        return salt

    async def list_signers_at(self, phone: str) -> list[Signer]:
        """Return the signers with this phone number (E.164), of the newest contracts first."""
        return await self._list_newest(SIGNER.c.phone_hash == self._cipher.found_by("phone", phone))

    async def list_signers_of(self, persons: Sequence[str]) -> list[Signer]:
        """Return the signers who are one of these persons, of the newest contracts first."""
        return await self._list_newest(SIGNER.c.person.in_(persons))

    async def _list_newest(self, found: ColumnElement[bool]) -> list[Signer]:
        statement = select(SIGNER).join(CONTRACT, CONTRACT.c.id == SIGNER.c.contract).where(found)
        rows = await self._connection.execute(statement.order_by(CONTRACT.c.created_at.desc()).limit(50))
        return [self.read_signer(row) for row in rows]

    async def is_known_by(self, person: str, name: str, phone: str) -> bool:
        """Return whether this person is on file, and has this name and phone (E.164) everywhere."""
        mine = select(SIGNER.c.name, SIGNER.c.phone_hash).where(SIGNER.c.person == person).distinct()
        rows = await self._connection.execute(mine)
        found_by = self._cipher.found_by("phone", phone)
        return bool(rows) and all(same_name(row.name, name) and row.phone_hash == found_by for row in rows)

    async def list_unfinished_at(self, phone_hash: bytes) -> list[UUID]:
        """Return all contracts that have not ended and have a signer with this phone."""
        statement = select(CONTRACT.c.id).distinct().join(SIGNER, SIGNER.c.contract == CONTRACT.c.id)
        found = (SIGNER.c.phone_hash == phone_hash) & CONTRACT.c.state.in_(_UNFINISHED)
        return await self._connection.scalars(statement.where(found).order_by(CONTRACT.c.id))

    async def list_persons_at(self, phone: str) -> list[str]:
        """Return the persons who have this phone number (E.164) in any contract."""
        found = SIGNER.c.phone_hash == self._cipher.found_by("phone", phone)
        return await self._connection.scalars(select(SIGNER.c.person).where(found).distinct())

    async def list_signers_with_phone(self, person: str, phone_hash: bytes) -> list[Signer]:
        """Return the signer rows of one person with one phone in all contracts, including ended ones."""
        mine = (SIGNER.c.person == person) & (SIGNER.c.phone_hash == phone_hash)
        rows = await self._connection.execute(select(SIGNER).where(mine).order_by(SIGNER.c.contract, SIGNER.c.id))
        return [self.read_signer(row) for row in rows]

    async def put_phone(self, signers: Sequence[UUID], phone: str) -> None:
        """Write another phone number (E.164) to these signers."""
        for signer in sorted(signers):
            values = {"phone_sealed": self._cipher.encrypt(phone, _PHONE.at(signer))} | self._phone_hashes(phone)
            await self._connection.execute(SIGNER.update().where(SIGNER.c.id == signer).values(values))

    def _phone_hashes(self, phone: str) -> dict[str, bytes]:
        found_by = self._cipher.found_by
        return {"phone_hash": found_by("phone", phone), "phone_tail_hash": found_by("phone-tail", phone[-4:])}

    def read_signer(self, row: Row | Mapping[str, Any]) -> Signer:
        """Return the signer of a row of the signers' table. Raises ContractUnreadable."""
        values = {name: value for name, value in row.items() if name in _SIGNER_FIELDS}
        decrypt = self._cipher.decrypt
        values |= {"role": Role(row["role"]), "channels": tuple(row["channels"])}
        try:
            values["phone"] = decrypt(row["phone_sealed"], _PHONE.at(row["id"]))
        except (InvalidTag, ValueError):
            raise ContractUnreadable(f"signer {row['id']}: encrypted with another key, or altered") from None
        values["id_number"] = decrypt(row["id_number_sealed"], _ID_NUMBER.at(row["id"]))
        values["email"] = decrypt(row["email_sealed"], _EMAIL.at(row["id"])) if row["email_sealed"] else None
        return Signer(**values)

    # ---- files

    async def add_version(self, contract: UUID, kind: str, sha256: str, size: int, at: datetime) -> None:
        """Add a version of the document. A draft has no stored file; every other version has its own file at first."""
        values = {"contract": contract, "kind": kind, "sha256": sha256, "size": size, "created_at": at}
        values["file"] = None if kind == DRAFT else sha256
        await self._connection.write(_ADD_VERSION, arrays_of(_VERSION_COLUMNS, [values]))

    async def list_versions(self, contract: UUID) -> Sequence[Mapping[str, Any]]:
        """Return the versions of the document, oldest first. `Files.get` reads those that have a `file`."""
        return [dict(row) for row in await self._connection.execute(VERSIONS, {"contract": contract})]

    async def get_file_sizes(self, sha256s: Iterable[str]) -> dict[str, int]:
        """Return the sizes of these versions in bytes, by SHA-256. Versions that were erased are left out."""
        wanted = VERSION.c.sha256.in_(sorted(set(sha256s))) & VERSION.c.erased_at.is_(None)
        rows = await self._connection.execute(select(VERSION.c.sha256, VERSION.c.size).where(wanted))
        return {row.sha256: row.size for row in rows}


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, ContractState) else value
