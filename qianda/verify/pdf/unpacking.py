"""Unpack streams (ISO 32000-2 7.4) only if all programs get the same bytes."""

from __future__ import annotations

import zlib
from typing import Final

from qianda.pdf import Stream, Value

FLATE: Final = "/FlateDecode"
MAX_UNPACKED_BYTES: Final = 64 << 20


def unpacked(stream: Value) -> bytes | None:
    """Return the bytes of a stream that is unpacked or packed by Flate alone. None: programs may get other bytes."""
    if not isinstance(stream, Stream) or "/DecodeParms" in stream.entries:
        return None
    used = stream.entries.get("/Filter")
    if used is None:
        return stream.data
    return inflated(stream.data) if used in (FLATE, [FLATE]) else None


def inflated(data: bytes) -> bytes | None:
    """Return the bytes that were packed by Flate. None: the data are incomplete, or more data follow."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, MAX_UNPACKED_BYTES)
    except zlib.error:
        return None
    return content if unpacker.eof and not unpacker.unused_data.strip() else None
