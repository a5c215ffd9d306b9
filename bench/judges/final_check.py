"""Run the hub's own check of a finished file, which comes before its contract is completed."""

from __future__ import annotations

import hashlib

from bench.pieces.school import GUARDIAN, BenchSchool
from bench.pieces.stock import SEAL
from bench.pieces.trials import Work
from hub.documents.pades.check import Expected, ExpectedSignature, check_finished_file
from qianda.verify.cms_check import check_detached
from qianda.verify.pdf.signed_file import SignedFile


def quick_check(school: BenchSchool, issued: bytes, final: bytes) -> Work:
    """Return the quick check of a file with the guardian's signature and the seal. The values that would be in the
    database are read from the file."""
    signed = {signature.name: signature for signature in SignedFile(final).signatures}

    def expected(field: str) -> ExpectedSignature:
        signature = signed[field]
        start, length, resume, rest = signature.byte_range
        covered = final[start : start + length] + final[resume : resume + rest]
        checked = check_detached(signature.contents, lambda name: hashlib.new(name, covered).digest())
        return ExpectedSignature(field, checked.encoded_certificate, checked.signature)

    signatures = [expected(GUARDIAN), expected(SEAL)]
    certificates = frozenset([*school.seal.chain, *(each.certificate for each in signatures)])
    known = Expected(
        hashlib.sha256(issued).hexdigest(),
        len(issued),
        signatures,
        certificates,
        frozenset(school.timestamps.certificates),
    )

    async def check() -> None:
        check_finished_file(final, known)

    return check
