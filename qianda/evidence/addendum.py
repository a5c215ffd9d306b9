"""Check an addendum against its evidence package: it may contain only facts from after the package was signed.

It is a separate container with the school's seal. It names the package by the hash of its signed manifest, which all
versions of a package share, and continues the record from the package's last entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qianda.evidence import reasons
from qianda.evidence.container import MIMETYPE, PROOF_ITEMS, SIGNED_MANIFEST, AsicContainer
from qianda.evidence.contents import HEAD, RECORD, check_hashes
from qianda.evidence.evidence_record import ProvenFiles, check_evidence_record
from qianda.evidence.reasons import BadPackage
from qianda.evidence.signer import PackageSigner, check_proof, check_signer
from qianda.strict_json import read_json
from qianda.verify.trust import Trust

ADDENDUM: Final = "addendum.json"
REVOCATIONS: Final = "revocations.json"
LATER_PROOF: Final = "proof/evidencerecord.ers"


@dataclass(frozen=True)
class LaterEntry:
    """An entry of the record that is later than the package."""

    sequence: int
    at: str
    kind: str


@dataclass(frozen=True)
class AddendumReport:
    """The verifier's report on an addendum. `proof`: the evidence record in it, over the items of the package.
    `revocations`: the certificates that were revoked since, by field."""

    number: int
    signer: PackageSigner
    entries: Sequence[LaterEntry]
    proof: ProvenFiles | None
    revocations: Sequence[Mapping[str, str]] = ()


def check_addendum(package: AsicContainer, addendum: AsicContainer, trust: Trust) -> AddendumReport:
    """Check an addendum against a package that is already checked. Raises BadPackage.

    Runs an event loop: call it where none is running.
    """
    signer = check_signer(addendum, trust)
    try:
        head: dict[str, Any] = read_json(addendum.items[ADDENDUM])
        check_hashes(addendum.items)
        if head["package_manifest_sha256"] != hashlib.sha256(package.items[SIGNED_MANIFEST]).hexdigest():
            raise BadPackage(reasons.ADDENDUM_OF_ANOTHER)
        entries = _entries(package.items, addendum.items) if RECORD in addendum.items else []
        proof = _proof(package.items, addendum.items, trust) if LATER_PROOF in addendum.items else None
        revocations = [
            {name: str(each[name]) for name in ("field", "serial", "revoked_at", "reason")}
            for each in read_json(addendum.items.get(REVOCATIONS, b"[]"))
        ]
        return AddendumReport(int(head["addendum"]), signer, entries, proof, revocations)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadPackage(reasons.NO_ADDENDUM.about(what=reasons.MALFORMED)) from error


def _entries(package: Mapping[str, bytes], addendum: Mapping[str, bytes]) -> list[LaterEntry]:
    """Return the later entries. The first has to follow the package's last entry, each later one its predecessor."""
    number, identity, entries, digest = _read_head(package[HEAD])
    previous, sequence, found = digest, entries, []
    for line in addendum[RECORD].decode().removesuffix("\n").split("\n"):
        entry, sequence = read_json(line), sequence + 1
        if (entry["previous"], entry["sequence"], entry["contract"]) != (previous, sequence, identity):
            raise BadPackage(reasons.CHAIN_BROKEN.about(entry=sequence))
        previous = hashlib.sha256(line.encode()).hexdigest()
        found.append(LaterEntry(sequence, str(entry["at"]), str(entry["kind"])))
    if _read_head(addendum[HEAD]) != (number, identity, sequence, previous):
        raise BadPackage(reasons.HEAD_WRONG)
    return found


def _read_head(text: bytes) -> tuple[str, str, int, str]:
    """Return the number, the id, the count of entries, and the digest of the last one."""
    lines = dict(line.split(" ", 1) for line in text.decode().splitlines())
    return lines["contract"], lines["id"], int(lines["entries"]), lines["sha256"]


def _proof(package: Mapping[str, bytes], addendum: Mapping[str, bytes], trust: Trust) -> ProvenFiles:
    covered = {name: each for name, each in package.items() if name not in (MIMETYPE, *PROOF_ITEMS)}
    proof = check_evidence_record(addendum[LATER_PROOF], covered)
    check_proof(proof, trust)
    return proof
