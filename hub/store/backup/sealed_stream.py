"""Encrypt a stream in chunks under a passphrase, so that it can be written and read with little memory.

This is the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): each chunk is encrypted with AES-256-GCM
under a nonce that consists of a random prefix, the chunk's number, and whether it is the last one. So no chunk can be
changed, moved, left out or cut off at the end. The head, with salt and cost of Argon2id (RFC 9106), is authenticated
with each chunk.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass
from typing import IO

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import UnreadableFile

# Bytes of plain text in each chunk except the last, and of the tag after it.
CHUNK_BYTES = 1 << 20
TAG_BYTES = 16
MAGIC = b"qianda-backup-1\n"
# Magic, salt, prefix of the nonces; time, memory (KiB) and lanes of Argon2id.
HEAD = struct.Struct(">16s16s7sIII")
# Limits of the cost in a head, so that a forged head cannot make a reader spend more.
MAX_TIME, MAX_MEMORY_KIB, MAX_LANES = 16, 1 << 20, 16
# The counter in the nonce has four bytes.
MAX_CHUNKS = 1 << 32
WRONG = "wrong passphrase, or the file is damaged"
CUT = "the file is cut off"


@dataclass(frozen=True)
class Argon2Cost:
    """The cost of one guess at a passphrase. `memory`: KiB. By default the second choice of RFC 9106."""

    time: int = 3
    memory: int = 64 * 1024
    lanes: int = 4


class SealingWriter:
    """A writer that encrypts into `target`. The stream is valid only after `finish`."""

    def __init__(self, target: IO[bytes], passphrase: str, cost: Argon2Cost | None = None) -> None:
        cost = cost or Argon2Cost()
        salt, self._prefix = secrets.token_bytes(16), secrets.token_bytes(7)
        self._head = HEAD.pack(MAGIC, salt, self._prefix, cost.time, cost.memory, cost.lanes)
        self._cipher = _cipher(passphrase, salt, cost)
        self._target = target
        self._waiting = bytearray()
        self._number = 0
        target.write(self._head)

    def write(self, content: bytes) -> int:
        """Take the content. A full chunk is written as soon as it is certain that it is not the last."""
        self._waiting += content
        while len(self._waiting) > CHUNK_BYTES:
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]
        return len(content)

    def finish(self) -> None:
        """Write the last chunk. Nothing can be written afterwards."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, plain: bytes, *, last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._prefix, self._number, last), plain, self._head))
        self._number += 1


class OpeningReader:
    """A reader that decrypts a stream of `SealingWriter`. It returns nothing of a chunk that was changed.

    Every method raises UnreadableFile for a stream that is foreign, damaged or cut, and for another passphrase.
    """

    def __init__(self, source: IO[bytes], passphrase: str) -> None:
        self._source = source
        self._head = source.read(HEAD.size)
        if len(self._head) < HEAD.size or not self._head.startswith(MAGIC):
            raise UnreadableFile("this is not a Qianda backup")
        _, salt, self._prefix, *cost = HEAD.unpack(self._head)
        time, memory, lanes = cost
        if not (0 < time <= MAX_TIME and 0 < lanes <= MAX_LANES and 8 * lanes <= memory <= MAX_MEMORY_KIB):
            raise UnreadableFile(WRONG)
        self._cipher = _cipher(passphrase, salt, Argon2Cost(time, memory, lanes))
        self._next = source.read(CHUNK_BYTES + TAG_BYTES)
        self._plain = memoryview(b"")
        self._number = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer only at the end of the stream."""
        parts = []
        while size > 0 and (self._plain or self._open()):
            parts.append(bytes(self._plain[:size]))
            self._plain = self._plain[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def _open(self) -> bool:
        """Decrypt the next chunk. Return False if the last chunk was already decrypted."""
        if self._ended:
            return False
        sealed, self._next = self._next, b""
        if len(sealed) == CHUNK_BYTES + TAG_BYTES:
            self._next = self._source.read(CHUNK_BYTES + TAG_BYTES)
        last = not self._next
        try:
            plain = self._cipher.decrypt(_nonce(self._prefix, self._number, last), sealed, self._head)
        except (InvalidTag, ValueError):
            # If the last chunk can be decrypted as one in the middle, the stream was cut after it.
            raise UnreadableFile(CUT if last and self._is_whole(sealed) else WRONG) from None
        self._plain, self._ended = memoryview(plain), last
        self._number += 1
        return True

    def _is_whole(self, sealed: bytes) -> bool:
        try:
            self._cipher.decrypt(_nonce(self._prefix, self._number, False), sealed, self._head)
        except (InvalidTag, ValueError):
            return not sealed
        return True


def _cipher(passphrase: str, salt: bytes, cost: Argon2Cost) -> AESGCM:
    secret = passphrase.encode()
    return AESGCM(hash_secret_raw(secret, salt, cost.time, cost.memory, cost.lanes, 32, Type.ID))


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    if number >= MAX_CHUNKS:
        raise OverflowError("a backup has at most 4 PiB")
    return prefix + number.to_bytes(4) + bytes([last])
