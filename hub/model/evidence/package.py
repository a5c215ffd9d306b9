"""EvidencePackage: one version of a contract's package, and the facts that the first version is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from hub.model.contract.case import Case, Party
from hub.model.contract.contract import compute_backoff
from hub.model.evidence.record import RecordEntry
from hub.model.messaging.delivery import Delivery
from hub.model.signing.signature_request import SignatureRequest

FIRST_VERSION: Final = 1
# A job that ended without a package is followed by another one after this time, which doubles with each.
PACKAGE_RETRY: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class EvidencePackage:
    """A version of a package, given out under its SHA-256 (hex). Version 1 is signed; later ones only add to it.

    `leaf`: the hash of all items of version 1 as a group, which stands in the hash tree of a day. `file`: SHA-256 of
    what is stored of this version alone; `pieces`: how it is put together, None if `file` is all of it. `renewals`:
    how many timestamps its evidence record has beside the first.
    """

    contract: UUID
    version: int
    campus: str
    sha256: str
    size: int
    leaf: bytes
    made_at: datetime
    file: str
    pieces: Sequence[Mapping[str, Any]] | None = None
    renewals: int = 0


@dataclass(frozen=True)
class PackageParts:
    """A package without the bytes that another stored file has. `own`: what is left of it, to be stored as `file`."""

    own: bytes
    file: str
    pieces: Sequence[Mapping[str, Any]] | None


def piece(file: str, start: int, length: int) -> dict[str, Any]:
    """Return a piece of a package: these bytes of the content with the SHA-256 `file`."""
    return {"file": file, "start": start, "length": length}


def leave_out(package: bytes, start: int, length: int) -> PackageParts:
    """Leave out of a package the bytes of a stored file, which stand in it from `start`. Pure."""
    inside = hashlib.sha256(package[start : start + length]).hexdigest()
    own = package[:start] + package[start + length :]
    file = hashlib.sha256(own).hexdigest()
    pieces = [piece(file, 0, start), piece(inside, 0, length), piece(file, start, len(own) - start)]
    return PackageParts(own, file, pieces)


def go_on_from(first: EvidencePackage, length: int, tail: bytes) -> PackageParts:
    """Make a version of the first `length` bytes of the first one, and of what follows in it. Pure."""
    before, left = [], length
    for one in first.pieces or [piece(first.file, 0, first.size)]:
        if left > 0:
            before.append({**one, "length": min(one["length"], left)})
            left -= one["length"]
    file = hashlib.sha256(tail).hexdigest()
    return PackageParts(tail, file, [*before, piece(file, 0, len(tail))])


@dataclass(frozen=True)
class IdentityResult:
    """The result of an identity check of a signer. What they entered is not kept."""

    signer: UUID
    provider: str
    method: str
    result: str
    at: datetime
    reference: str | None


@dataclass(frozen=True)
class PageOpened:
    """A page (from 1) of a document (SHA-256) that was fetched by a signer for this task."""

    task: UUID
    document: str
    page: int
    at: datetime


@dataclass(frozen=True)
class PackageFacts:
    """What the hub knows of a contract that has ended, read in one transaction. `entries` is its whole record."""

    case: Case
    entries: Sequence[RecordEntry]
    versions: Sequence[Mapping[str, Any]]
    requests: Sequence[SignatureRequest]
    attempts: Sequence[Mapping[str, Any]]
    deliveries: Sequence[Delivery]
    ledger: Sequence[Mapping[str, Any]]
    identities: Sequence[IdentityResult]
    pages: Sequence[PageOpened]

    def signatures_of(self, party: Party) -> list[SignatureRequest]:
        """Return the signatures of this party that count, in the order in which they were prepared."""
        return [request for request in self.requests if request.task == party.task.id and request.counts]

    @property
    def seals(self) -> list[SignatureRequest]:
        return [request for request in self.requests if request.is_seal and request.counts]


def head_text(number: str, contract: UUID, entries: int, digest: bytes) -> str:
    """Return the statement of a record's head, which stands in the package and in the hash tree of its day."""
    return f"contract {number}\nid {contract}\nentries {entries}\nsha256 {digest.hex()}\n"


def next_try(now: datetime, tries: int) -> datetime:
    """Return when a package that could not be made is tried again."""
    return now + compute_backoff(tries)
