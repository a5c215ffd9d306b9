"""Unpack streams (ISO 32000-2 7.4) only if all programs get the same bytes."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

from qianda.pdf import Stream, TooComplex, Value

FLATE: Final = "/FlateDecode"
MAX_UNPACKED_BYTES: Final = 64 << 20
# Of all streams of a document together, as many objects may use the same one. It takes two seconds for each GiB.
MAX_UNPACKED_TOGETHER: Final = 4 << 30
_unpacked_bytes: ContextVar[int | None] = ContextVar("_unpacked_bytes", default=None)


@contextlib.contextmanager
def unpacking_together() -> Iterator[None]:
    """Raise TooComplex, in this context, when more is unpacked than MAX_UNPACKED_TOGETHER."""
    before = _unpacked_bytes.set(0)
    try:
        yield
    finally:
        _unpacked_bytes.reset(before)


def unpacked(stream: Value) -> bytes | None:
    """Return the bytes of a stream that is unpacked or packed by Flate alone. None: programs may get other bytes."""
    if not isinstance(stream, Stream) or "/DecodeParms" in stream.entries:
        return None
    used = stream.entries.get("/Filter")
    if used is None:
        return stream.data
    return inflated(stream.data) if used in (FLATE, [FLATE]) else None


def beginning(stream: Stream) -> bytes:
    """Return the first four bytes of a stream that is not packed, or packed by Flate; nothing if it cannot be read."""
    used = stream.entries.get("/Filter")
    if used is None:
        return stream.data[:4]
    try:
        return zlib.decompressobj().decompress(stream.data, 4) if used in (FLATE, [FLATE]) else b""
    except zlib.error:
        return b""


def inflated(data: bytes) -> bytes | None:
    """Return the bytes that were packed by Flate. None: the data are incomplete, or more data follow."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, MAX_UNPACKED_BYTES)
    except zlib.error:
        return None
    if (so_far := _unpacked_bytes.get()) is not None:
        if (so_far := so_far + len(content)) > MAX_UNPACKED_TOGETHER:
            raise TooComplex
        _unpacked_bytes.set(so_far)
    return content if unpacker.eof and not unpacker.unused_data.strip() else None
