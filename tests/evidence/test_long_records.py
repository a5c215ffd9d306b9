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
from hub.timestamps.rfc3161 import MAX_ANSWER_BYTES
from qianda.evidence.evidence_record import MAX_RECORD_BYTES, MAX_TIMESTAMPS, check_evidence_record
from qianda.evidence.reasons import BadPackage
from qianda.evidence.record_form import combine
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


async def test_a_record_is_as_long_as_its_timestamps_may_be(package: SmallPackage) -> None:
    """A service may answer with 64 KiB, so 64 timestamps have 4 MiB."""

    async def record(size: int) -> bytes:
        digest, beside = hashlib.sha256(FILE).digest(), bytes(size)
        root = combine("sha256", [digest, beside])
        return evidence_record([digest], [beside], await package.pki.timestamps.timestamp(root))

    assert MAX_RECORD_BYTES > MAX_TIMESTAMPS * MAX_ANSWER_BYTES
    long = await record(MAX_RECORD_BYTES - (4 << 10))
    assert check_evidence_record(long, {"file": FILE}).renewals == 0
    with pytest.raises(BadPackage, match="cannot be read"):
        check_evidence_record(await record(MAX_RECORD_BYTES), {"file": FILE})


async def test_files_are_read_once_for_each_algorithm(package: SmallPackage) -> None:
    record, files = await first_record(package), CountedFiles({"file": FILE})
    for algorithm in ("sha512", "sha512", "sha512"):
        digests = renewed_digests(record, [FILE], algorithm)
        token = await package.pki.timestamps.timestamp(group_leaf(digests, algorithm))
        record = with_renewed_tree(record, digests, algorithm, token)
    assert check_evidence_record(record, files).renewals == 3
    assert files.reads == 2
