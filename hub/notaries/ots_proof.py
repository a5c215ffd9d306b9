"""Read and write proofs of OpenTimestamps: a path of hashes from a digest to an attestation, and the file format
`.ots`.

Only the operations of calendars and Bitcoin are read: sha256, append, prepend. All others are refused. Source: the
reference implementation, python-opentimestamps (`core/timestamp.py`, `core/op.py`, `core/notary.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAGIC: Final = b"\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94"
VERSION: Final = 1
SHA256, APPEND, PREPEND, ATTESTATION, FORK = 0x08, 0xF0, 0xF1, 0x00, 0xFF
PENDING: Final = bytes.fromhex("83dfe30d2ef90c8e")
BITCOIN: Final = bytes.fromhex("0588960d73d71901")
MAX_ARGUMENT: Final = 4096
MAX_PAYLOAD: Final = 8192
# The most steps of a whole proof, so that a long one cannot keep the hub busy.
MAX_STEPS: Final = 256


class NotOtsProof(ValueError):
    """The bytes are not a proof of OpenTimestamps, or not for this digest."""


@dataclass(frozen=True)
class AttestedDigest:
    """An attestation. `message`: the attested value at the end of the path; `tag`: PENDING, BITCOIN or another."""

    message: bytes
    tag: bytes
    payload: bytes

    @property
    def height(self) -> int:
        """Return the height of the Bitcoin block whose tree has `message` as its root."""
        reader = ProofReader(self.payload)
        return reader.number()


class ProofReader:
    """A reader of a proof. Its methods raise NotOtsProof."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._steps = data, 0, 0

    def attestations(self, digest: bytes) -> list[AttestedDigest]:
        """Return the attestations at the end of each path from this digest. The proof has to fill the data exactly."""
        found = list(self._follow(digest))
        if self._at != len(self._data) or not found:
            raise NotOtsProof("the proof leads nowhere, or something follows it")
        return found

    def file_head(self) -> bytes:
        """Read the head of an `.ots` file and return the digest (SHA-256) that it is about."""
        if self.take(len(MAGIC)) != MAGIC or self.number() != VERSION or self.take(1)[0] != SHA256:
            raise NotOtsProof("no proof of OpenTimestamps over a SHA-256")
        return self.take(32)

    def _follow(self, message: bytes) -> Iterator[AttestedDigest]:
        while True:
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise NotOtsProof("the proof is too long")
            tag = self.take(1)[0]
            if tag == FORK:
                yield from self._follow(message)  # one branch, which ends with its own attestation
                continue
            if tag == ATTESTATION:
                yield AttestedDigest(message, self.take(8), self.text(MAX_PAYLOAD))
                return
            message = self._operate(tag, message)

    def _operate(self, tag: int, message: bytes) -> bytes:
        if tag == SHA256:
            return hashlib.sha256(message).digest()
        if tag not in (APPEND, PREPEND):
            raise NotOtsProof(f"an operation {tag:#04x} that is not read here")
        argument = self.text(MAX_ARGUMENT)
        longer = message + argument if tag == APPEND else argument + message
        if not argument or len(longer) > MAX_ARGUMENT:
            raise NotOtsProof("an operation without, or with a long argument")
        return longer

    def number(self) -> int:
        """Read an unsigned number: seven bits in each byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            if (shift := shift + 7) > 56:
                raise NotOtsProof("a number that is too large")

    def text(self, limit: int) -> bytes:
        if (length := self.number()) > limit:
            raise NotOtsProof("a part that is too long")
        return self.take(length)

    def take(self, length: int) -> bytes:
        if self._at + length > len(self._data):
            raise NotOtsProof("the proof is cut short")
        self._at += length
        return self._data[self._at - length : self._at]


def proof_file(digest: bytes, proof: bytes) -> bytes:
    """Return a proof as an `.ots` file, which all OpenTimestamps programs can read."""
    return MAGIC + bytes((VERSION, SHA256)) + digest + proof


def read_proof_file(digest: bytes, file: bytes) -> list[AttestedDigest]:
    """Return the attestations in an `.ots` file about this digest. Raises NotOtsProof."""
    reader = ProofReader(file)
    if reader.file_head() != digest:
        raise NotOtsProof("the proof is about something else")
    return reader.attestations(digest)
