"""Build a hash tree over many leaves, and evidence records from it. RFC 4998, 4.2 and 5.2 (renewal).

A node is the hash (SHA-256 at first) of its two children in ascending order. If a level has an odd number of nodes, its
last node is also a node of the next level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from qianda.evidence.record_form import EvidenceRecord, combine

ALGORITHM = "sha256"


class HashTree:
    """All levels of the tree over these leaves. `algorithm`: the hash function. Raises ValueError without leaves."""

    def __init__(self, leaves: Sequence[bytes], algorithm: str = ALGORITHM) -> None:
        if not leaves:
            raise ValueError("a hash tree needs a leaf")
        self._levels = [list(leaves)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            paired = [combine(algorithm, below[at : at + 2]) for at in range(0, len(below), 2)]
            self._levels.append(paired)

    @property
    def root(self) -> bytes:
        return self._levels[-1][0]

    def path(self, leaf: int) -> list[bytes]:
        """Return the sibling nodes on the way from this leaf, given by its number, to the root."""
        neighbours = []
        for level in self._levels[:-1]:
            beside = leaf ^ 1
            if beside < len(level):
                neighbours.append(level[beside])
            leaf >>= 1
        return neighbours


def group_leaf(digests: Sequence[bytes], algorithm: str = ALGORITHM) -> bytes:
    """Return the leaf of a group of files, given their hashes."""
    return combine(algorithm, list(digests))


def evidence_record(digests: Sequence[bytes], path: Sequence[bytes], timestamp: bytes) -> bytes:
    """Return the evidence record (DER) of a group of files. `timestamp`: the token over the root of the tree."""
    archived = {
        "digest_algorithm": {"algorithm": ALGORITHM},
        "reduced_hashtree": [sorted(digests), *([neighbour] for neighbour in path)],
        "time_stamp": _content_info(timestamp),
    }
    return _encoded([ALGORITHM], [[archived]])


def with_renewed_timestamp(record: bytes, timestamp: bytes, path: Sequence[bytes] = ()) -> bytes:
    """Return the record with another timestamp over its last one (RFC 4998, 5.2, "timestamp renewal").

    `path`: the sibling nodes on the way from `last_timestamp_digest` to the root that the timestamp covers.
    """
    chains, algorithms = _chains_of(record)
    renewed: dict[str, Any] = {"digest_algorithm": {"algorithm": algorithms[-1]}}
    if path:
        renewed["reduced_hashtree"] = [[last_timestamp_digest(record)], *([neighbour] for neighbour in path)]
    chains[-1].append(renewed | {"time_stamp": _content_info(timestamp)})
    return _encoded(algorithms, chains)


def last_timestamp_digest(record: bytes) -> bytes:
    """Return the digest that the timestamp for `with_renewed_timestamp` has to cover, by the last chain's algorithm."""
    read = EvidenceRecord.load(record, strict=True)
    newest = read["archive_time_stamp_sequence"][-1][-1]
    return timestamp_digest(newest["time_stamp"].dump(), str(read["digest_algorithms"][-1]["algorithm"].native))


def timestamp_digest(token: bytes, algorithm: str) -> bytes:
    """Return the leaf for a timestamp that is to be renewed."""
    return hashlib.new(algorithm, token).digest()


def renewed_digests(record: bytes, files: Sequence[bytes], algorithm: str) -> list[bytes]:
    """Return the group for renewing the whole tree with another hash function (RFC 4998, 5.3): for each file, a hash of
    the file and of all its earlier proofs."""
    above = EvidenceRecord.load(record, strict=True)["archive_time_stamp_sequence"].dump()
    proven = hashlib.new(algorithm, above).digest()
    return [hashlib.new(algorithm, hashlib.new(algorithm, file).digest() + proven).digest() for file in files]


def with_renewed_tree(
    record: bytes, digests: Sequence[bytes], algorithm: str, timestamp: bytes, path: Sequence[bytes] = ()
) -> bytes:
    """Return the record with a new chain over `digests` (`renewed_digests`).

    `path`: the sibling nodes on the way from their group hash to the root that `timestamp` covers.
    """
    chains, algorithms = _chains_of(record)
    archived = {
        "digest_algorithm": {"algorithm": algorithm},
        "reduced_hashtree": [sorted(digests), *([neighbour] for neighbour in path)],
        "time_stamp": _content_info(timestamp),
    }
    return _encoded(list(dict.fromkeys([*algorithms, algorithm])), [*chains, [archived]])


def _chains_of(record: bytes) -> tuple[list[list[Any]], list[str]]:
    read = EvidenceRecord.load(record, strict=True)
    chains = [list(chain) for chain in read["archive_time_stamp_sequence"]]
    return chains, [str(each["algorithm"].native) for each in read["digest_algorithms"]]


def _content_info(timestamp: bytes) -> Any:
    from asn1crypto import cms

    return cms.ContentInfo.load(timestamp, strict=True)


def _encoded(algorithms: Sequence[str], chains: Sequence[Sequence[Any]]) -> bytes:
    record = EvidenceRecord(
        {
            "version": 1,
            "digest_algorithms": [{"algorithm": algorithm} for algorithm in algorithms],
            "archive_time_stamp_sequence": [list(chain) for chain in chains],
        }
    )
    encoded: bytes = record.dump()
    return encoded
