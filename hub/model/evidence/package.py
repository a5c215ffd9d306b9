"""EvidencePackage: one version of a contract's package, and the facts that the first version is made of."""

from __future__ import annotations

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
    """A version of a package, stored under its SHA-256 (hex). Version 1 is signed; later ones only add to it.

    `leaf`: the hash of all items of version 1 as a group, which stands in the hash tree of a day.
    """

    contract: UUID
    version: int
    campus: str
    sha256: str
    size: int
    leaf: bytes
    made_at: datetime


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
