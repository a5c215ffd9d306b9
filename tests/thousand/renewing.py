"""Packages around finished files, whose evidence record is renewed once, shortly before its certificate runs out.

All is done by the product's own steps: package, hash tree over the packages, and a second timestamp over the first.
"""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import pem

from bench.pieces.evidence import items_around
from hub.documents.evidence.container import covered_items, with_proofs
from hub.documents.evidence.hash_tree import (
    HashTree,
    evidence_record,
    group_leaf,
    last_timestamp_digest,
    with_renewed_timestamp,
)
from hub.timestamps.builtin import BuiltinTimestamps
from hub.tokens.softkey import SoftKey
from qianda.verify.trust import Trust
from tests.evidence.dss import faults, judged, write_trust
from tests.evidence.small_package import package_of
from tests.judges import program
from tests.signing_parts import Pki

# The certificate of the built-in timestamp service is for ten years.
UNTIL_RENEWAL = timedelta(days=3650 - 100)
FIFTEEN_YEARS = timedelta(days=15 * 365)
# Checks packages as `qianda verify` does, in one process for all of them: what it prints is name, failed, run out.
CHECK = """
import sys
from pathlib import Path
from qianda.evidence.package_check import check_package_file
from qianda.evidence.package_report import as_json
from qianda.verify.trust import Trust
trust = Trust.load([Path(sys.argv[1])])
for path in map(Path, sys.argv[2:]):
    said = as_json(check_package_file(path, trust))
    print(path.name, said["failed"], "ran out at" in str(said["verdict"]))
"""


@dataclass
class YearsLater:
    """The time of day, and later by `ahead`."""

    ahead: timedelta = field(default=timedelta())

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True)
class RenewedShare:
    """Packages of one authority. `proven`: as they were; `renewed`: with a second timestamp. `trust`: PEM, both
    timestamp services in it."""

    trust: Path
    lists: list[bytes]
    proven: list[Path]
    renewed: list[Path]


async def renewed_packages(
    folder: Path, maker: tuple[Pki, YearsLater], finals: Mapping[Path, Sequence[str]]
) -> RenewedShare:
    """Make a package of each file, with its proof and its renewal. `finals`: the fields of the signers of each."""
    pki, clock = maker
    crl = await pki.authority.revocation_list([])
    trust = Trust.load([pki.write_trust(folder / "first.pem")])
    firsts = {}
    for path, fields in finals.items():
        items = await asyncio.to_thread(items_around, path.read_bytes(), trust, crl, fields)
        firsts[path] = await package_of(items, pki)
    digests = {
        path: [hashlib.sha256(content).digest() for content in covered_items(first).values()]
        for path, first in firsts.items()
    }
    tree = HashTree([group_leaf(each) for each in digests.values()])
    token = await pki.timestamps.timestamp(tree.root)
    records = [evidence_record(each, tree.path(number), token) for number, each in enumerate(digests.values())]
    clock.ahead += UNTIL_RENEWAL
    key = SoftKey.generate("tsa")
    later = BuiltinTimestamps(key, (await pki.authority.enrol_timestamp(key.spki)).chain, clock)
    renewal = await later.timestamp(last_timestamp_digest(records[0]))  # one tree has one timestamp: it renews them all
    certificates = [pki.authority.root, pki.timestamps.certificates[0], later.certificates[0]]
    both = folder / "renewed.pem"
    both.write_bytes(b"".join(pem.armor("CERTIFICATE", each) for each in certificates))
    share = RenewedShare(both, [crl], [], [])
    for (path, first), record in zip(firsts.items(), records, strict=True):
        kinds = {"proven": record, "renewed": with_renewed_timestamp(record, renewal)}
        for made, (kind, each) in zip((share.proven, share.renewed), kinds.items(), strict=True):
            made.append(path.with_name(f"{path.stem}-{kind}.asice"))
            made[-1].write_bytes(with_proofs(first, [each], clock()))
    return share


def by_us(share: RenewedShare) -> list[str]:
    """Check all packages fifteen years later. Return what is not as it should be: those that were not renewed have run
    out by then, and are told so."""
    files = (*share.proven, *share.renewed)
    moved = (program("faketime"), "-f", f"+{FIFTEEN_YEARS.days}d", sys.executable, "-c", CHECK)
    done = subprocess.run([*moved, share.trust, *files], capture_output=True, text=True, check=False)
    wanted = {f"{path.name} False {path in share.proven}" for path in files}
    return sorted(wanted - set(done.stdout.splitlines()))


def by_dss(share: RenewedShare) -> list[str]:
    """Have EU DSS judge the renewed packages fifteen years later. Return what it does not accept."""
    trust = write_trust(share.trust.with_name("dss"), share.trust.read_bytes(), share.lists)
    return faults(judged(trust, share.renewed, at=datetime.now(UTC) + FIFTEEN_YEARS))
