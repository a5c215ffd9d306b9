"""Keys of apps, bound to persons. The database keeps each key once, so that it cannot have two owners."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.signing.device_key import AppKey, Attestation, hash_spki
from hub.model.signing.signature_request import RequestState
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.signing import APP_KEY as KEY, SIGNATURE_REQUEST as REQUEST, SIGNING_SESSION as SESSION

_LABEL = EncryptedColumn.of(KEY.c.label_sealed)
_LIVE = KEY.c.revoked_at.is_(None)
_OF = select(KEY).where(KEY.c.spki_hash == bindparam("spki"))
_FIND, _HOLD = SqlStatement(_OF), SqlStatement(_OF.with_for_update(read=True))
_CERTIFICATES_DUE = SqlStatement(
    select(KEY.c.id)
    .where(KEY.c.certificates_due_at <= bindparam("now"))
    .order_by(KEY.c.certificates_due_at)
    .limit(bindparam("most"))
)


class AppKeys(EncryptedRepository):
    async def find_by_public_key(self, spki: bytes, *, hold: bool = False) -> AppKey | None:
        """Return the key with this SubjectPublicKeyInfo (DER). `hold`: no revocation until the commit."""
        return await self._one(_HOLD if hold else _FIND, {"spki": hash_spki(spki)})

    async def get(self, key: UUID, *, lock: bool = False) -> AppKey | None:
        statement = select(KEY).where(KEY.c.id == key)
        return await self._one(statement.with_for_update() if lock else statement, {})

    async def list_of_person(self, person: str) -> list[AppKey]:
        """Return the keys of a person, newest first, including revoked ones."""
        statement = select(KEY).where(KEY.c.person == person).order_by(KEY.c.bound_at.desc(), KEY.c.id)
        return [self._key(row) for row in (await self._connection.execute(statement))]

    async def count_live(self, person: str) -> int:
        return await self._connection.count(KEY, KEY.c.person == person, _LIVE)

    async def add(self, key: AppKey) -> bool:
        """Store a key. Return False if the key is bound already, to anybody. Concurrent calls wait for each other."""
        statement = insert(KEY).values(self._values(key)).on_conflict_do_nothing(index_elements=["spki_hash"])
        return (await self._connection.execute(statement)).rowcount == 1

    async def store_attestation(self, key: AppKey) -> None:
        """Store the attestation of a key that was bound before."""
        names = ("attestation", "platform", "app", "level", "reasons", "evidence", "challenge")
        proved = {name: value for name, value in self._values(key).items() if name in names}
        await self._connection.execute(KEY.update().where(KEY.c.id == key.id).values(proved))

    async def note_used(self, key: UUID, at: datetime) -> None:
        await self._connection.execute(KEY.update().where(KEY.c.id == key).values(used_at=at))

    async def revoke(self, key: AppKey, at: datetime, by: str, reason: str) -> bool:
        """Revoke a key. Return False if it was revoked before.

        Sessions lose the certificates of the key, and requests that were prepared for it lapse.
        """
        said = {"revoked_at": at, "revoked_by": by, "reason": reason, "certificates_due_at": at}
        mine = KEY.update().where(KEY.c.id == key.id, _LIVE).values(said)
        if (await self._connection.execute(mine)).rowcount == 0:
            return False
        theirs = SESSION.update().where(SESSION.c.key_spki == key.spki).values(certificate_chain=[])
        sessions = list(await self._connection.scalars(theirs.returning(SESSION.c.id)))
        prepared = REQUEST.c.session.in_(sessions) & (REQUEST.c.state == RequestState.PREPARED.value)
        await self._connection.execute(REQUEST.update().where(prepared).values(state=RequestState.LAPSED.value))
        return True

    # ---- the certificates of a revoked key

    async def list_certificates_due(self, now: datetime) -> list[UUID]:
        return await self._connection.scalars(_CERTIFICATES_DUE, {"now": now, "most": 20})

    async def plan_certificates(self, key: UUID, at: datetime | None, tries: int) -> None:
        """Write when to ask the authorities again to revoke the key's certificates. `at`: None if nothing is left."""
        values = {"certificates_due_at": at, "certificate_tries": tries}
        await self._connection.execute(KEY.update().where(KEY.c.id == key).values(values))

    async def _one(self, statement: Any, values: Mapping[str, Any]) -> AppKey | None:
        return await self._connection.find(self._key, statement, values)

    def _values(self, key: AppKey) -> dict[str, Any]:
        values = {name: getattr(key, name) for name in _FIELDS - {"label"}}
        values |= {"attestation": key.attestation.value, "reasons": list(key.reasons)}
        return values | {
            "label_sealed": self._cipher.encrypt(key.label, _LABEL.at(key.id)),
            "spki_hash": hash_spki(key.spki),
        }

    def _key(self, row: Row) -> AppKey:
        values = {name: row[name] for name in _FIELDS - {"label"}}
        values |= {"attestation": Attestation(row["attestation"]), "reasons": tuple(row["reasons"])}
        return AppKey(**values, label=self._cipher.decrypt(row["label_sealed"], _LABEL.at(row["id"])))


_FIELDS = set(AppKey.__dataclass_fields__)
