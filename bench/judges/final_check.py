"""Run the hub's own check of a finished file, which comes before its contract is completed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from bench.pieces.school import GUARDIAN, BenchSchool
from bench.pieces.stock import SEAL
from bench.pieces.trials import Work
from hub.documents.pades.check import Expected, ExpectedSignature, check_finished_file
from qianda.verify.cms_check import check_detached
from qianda.verify.pdf.signed_file import SignedFile


def quick_check(school: BenchSchool, contracts: Sequence[tuple[bytes, bytes]]) -> Work:
    """Return the quick check of files with the guardian's signature and the seal, of the next one in each run.

    `contracts`: each as it was issued and as it was finished. No file is checked twice, because the check remembers
    small objects that it has read. What would be in the database is read from the files beforehand.
    """
    waiting = iter([(final, _expected(school, issued, final)) for issued, final in contracts])

    async def check() -> None:
        check_finished_file(*next(waiting))

    return check


def _expected(school: BenchSchool, issued: bytes, final: bytes) -> Expected:
    signed = {signature.name: signature for signature in SignedFile(final).signatures}

    def expected(field: str) -> ExpectedSignature:
        signature = signed[field]
        start, length, resume, rest = signature.byte_range
        covered = final[start : start + length] + final[resume : resume + rest]
        checked = check_detached(signature.contents, lambda name: hashlib.new(name, covered).digest())
        return ExpectedSignature(field, checked.encoded_certificate, checked.signature)

    signatures = [expected(GUARDIAN), expected(SEAL)]
    certificates = frozenset([*school.seal.chain, *(each.certificate for each in signatures)])
    return Expected(
        hashlib.sha256(issued).hexdigest(),
        len(issued),
        signatures,
        certificates,
        frozenset(school.timestamps.certificates),
    )
