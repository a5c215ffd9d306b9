"""EvidencePackage: one version of a contract's package, and the facts that the first version is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from hub.content_hash import hash_content
from hub.model.contract.case import Case, Party
from hub.model.contract.contract import compute_backoff
from hub.model.evidence.record import RecordEntry
from hub.model.messaging.delivery import Delivery
from hub.model.signing.signature_request import SignatureRequest

FIRST_VERSION: Final = 1
# If the first job ends without a package, another one follows after this time. For later delays, see `next_try`.
PACKAGE_RETRY: Final = timedelta(minutes=1)
# Only this many of a file's first bytes are searched for in a package: a search for all of them would take longer than
# hashing them.
_SEARCHED: Final = 1024


@dataclass(frozen=True)
class EvidencePackage:
    """A version of a package, identified by its SHA-256 (hex). Version 1 is signed; later versions only add to it.

    `leaf`: the hash of all items of version 1 as a group, which is a leaf in the hash tree of a day. `file`: SHA-256 of
    the stored file with the bytes that only this version has; `pieces`: how to assemble the version from stored files,
    None if `file` is all of it. `renewals`: how many timestamps its evidence record has after the first.
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
    """A package, without the bytes that another stored file contains. `own`: the remaining bytes, to be stored as
    `file` (their SHA-256, hex). `pieces`: how to assemble the package."""

    own: bytes
    file: str
    pieces: Sequence[Mapping[str, Any]] | None


def piece(file: str, start: int, length: int) -> dict[str, Any]:
    """Return a piece of a package: `length` bytes, from `start`, of the stored file with the SHA-256 `file`."""
    return {"file": file, "start": start, "length": length}


def leave_out(package: bytes, stored: bytes) -> PackageParts:
    """Return the parts of a package that contains this stored file. Pure. Raises ValueError if it does not."""
    start, length = package.index(stored[:_SEARCHED]), len(stored)
    if not package.startswith(stored, start):
        raise ValueError("the package does not contain this file")
    own = package[:start] + package[start + length :]
    file, inside = hashlib.sha256(own).hexdigest(), hash_content(stored).hexdigest()
    pieces = [piece(file, 0, start), piece(inside, 0, length), piece(file, start, len(own) - start)]
    return PackageParts(own, file, pieces)


def parts_with_tail(first: EvidencePackage, length: int, tail: bytes) -> PackageParts:
    """Return the parts of a version that consists of the first `length` bytes of version 1 and of `tail`. Pure."""
    before, left = [], length
    for one in first.pieces or [piece(first.file, 0, first.size)]:
        if left > 0:
            before.append({**one, "length": min(one["length"], left)})
            left -= one["length"]
    file = hashlib.sha256(tail).hexdigest()
    return PackageParts(tail, file, [*before, piece(file, 0, len(tail))])


@dataclass(frozen=True)
class IdentityResult:
    """The result of a signer's identity check. What the signer entered is not kept."""

    signer: UUID
    provider: str
    method: str
    result: str
    at: datetime
    reference: str | None


@dataclass(frozen=True)
class PageOpened:
    """A page (from 1) of a document (SHA-256), which a signer fetched for this task."""

    task: UUID
    document: str
    page: int
    at: datetime


@dataclass(frozen=True)
class PackageFacts:
    """Everything that the hub knows about an ended contract, read in one transaction. `entries`: its whole record."""

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
        """Return the valid signatures of this party, in the order in which they were prepared."""
        return [request for request in self.requests if request.task == party.task.id and request.counts]

    @property
    def seals(self) -> list[SignatureRequest]:
        return [request for request in self.requests if request.is_seal and request.counts]


def head_text(number: str, contract: UUID, entries: int, digest: bytes) -> str:
    """Return the text that states the head of a record. The package and the hash tree of the day contain it."""
    return f"contract {number}\nid {contract}\nentries {entries}\nsha256 {digest.hex()}\n"


def next_try(now: datetime, tries: int) -> datetime:
    """Return when to try again to make a package, after this number of failed tries."""
    return now + compute_backoff(tries)
