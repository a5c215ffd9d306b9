"""Compare the ledgers of the authority, the timestamp service and the token with the finished files. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.judges.finished import Finished, SignedDigest, Stamp


@dataclass(frozen=True)
class Ledgers:
    """The ledgers of the outside services. `issued`: serial numbers of certificates, with the purpose of each.
    `signed`: hash and signature of every use of the seal key, in order."""

    issued: dict[str, str]
    stamped: Sequence[Stamp]
    signed: Sequence[tuple[str, str]]

    @classmethod
    def read(cls, authority: Path, timestamps: Path, seal: Path) -> Ledgers:
        issued = {each["serial"]: each["purpose"] for each in _lines(authority, "issued")}
        stamped = [Stamp(each["imprint"], each["serial"]) for each in _lines(timestamps, "stamped")]
        return cls(issued, stamped, [(each["digest"], each["signature_sha256"]) for each in _lines(seal, "signed")])

    def is_seal(self, signature: SignedDigest) -> bool:
        return self.issued.get(signature.certificate) == "seal"


@dataclass(frozen=True)
class SignedPackages:
    """The signatures of the evidence packages, and the number of other packages that were begun; each may have used a
    signature."""

    signatures: Sequence[SignedDigest] = ()
    begun: int = 0


NO_PACKAGES = SignedPackages()


def judge_files(
    finished: Sequence[Finished], ledgers: Ledgers, packages: SignedPackages = NO_PACKAGES
) -> dict[str, float]:
    """Return counts that compare the files with the ledgers.

    `sealed_twice` also counts hashes that the token signed and no file contains, since the token must always receive
    the same bytes for a contract. A package that a kill interrupted is made again, so as many of these hashes are
    allowed as packages were interrupted.

    `…_not_in_ledger`: values in a file that no service issued. `…_in_vain`: values that a service issued and no file
    contains, because the reply was lost or reached a process that was killed.
    """
    signatures = [each for file in finished for each in file.signatures]
    seals = [each for each in signatures if ledgers.is_seal(each)]
    stamps = [each for file in finished for each in file.stamps]
    used = {(each.digest, each.signature_sha256) for each in (*seals, *packages.signatures)}
    kept = {each.digest for each in (*seals, *packages.signatures)}
    elsewhere = {digest for digest, _ in ledgers.signed} - kept
    persons = {serial for serial, purpose in ledgers.issued.items() if purpose == "person"}
    embedded = {each.certificate for each in signatures}
    return {
        "sealed_twice": _sealed_twice(finished, seals, ledgers) + max(0, len(elsewhere) - packages.begun),
        "packages": len(packages.signatures),
        "packages_in_vain": len(elsewhere),
        "seals_not_in_ledger": len(used - set(ledgers.signed)),
        "timestamps_not_in_ledger": len(set(stamps) - set(ledgers.stamped)),
        "certificates_not_in_ledger": len(embedded - ledgers.issued.keys()),
        "seals": len(ledgers.signed),
        "seals_in_vain": len(ledgers.signed) - len(used & set(ledgers.signed)),
        "timestamps": len(ledgers.stamped),
        "timestamps_in_vain": len(set(ledgers.stamped) - set(stamps)),
        "certificates": len(persons),
        "certificates_in_vain": len(persons - embedded),
    }


def is_sealed_once(file: Finished, ledgers: Ledgers) -> bool:
    return sum(ledgers.is_seal(each) for each in file.signatures) == 1


def _sealed_twice(finished: Sequence[Finished], seals: Sequence[SignedDigest], ledgers: Ledgers) -> int:
    """Count seals after the first in a file, and seals that occur in two files."""
    in_file = sum(max(0, sum(map(ledgers.is_seal, file.signatures)) - 1) for file in finished)
    times = Counter(each.digest for each in seals)
    return in_file + sum(count - 1 for count in times.values())


def _lines(path: Path, what: str) -> Iterable[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["what"] == what:
            yield entry
