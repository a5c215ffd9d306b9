"""Certificates that the configured authorities issued, so that the hub can revoke them and answer for their status."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam, select

from hub.model.signing.signature_request import RequestState
from hub.store.kernel.opening import Opening
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import insert_row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.contract import SIGNER
from hub.store.tables.signing import ISSUED_CERTIFICATE as CERTIFICATE, SIGNATURE_REQUEST as REQUEST

_ALL_REVOKED = select(CERTIFICATE.c.serial, CERTIFICATE.c.revoked_at, CERTIFICATE.c.revocation_reason).where(
    CERTIFICATE.c.authority == bindparam("authority"), CERTIFICATE.c.revoked_at.is_not(None)
)
_REVOKED_OF = SqlStatement(_ALL_REVOKED.where(CERTIFICATE.c.serial == any_(bindparam("serials", type_=ARRAY(Text())))))
# Sorted, because two readings are compared.
REVOKED = SqlStatement(_ALL_REVOKED.order_by(CERTIFICATE.c.serial))
# The condition of a write: no certificate was revoked since the known ones were read. A revocation is never changed or
# taken back, so the serial numbers are enough.
NO_NEW_REVOCATIONS = (
    "CAST(:revoked AS text[]) = ARRAY(SELECT serial FROM issued_certificate"
    " WHERE authority = :authority AND revoked_at IS NOT NULL ORDER BY serial)"
)


@dataclass(frozen=True)
class KnownRevocations:
    """The serial numbers of an authority's revoked certificates, in the order in which they were read."""

    authority: str
    serials: Sequence[str]


@dataclass(frozen=True)
class PersonsCertificate:
    """A certificate (DER), and the signer and contract for which it was issued."""

    authority: str
    serial: int
    certificate: bytes
    contract: UUID
    campus: str
    signer: UUID


@dataclass(frozen=True)
class IssuedCertificate:
    """A certificate (DER), and the signer for whom it was issued; None for the hub's own seal."""

    authority: str
    serial: int
    certificate: bytes
    issued_at: datetime
    not_after: datetime
    contract: UUID | None = None
    signer: UUID | None = None


_ADD = insert_row(CERTIFICATE, IssuedCertificate.__dataclass_fields__, passing_over=True)


def opening_of_revoked(authority: str) -> Opening:
    """Return what `Certificates.list_revoked` reads of all serial numbers."""
    return Opening(REVOKED, {"authority": authority})


class Certificates(Repository):
    async def add(self, issued: IssuedCertificate) -> None:
        values = vars(issued) | {"serial": str(issued.serial)}
        await self._connection.write(_ADD, values)

    async def list_of_person(self, person: str, now: datetime) -> list[PersonsCertificate]:
        """Return the certificates of a person that are neither revoked nor expired."""
        live = CERTIFICATE.c.revoked_at.is_(None) & (CERTIFICATE.c.not_after > now)
        columns = (CERTIFICATE.c.authority, CERTIFICATE.c.serial, CERTIFICATE.c.certificate)
        statement = select(*columns, SIGNER.c.contract, SIGNER.c.campus, SIGNER.c.id.label("signer"))
        statement = statement.join(SIGNER, SIGNER.c.id == CERTIFICATE.c.signer).where(SIGNER.c.person == person, live)
        rows = await self._connection.execute(statement.order_by(CERTIFICATE.c.issued_at))
        return [PersonsCertificate(**{**row, "serial": int(row["serial"])}) for row in rows]

    async def has_signed_lately(self, person: str, certificate: bytes, since: datetime) -> bool:
        """Return whether this certificate made a signature that has no timestamp yet, or was embedded after `since`."""
        theirs = REQUEST.c.contract.in_(select(SIGNER.c.contract).where(SIGNER.c.person == person))
        lately = (REQUEST.c.state == RequestState.ACCEPTED.value) | (REQUEST.c.embedded_at > since)
        found = select(REQUEST.c.id).where(theirs, REQUEST.c.chain[1] == certificate, lately)
        return await self._connection.scalar(found.limit(1)) is not None

    async def revoke(self, authority: str, serial: int, at: datetime, reason: str) -> bool:
        """Mark a certificate as revoked. Return False if it is unknown or already revoked."""
        mine = (CERTIFICATE.c.authority == authority) & (CERTIFICATE.c.serial == str(serial))
        mine &= CERTIFICATE.c.revoked_at.is_(None)
        done = await self._connection.execute(
            CERTIFICATE.update().where(mine).values(revoked_at=at, revocation_reason=reason)
        )
        return done.rowcount == 1

    async def list_of_seals(self, authority: str) -> list[tuple[int, bytes]]:
        """Return serial and certificate (DER) of all that the authority issued to seals and that are not revoked."""
        columns = select(CERTIFICATE.c.serial, CERTIFICATE.c.certificate)
        live = CERTIFICATE.c.signer.is_(None) & CERTIFICATE.c.revoked_at.is_(None)
        rows = await self._connection.execute(columns.where(CERTIFICATE.c.authority == authority, live))
        return [(int(row["serial"]), row["certificate"]) for row in rows]

    async def list_known(self, authority: str, serials: Collection[int]) -> set[int]:
        """Return those of these serial numbers that the authority issued through this hub."""
        mine = (CERTIFICATE.c.authority == authority) & CERTIFICATE.c.serial.in_([str(each) for each in serials])
        return {int(serial) for serial in await self._connection.scalars(select(CERTIFICATE.c.serial).where(mine))}

    async def list_revoked(
        self, authority: str, serials: Collection[int] | None = None
    ) -> list[tuple[int, datetime, str]]:
        """Return serial, moment and reason of the authority's revoked certificates, or of those among `serials`."""
        if serials is None:
            rows = await self._connection.execute(REVOKED, {"authority": authority})
        else:
            values = {"authority": authority, "serials": [str(each) for each in serials]}
            rows = await self._connection.execute(_REVOKED_OF, values)
        return [(int(serial), at, reason or "unspecified") for serial, at, reason in rows]
