"""Proofs of OpenTimestamps are followed exactly, and what is none is refused."""

from __future__ import annotations

import hashlib

import pytest

from hub.notaries.ots_proof import BITCOIN, MAGIC, PENDING, NotOtsProof, ProofReader, proof_file, read_proof_file

DIGEST = hashlib.sha256(b"root").digest()
PROMISE = b"\x00" + PENDING + b"\x04\x03uri"


def test_a_way_with_a_fork_is_followed_to_each_end() -> None:
    block = b"\xf0\x01b\x08\x00" + BITCOIN + b"\x03\xa0\xd6\x32"
    promise, found = read_proof_file(DIGEST, proof_file(DIGEST, b"\xf1\x01a\x08\xff" + PROMISE + block))
    middle = hashlib.sha256(b"a" + DIGEST).digest()
    assert (promise.tag, promise.message, promise.payload) == (PENDING, middle, b"\x03uri")
    assert (found.tag, found.message) == (BITCOIN, hashlib.sha256(middle + b"b").digest())
    assert found.height == 830240


@pytest.mark.parametrize(
    "proof",
    [
        b"",
        b"\x08",
        PROMISE[:-1],
        PROMISE + b"\x00",
        b"\xff" + PROMISE,
        b"\xf0\x00" + PROMISE,
        b"\x02" + PROMISE,  # SHA-1
        b"\x67" + PROMISE,
        b"\x08" * 300 + PROMISE,
        (b"\xff" + PROMISE) * 300 + PROMISE,
        b"\xf0" + b"\xff" * 9 + b"\x01" + PROMISE,
        b"\x00" + PENDING + b"\xff\x7f" + b"x" * 16383,
    ],
    ids=lambda proof: proof[:12].hex() or "empty",
)
def test_what_is_no_proof_is_refused(proof: bytes) -> None:
    with pytest.raises(NotOtsProof):
        ProofReader(proof).attestations(DIGEST)


def test_a_file_about_something_else_is_refused() -> None:
    file = proof_file(DIGEST, PROMISE)
    for wrong in (proof_file(bytes(32), PROMISE), file[1:], MAGIC + b"\x02" + file[len(MAGIC) + 1 :]):
        with pytest.raises(NotOtsProof):
            read_proof_file(DIGEST, wrong)
