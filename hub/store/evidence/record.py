"""The record: appended in the transaction of what it records, chained per contract, never changed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, RowMapping, Table, Uuid, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.model.contract.signer import Signer
from hub.model.evidence.record import GENESIS, RecordEntry, commitment, entry_digest
from hub.model.evidence.record_facts import committed_in, marked, with_commitments, words_in
from hub.store.joint import Joint, write
from hub.store.kernel.cipher import Cipher
from hub.store.tables import PasskeyRow, PersonalValueRow, RecordEntryRow, SignerRow, table_of

ENTRY: Table = table_of(RecordEntryRow)
VALUE: Table = table_of(PersonalValueRow)
SIGNER: Table = table_of(SignerRow)
PASSKEY: Table = table_of(PasskeyRow)
_IDS = bindparam("ids", type_=ARRAY(Uuid()))
_ALONE = text("""
SELECT pg_advisory_xact_lock(number)
FROM (SELECT hashtextextended(contract::text, 1) AS number FROM unnest(:ids) AS theirs (contract) ORDER BY 1) AS ordered
""").bindparams(_IDS)
_LAST = select(ENTRY.c.contract, ENTRY.c.sequence, ENTRY.c.digest).where(ENTRY.c.contract == any_(_IDS))
_LAST = _LAST.ext(distinct_on(ENTRY.c.contract)).order_by(ENTRY.c.contract, ENTRY.c.sequence.desc())
_ADD = insert(ENTRY)
_KEEP = insert(VALUE)
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
        return commitment(self.salt, self.value)


class Record:
    def __init__(self, connection: AsyncConnection, cipher: Cipher, now: datetime) -> None:
        self._connection = connection
        self._cipher = cipher
        self._now = now
        # Number and digest of the newest entry of each record that this transaction has locked.
        self._heads: dict[UUID, tuple[int, bytes]] = {}

    async def foresee(self, ahead: Joint, contracts: Sequence[UUID]) -> None:
        await ahead.aside(_ALONE, {"ids": list(contracts)})
        last = {row[0]: (row[1], row[2]) for row in (await ahead.aside(_LAST, {"ids": list(contracts)})).all()}
        for contract in contracts:
            self._heads[contract] = last.get(contract, (0, GENESIS))

    async def append(self, contract: UUID, campus: str, kind: str, actor: str, facts: Mapping[str, Any]) -> None:
        """One more entry. `facts` is plain JSON and holds no personal value; see `commit`. Of what somebody wrote only
        a commitment stands in it: see `record_facts`."""
        facts = await self._with_commitments(contract, campus, kind, actor, facts)
        before, previous = await self._last(contract)
        sequence = before + 1
        digest = entry_digest(RecordEntry(contract, sequence, self._now, kind, actor, facts, previous))
        self._heads[contract] = sequence, digest
        await write(
            self._connection,
            _ADD,
            {
                "contract": contract,
                "sequence": sequence,
                "campus": campus,
                "at": self._now,
                "kind": kind,
                "actor": actor,
                "facts": dict(facts),
                "previous": previous,
                "digest": digest,
            },
        )

    async def _with_commitments(
        self, contract: UUID, campus: str, kind: str, actor: str, facts: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Keep the words in the side table, as those of the signer whom they are by or about."""
        marked_facts = marked(kind, facts)
        commitments: dict[str, str] = {}
        for name, words in words_in(marked_facts):
            salt = secrets.token_bytes(SALT_BYTES)
            commitments[words] = commitment(salt, words)
            await write(
                self._connection,
                _KEEP,
                {
                    "contract": contract,
                    "commitment": commitments[words],
                    "campus": campus,
                    "name": name,
                    "salt": salt,
                    "signer": _signer(facts, actor),
                    "value_sealed": self._cipher.seal(words),
                },
            )
        plain: dict[str, Any] = with_commitments(marked_facts, commitments)
        return plain

    async def _last(self, contract: UUID) -> tuple[int, bytes]:
        """Number and digest of the newest entry; nobody else adds one until this transaction ends."""
        if known := self._heads.get(contract):
            return known
        await self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:contract, 1))"), {"contract": str(contract)}
        )
        last = select(ENTRY.c.sequence, ENTRY.c.digest).where(ENTRY.c.contract == contract)
        row = (await self._connection.execute(last.order_by(ENTRY.c.sequence.desc()).limit(1))).first()
        return (row[0], row[1]) if row else (0, GENESIS)

    def begin(self, contract: UUID) -> None:
        """Begin the record of a contract that this transaction adds: nobody else can append to it yet."""
        self._heads[contract] = (0, GENESIS)

    async def commit_all(self, values: Sequence[PersonalValue]) -> None:
        """Keep personal values in the side table, each under its commitment."""
        rows = [
            {
                "contract": value.signer.contract,
                "commitment": value.commitment,
                "campus": value.signer.campus,
                "signer": value.signer.id,
                "name": value.name,
                "value_sealed": self._cipher.seal(value.value),
            }
            for value in values
        ]
        await self._connection.execute(insert(VALUE).values(rows).on_conflict_do_nothing())

    async def commit(self, signer: Signer, salt: bytes, name: str, value: str) -> str:
        """Keep a personal value in the side table; returns the commitment that stands for it in an entry."""
        stands_for = commitment(salt, value)
        await self._connection.execute(
            insert(VALUE)
            .values(
                contract=signer.contract,
                commitment=stands_for,
                campus=signer.campus,
                signer=signer.id,
                name=name,
                value_sealed=self._cipher.seal(value),
            )
            .on_conflict_do_nothing()
        )
        return stands_for

    async def entries(self, contract: UUID) -> list[RecordEntry]:
        statement = select(ENTRY).where(ENTRY.c.contract == contract).order_by(ENTRY.c.sequence)
        return [_entry(row) for row in (await self._connection.execute(statement)).mappings()]

    async def actor(self, contract: UUID, kind: str) -> str | None:
        """Who did this to the contract first."""
        mine = (ENTRY.c.contract == contract) & (ENTRY.c.kind == kind)
        actor: str | None = await self._connection.scalar(
            select(ENTRY.c.actor).where(mine).order_by(ENTRY.c.sequence).limit(1)
        )
        return actor

    async def values(self, contract: UUID) -> dict[str, tuple[str, str]]:
        """Commitment → (name, value) of what has not been erased."""
        rows = await self._connection.execute(select(VALUE).where(VALUE.c.contract == contract))
        return {row["commitment"]: (row["name"], self._cipher.open(row["value_sealed"])) for row in rows.mappings()}

    async def erase_words(self, contract: UUID, sequence: int) -> list[str]:
        """Forget what somebody wrote, which this entry is about; returns it."""
        one = select(ENTRY.c.facts).where(ENTRY.c.contract == contract, ENTRY.c.sequence == sequence)
        behind = [committed for _, committed in committed_in(await self._connection.scalar(one))]
        return await self._delete((VALUE.c.contract == contract) & VALUE.c.commitment.in_(behind))

    async def erase(self, signer: UUID) -> list[str]:
        """Forget a person's values and salt, and what others wrote about this contract: the chain stays whole, its
        commitments become meaningless. With the last of a person's contracts their passkeys go as well. Returns what
        had been written."""
        theirs = select(SIGNER.c.contract).where(SIGNER.c.id == signer).scalar_subquery()
        words = await self._delete((VALUE.c.contract == theirs) & VALUE.c.signer.is_(None) | (VALUE.c.signer == signer))
        erased = SIGNER.update().where(SIGNER.c.id == signer).values(salt=None).returning(SIGNER.c.person)
        person = await self._connection.scalar(erased)
        left = select(SIGNER.c.id).where(SIGNER.c.person == person, SIGNER.c.salt.is_not(None)).exists()
        await self._connection.execute(PASSKEY.delete().where(PASSKEY.c.person == person, ~left))
        return words

    async def _delete(self, which: ColumnElement[bool]) -> list[str]:
        """Returns the words among the values."""
        gone = await self._connection.execute(VALUE.delete().where(which).returning(VALUE.c.salt, VALUE.c.value_sealed))
        return [self._cipher.open(row.value_sealed) for row in gone.all() if row.salt is not None]


def _signer(facts: Mapping[str, Any], actor: str) -> UUID | None:
    """Whom an entry is about, or by whom it is."""
    try:
        return UUID(str(facts.get("signer") or actor.removeprefix("signer:")))
    except ValueError:
        return None


def _entry(row: RowMapping) -> RecordEntry:
    return RecordEntry(**{name: row[name] for name in RecordEntry.__dataclass_fields__})
