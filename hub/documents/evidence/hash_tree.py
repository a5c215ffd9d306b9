"""Build a hash tree over many leaves, and evidence records from it. RFC 4998, 4.2 and 5.2 (renewal).

A node is the hash (SHA-256 at first) of its two children in ascending order. If a level has an odd number of nodes, its
last node is also a node of the next level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from asn1crypto import algos, cms

from qianda import der
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
    return _encoded([ALGORITHM], [[_archived(ALGORITHM, [sorted(digests), *([each] for each in path)], timestamp)]])


def with_renewed_timestamp(record: bytes, timestamp: bytes, path: Sequence[bytes] = ()) -> bytes:
    """Return the record with another timestamp over its last one (RFC 4998, 5.2, "timestamp renewal").

    `path`: the sibling nodes on the way from `last_timestamp_digest` to the root that the timestamp covers.
    """
    chains, algorithms = _chains_of(record)
    groups = [[last_timestamp_digest(record)], *([each] for each in path)] if path else []
    chains[-1].append(_archived(algorithms[-1], groups, timestamp))
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
    archived = _archived(algorithm, [sorted(digests), *([each] for each in path)], timestamp)
    return _encoded(list(dict.fromkeys([*algorithms, algorithm])), [*chains, [archived]])


def _chains_of(record: bytes) -> tuple[list[list[bytes]], list[str]]:
    """Return the chains of archive timestamps as they are encoded, and the names of the record's algorithms."""
    read = EvidenceRecord.load(record, strict=True)
    chains = [[each.dump() for each in chain] for chain in read["archive_time_stamp_sequence"]]
    return chains, [str(each["algorithm"].native) for each in read["digest_algorithms"]]


# Encoded by hand: asn1crypto would encode all the tokens in a record anew, which takes longer with each of them.


def _archived(algorithm: str, groups: Sequence[Sequence[bytes]], timestamp: bytes) -> bytes:
    """Return an archive timestamp. `groups`: its hash tree, reduced to the way to the root; empty without a tree."""
    name = der.encode(0xA0, algos.DigestAlgorithm({"algorithm": algorithm}).contents)
    nodes = [_sequence(*(der.encode(der.OCTET_STRING, each) for each in group)) for group in groups]
    tree = der.encode(0xA2, b"".join(nodes)) if nodes else b""
    return _sequence(name, tree, cms.ContentInfo.load(timestamp, strict=True).dump())


def _encoded(algorithms: Sequence[str], chains: Sequence[Sequence[bytes]]) -> bytes:
    named = (algos.DigestAlgorithm({"algorithm": each}).dump() for each in algorithms)
    listed = _sequence(*(_sequence(*chain) for chain in chains))
    return _sequence(der.encode(der.INTEGER, b"\1"), _sequence(*named), listed)


def _sequence(*parts: bytes) -> bytes:
    return der.encode(der.SEQUENCE, b"".join(parts))
