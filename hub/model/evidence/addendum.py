"""EvidenceAddendum: what happened to a contract after version 1 of its evidence package was signed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from hub.model.evidence.record import RecordEntry

# Entries that are written when somebody reads a contract or exports its evidence. They justify no further addendum.
PASSING: Final = frozenset(
    {
        "evidence-made",
        "evidence-downloaded",
        "addendum-made",
        "viewed-by-staff",
        "read-by-staff",
        "downloaded-by-staff",
        "contact-revealed",
        "copy-opened",
        "copy-refused",
        "identity-checked",  # of a signer who came back to read the ended contract
    }
)


@dataclass(frozen=True)
class EvidenceAddendum:
    """An addendum, stored as the file with this SHA-256 (hex). `number`: counts from 1 for each contract; each addendum
    contains everything that the earlier ones contain. `entries`, `renewals`: how many entries the record had, and how
    many renewals the evidence record had, when the addendum was made. `revoked`: the names of the revocations that it
    contains."""

    contract: UUID
    number: int
    campus: str
    sha256: str
    size: int
    made_at: datetime
    entries: int
    renewals: int
    revoked: Sequence[str] = ()


@dataclass(frozen=True)
class UsedCertificate:
    """A certificate with which a contract was signed or sealed. `spki`: its public key. If the seal has another
    certificate by now, only `seal` is known: `spki` is empty, and `serial` is None."""

    field: str
    serial: int | None
    spki: bytes
    seal: UUID | None = None


@dataclass(frozen=True)
class RevokedSeal:
    """A seal that was revoked, whoever issued its certificates. `spki`: its public key."""

    id: UUID
    spki: bytes
    at: datetime


@dataclass(frozen=True)
class LaterRevocation:
    """A certificate with which the contract was signed or sealed, and which was revoked after the package was made."""

    field: str
    serial: int | None
    revoked_at: datetime
    reason: str

    @property
    def name(self) -> str:
        return f"{self.field}:{'' if self.serial is None else f'{self.serial:x}'}"


@dataclass(frozen=True)
class LaterFacts:
    """The facts that a package lacks. `package`: the SHA-256 of its version 1, and that of its signed manifest.
    `entries`: the entries after those in the package. `proof`: its current evidence record, or b""."""

    contract: UUID
    number: str
    package: tuple[str, str]
    entries: Sequence[RecordEntry]
    proof: bytes
    renewals: int
    before: EvidenceAddendum | None
    revocations: Sequence[LaterRevocation] = ()

    @property
    def is_new(self) -> bool:
        """Whether anything happened that is neither in the package nor in the previous addendum."""
        seen, renewed = (self.before.entries, self.before.renewals) if self.before else (0, 0)
        happened = any(each.sequence > seen and each.kind not in PASSING for each in self.entries)
        # Compare lists, not times: a certificate may be revoked while an addendum is being signed.
        revoked = {each.name for each in self.revocations} - set(self.before.revoked if self.before else ())
        return happened or bool(revoked) or self.renewals > renewed

    @property
    def addendum_number(self) -> int:
        return self.before.number + 1 if self.before else 1


def moment_read(attempts: Sequence[Mapping[str, Any]], made_at: datetime) -> datetime:
    """Return when the facts of a package were read: when the attempt to sign it began. `made_at`: when the package was
    stored. Pure."""
    done = (each for each in attempts if each["kind"] == "evidence" and each["ended_at"] == made_at)
    return min((each["started_at"] for each in done), default=made_at)


def later_revocations(
    used: Sequence[UsedCertificate],
    revoked: Mapping[int, tuple[datetime, str]],
    seals: Sequence[RevokedSeal],
    since: datetime,
) -> list[LaterRevocation]:
    """Return the certificates that were revoked after `since`. `revoked`: revocations by the built-in authority. Pure.

    A seal keeps its key when its certificate is renewed, so a revoked seal affects everything that its key signed.
    """
    found = []
    for each in used:
        of_seal = (seal.at for seal in seals if seal.id == each.seal or (each.spki and seal.spki == each.spki))
        ended = None if each.serial is None else revoked.get(each.serial)
        if ended is None and (at := next(of_seal, None)):
            ended = (at, "seal-revoked")
        if ended is not None and ended[0] > since:
            found.append(LaterRevocation(each.field, each.serial, *ended))
    return found


def revocations_text(revocations: Sequence[LaterRevocation]) -> bytes:
    """Return `revocations.json`. Pure."""
    lines = [
        {
            "field": each.field,
            "serial": "" if each.serial is None else f"{each.serial:x}",
            "revoked_at": each.revoked_at.astimezone(UTC).isoformat(timespec="seconds"),
            "reason": each.reason,
        }
        for each in revocations
    ]
    return json.dumps(lines, ensure_ascii=False, indent=1).encode() + b"\n"


def has_later_entries(entries: Sequence[RecordEntry]) -> bool:
    """Return whether the record has entries for an addendum, written after the evidence package was made. Pure."""
    made = next((each.sequence for each in entries if each.kind == "evidence-made"), None)
    return made is not None and any(each.sequence > made and each.kind not in PASSING for each in entries)


def addendum_head(facts: LaterFacts, made_at: datetime) -> bytes:
    """Return `addendum.json`, which says to which contract and package the addendum belongs. Pure."""
    head: Mapping[str, Any] = {
        "contract": str(facts.contract),
        "number": facts.number,
        "package_sha256": facts.package[0],
        "package_manifest_sha256": facts.package[1],
        "addendum": facts.addendum_number,
        "previous_addendum_sha256": facts.before.sha256 if facts.before else None,
        "entries_before": facts.entries[0].sequence - 1 if facts.entries else None,
        "made_at": made_at.astimezone(UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(head, ensure_ascii=False, indent=1).encode() + b"\n"
