"""An evidence record has few timestamps, and reads each file once, however often its hash trees were renewed."""

from __future__ import annotations

import hashlib
from collections import UserDict
from collections.abc import ItemsView

import pytest

from hub.documents.evidence.hash_tree import (
    evidence_record,
    group_leaf,
    last_timestamp_digest,
    renewed_digests,
    with_renewed_timestamp,
    with_renewed_tree,
)
from qianda.evidence.evidence_record import MAX_TIMESTAMPS, check_evidence_record
from qianda.evidence.reasons import BadPackage
from tests.evidence.small_package import SmallPackage

FILE = b"a file"


class CountedFiles(UserDict[str, bytes]):
    """Files that count how often all of them are read."""

    reads = 0

    def items(self) -> ItemsView[str, bytes]:
        self.reads += 1
        return super().items()


async def first_record(package: SmallPackage) -> bytes:
    digest = hashlib.sha256(FILE).digest()
    return evidence_record([digest], [], await package.pki.timestamps.timestamp(group_leaf([digest])))


async def test_a_record_has_few_timestamps(package: SmallPackage) -> None:
    record = await first_record(package)
    for _ in range(MAX_TIMESTAMPS - 1):
        token = await package.pki.timestamps.timestamp(last_timestamp_digest(record))
        record = with_renewed_timestamp(record, token)
    assert check_evidence_record(record, {"file": FILE}).renewals == MAX_TIMESTAMPS - 1
    token = await package.pki.timestamps.timestamp(last_timestamp_digest(record))
    with pytest.raises(BadPackage, match="cannot be read"):
        check_evidence_record(with_renewed_timestamp(record, token), {"file": FILE})


async def test_files_are_read_once_for_each_algorithm(package: SmallPackage) -> None:
    record, files = await first_record(package), CountedFiles({"file": FILE})
    for algorithm in ("sha512", "sha512", "sha512"):
        digests = renewed_digests(record, [FILE], algorithm)
        token = await package.pki.timestamps.timestamp(group_leaf(digests, algorithm))
        record = with_renewed_tree(record, digests, algorithm, token)
    assert check_evidence_record(record, files).renewals == 3
    assert files.reads == 2
