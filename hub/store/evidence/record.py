"""The record of each contract. Entries are appended in the transaction of the act, hash-chained, and never changed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from hub.model.contract.signer import Signer
from hub.model.evidence.person_data import redact
from hub.model.evidence.record import GENESIS, RecordEntry, compute_commitment, compute_entry_digest
from hub.model.evidence.record_facts import (
    insert_commitments,
    list_commitments,
    list_personal_values,
    mark_personal_values,
)
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Connection, Row
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.kernel.statement import SqlStatement
from hub.store.kernel.waiting_writes import AFTER_WRITES
from hub.store.tables.contract import SIGNER
from hub.store.tables.evidence import PERSONAL_VALUE as VALUE, RECORD_ENTRY as ENTRY
from hub.store.tables.signing import PASSKEY

_VALUE = EncryptedColumn.of(VALUE.c.value_sealed)
_IDS = bindparam("ids", type_=ARRAY(Uuid()))
# `hub.store.reminders.due_steps` computes the numbers of these locks in the same way.
_LOCK = SqlStatement(
    text(
        f"SELECT contract, entries, digest FROM lock_records(CASE WHEN {AFTER_WRITES} THEN CAST(:ids AS uuid[]) END)"  # noqa: S608
    ).bindparams(_IDS)
)
_COLUMNS = [column.name for column in ENTRY.c]
_ADD = insert_many(ENTRY, _COLUMNS)
ENTRIES = SqlStatement(select(ENTRY).where(ENTRY.c.contract == bindparam("contract")).order_by(ENTRY.c.sequence))
_KEEP = SqlStatement(insert(VALUE))
# Texts have a salt of their own. They may be what somebody else wrote about the signer.
_OWN = SqlStatement(
    select(VALUE, SIGNER.c.salt.label("signer_salt"))
    .join(SIGNER, SIGNER.c.id == VALUE.c.signer)
    .where(SIGNER.c.id == bindparam("signer"), VALUE.c.salt.is_(None))
    .order_by(VALUE.c.name, VALUE.c.commitment)
)
_COMMITTED = ("contract", "commitment", "campus", "signer", "name", "value_sealed")
_COMMIT = insert_many(VALUE, _COMMITTED, "ON CONFLICT DO NOTHING")
SALT_BYTES = 32


@dataclass(frozen=True)
class PersonalValue:
    """A personal value of a signer, for which an entry of the record has only a commitment."""

    signer: Signer
    salt: bytes
    name: str
    value: str

    @property
    def commitment(self) -> str:
        return compute_commitment(self.salt, self.value)


@dataclass(frozen=True)
class NewEntry:
    """An entry to be appended."""

    contract: UUID
    campus: str
    kind: str
    actor: str
    facts: Mapping[str, Any]


class Record:
    def __init__(self, connection: Connection, cipher: Cipher, now: datetime) -> None:
        self._connection = connection
        self._cipher = cipher
        self._now = now
        # Number and digest of the newest entry of each record that this transaction has locked.
        self._heads: dict[UUID, tuple[int, bytes]] = {}

    async def lock_heads(self, contracts: Iterable[UUID]) -> None:
        """Lock the records of these contracts until the transaction ends, in the order of their locks' numbers."""
        missing = [contract for contract in dict.fromkeys(contracts) if contract not in self._heads]
        if not missing:
            return
        found = await self._connection.lock_after_writes(_LOCK, {"ids": missing})
        heads = {contract: (entries, digest) for contract, entries, digest in found}
        for contract in missing:
            self._heads[contract] = heads.get(contract, (0, GENESIS))

    def remember_head(self, contract: UUID, sequence: int | None, digest: bytes | None) -> None:
        """Remember the newest entry of a record that this transaction has locked. None: it has no entry yet. A head
        that is already known stays, since this transaction may have appended entries."""
        self._heads.setdefault(contract, (sequence or 0, digest or GENESIS))

    def has_newest(self, entry: RecordEntry) -> bool:
        """Return whether this is the newest entry of its record, which this transaction has locked."""
        return self._heads[entry.contract][0] == entry.sequence

    async def append(self, contract: UUID, campus: str, kind: str, actor: str, facts: Mapping[str, Any]) -> None:
        """Append one entry. `facts` is plain JSON; for personal values of a signer see `commit`.

        Any other text that may be personal is replaced by a commitment: see `record_facts`.
        """
        await self.append_many([NewEntry(contract, campus, kind, actor, facts)])

    async def append_many(self, entries: Sequence[NewEntry]) -> None:
        """Append these entries as `append` does. Entries of one contract keep their order."""
        kept = [await self._with_commitments(each) for each in entries]
        await self.lock_heads(each.contract for each in entries)
        rows = [self._chained(each, facts) for each, facts in zip(entries, kept, strict=True)]
        if rows:
            rows.sort(key=lambda row: (row["contract"], row["sequence"]))
            await self._connection.write(_ADD, arrays_of(_COLUMNS, rows))

    def _chained(self, new: NewEntry, facts: Mapping[str, Any]) -> dict[str, Any]:
        before, previous = self._heads[new.contract]
        entry = RecordEntry(new.contract, before + 1, self._now, new.kind, new.actor, facts, previous)
        digest = compute_entry_digest(entry)
        self._heads[new.contract] = entry.sequence, digest
        return vars(entry) | {"campus": new.campus, "facts": json.dumps(facts), "digest": digest}

    async def _with_commitments(self, new: NewEntry) -> dict[str, Any]:
        """Return the facts with commitments in place of personal texts, which are stored in the side table with the
        signer."""
        marked_facts = mark_personal_values(new.kind, new.facts)
        commitments: dict[str, str] = {}
        for name, words in list_personal_values(marked_facts):
            salt = secrets.token_bytes(SALT_BYTES)
            commitments[words] = compute_commitment(salt, words)
            values = {"contract": new.contract, "commitment": commitments[words], "campus": new.campus, "name": name}
            values |= {
                "salt": salt,
                "signer": _signer(new.facts, new.actor),
                "value_sealed": self._seal(words, new.contract, commitments[words]),
            }
            await self._connection.write(_KEEP, values)
        plain: dict[str, Any] = insert_commitments(marked_facts, commitments)
        return plain

    async def commit_all(self, values: Sequence[PersonalValue]) -> None:
        """Store personal values in the side table, each under its commitment."""
        rows = [
            {
                "contract": value.signer.contract,
                "commitment": value.commitment,
                "campus": value.signer.campus,
                "signer": value.signer.id,
                "name": value.name,
                "value_sealed": self._seal(value.value, value.signer.contract, value.commitment),
            }
            for value in values
        ]
        await self._connection.write(_COMMIT, arrays_of(_COMMITTED, rows))

    async def commit(self, signer: Signer, salt: bytes, name: str, value: str) -> str:
        """Store a personal value in the side table. Return its commitment, for an entry."""
        kept = PersonalValue(signer, salt, name, value)
        await self.commit_all([kept])
        return kept.commitment

    async def list_entries(self, contract: UUID) -> list[RecordEntry]:
        return [_entry(row) for row in await self._connection.execute(ENTRIES, {"contract": contract})]

    async def find_actor(self, contract: UUID, kind: str, about: tuple[str, str] | None = None) -> str | None:
        """Return the actor of the contract's first entry of this kind, or None. `about`: a fact that it has, and its
        value."""
        mine = (ENTRY.c.contract == contract) & (ENTRY.c.kind == kind)
        if about is not None:
            mine &= ENTRY.c.facts[about[0]].as_string() == about[1]
        actor: str | None = await self._connection.scalar(
            select(ENTRY.c.actor).where(mine).order_by(ENTRY.c.sequence).limit(1)
        )
        return actor

    async def find_latest(self, contract: UUID, kind: str, actor: str) -> RecordEntry | None:
        """Return the newest entry of this kind by this actor."""
        mine = (ENTRY.c.contract == contract) & (ENTRY.c.kind == kind) & (ENTRY.c.actor == actor)
        newest = select(ENTRY).where(mine).order_by(ENTRY.c.sequence.desc()).limit(1)
        return await self._connection.find(_entry, newest)

    async def get_values(self, contract: UUID) -> dict[str, tuple[str, str]]:
        """Return the values that are not erased, as commitment → (name, value)."""
        rows = await self._connection.execute(select(VALUE).where(VALUE.c.contract == contract))
        return {row["commitment"]: (row["name"], self._open(row)) for row in rows}

    async def list_openings(self, signer: UUID) -> list[dict[str, str]]:
        """Return a signer's own values, each with its commitment, and the salt (hex) that proves it."""
        return [
            {
                "name": row["name"],
                "value": self._open(row),
                "salt": row["signer_salt"].hex(),
                "commitment": row["commitment"],
            }
            for row in await self._connection.execute(_OWN, {"signer": signer})
        ]

    async def erase_words(self, contract: UUID, sequence: int) -> list[str]:
        """Erase the personal texts of this entry and return them."""
        one = select(ENTRY.c.facts).where(ENTRY.c.contract == contract, ENTRY.c.sequence == sequence)
        behind = [committed for _, committed in list_commitments(await self._connection.scalar(one))]
        return await self._delete((VALUE.c.contract == contract) & VALUE.c.commitment.in_(behind))

    async def erase(self, signer: UUID) -> list[str]:
        """Erase a signer's values and salt, and the texts of other people about the contract. Return the erased texts.

        The chain stays valid, and its commitments become meaningless. With the last contract of a person, the person's
        passkeys are deleted too.
        """
        theirs = select(SIGNER.c.contract).where(SIGNER.c.id == signer).scalar_subquery()
        words = await self._delete((VALUE.c.contract == theirs) & VALUE.c.signer.is_(None) | (VALUE.c.signer == signer))
        erased = SIGNER.update().where(SIGNER.c.id == signer).values(salt=None).returning(SIGNER.c.person)
        person = await self._connection.scalar(erased)
        left = select(SIGNER.c.id).where(SIGNER.c.person == person, SIGNER.c.salt.is_not(None)).exists()
        await self._connection.execute(PASSKEY.delete().where(PASSKEY.c.person == person, ~left))
        return words

    async def erase_texts(self, contract: UUID, words: Sequence[str]) -> list[str]:
        """Erase the texts about a contract that belong to none of its signers, or that contain one of these words.
        Return the erased texts."""
        texts = (VALUE.c.contract == contract) & VALUE.c.salt.is_not(None)
        naming = [
            row["commitment"]
            for row in await self._connection.execute(select(VALUE).where(texts))
            if row["signer"] is None or (text := self._open(row)) != redact(text, words)
        ]
        return await self._delete(texts & VALUE.c.commitment.in_(naming))

    def _seal(self, value: str, contract: UUID, commitment: str) -> bytes:
        return self._cipher.encrypt(value, _VALUE.at(contract, commitment))

    def _open(self, row: Row) -> str:
        return self._cipher.decrypt(row["value_sealed"], _VALUE.at(row["contract"], row["commitment"]))

    async def _delete(self, which: ColumnElement[bool]) -> list[str]:
        """Delete values from the side table. Return the texts among them."""
        gone = await self._connection.execute(VALUE.delete().where(which).returning(VALUE))
        return [self._open(row) for row in gone if row.salt is not None]


def _signer(facts: Mapping[str, Any], actor: str) -> UUID | None:
    """Return the signer whom an entry concerns, or who is its actor, or None."""
    try:
        return UUID(str(facts.get("signer") or actor.removeprefix("signer:")))
    except ValueError:
        return None


def _entry(row: Row) -> RecordEntry:
    return RecordEntry(**{name: row[name] for name in RecordEntry.__dataclass_fields__})
