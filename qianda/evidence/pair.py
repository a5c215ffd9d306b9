"""Check two files together: an evidence package with its finished file, or with its addendum."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qianda.evidence.reasons import NO_PAIR
from qianda.verify.expectation import Expectation
from qianda.verify.findings import UnreadableDocument
from qianda.verify.guard import CheckCall, call_for_package, is_addendum, is_package


def order_pair(files: tuple[Path, Path]) -> tuple[Path, Path]:
    """Return the package first, regardless of the order of the arguments. Raises UnreadableDocument if the two files
    are not a package with its finished file or its addendum; OSError."""
    package, beside = sorted(sorted(files, key=is_addendum), key=is_package, reverse=True)
    if not is_package(package) or is_package(beside) != is_addendum(beside):
        raise UnreadableDocument(NO_PAIR)
    return package, beside


def call_for_pair(pair: tuple[Path, Path], trust_files: Sequence[Path], expected: Expectation) -> CheckCall:
    """Return the check of a pair in the order of `order_pair`. Its report is that of the package. Raises OSError."""
    package, beside = pair
    if is_package(beside):
        return CheckCall("qianda.evidence.package_check", "check_pair_files", pair, tuple(trust_files), expected)
    with beside.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if (expected.final_sha256 or sha256).lower() != sha256:
        sha256 = ""  # the file in the package cannot match both hashes
    return call_for_package(package, trust_files, replace(expected, final_sha256=sha256))
