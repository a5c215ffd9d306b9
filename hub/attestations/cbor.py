"""A reader for the small part of CBOR that attestation objects need (RFC 8949): integers, bytes, text, lists, maps.

It accepts only the encoding that RFC 8949, 4.2.1 calls deterministic: lengths in their shortest form, no indefinite
lengths, no tags, no floats, no duplicate keys. So every other reader understands the data in the same way.
"""

from __future__ import annotations

from typing import Any, Final

DEEPEST: Final = 8
_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
UNSIGNED, NEGATIVE, BYTES, TEXT, LIST, MAP = range(6)


def read(data: bytes) -> Any:
    """Return the one value that fills `data` to its last byte. Raises ValueError."""
    value, end = _value(data, 0, 0)
    if end != len(data):
        raise ValueError("something follows the value")
    return value


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    kind, count, at = _head(data, at)
    if kind == UNSIGNED:
        return count, at
    if kind == NEGATIVE:
        return -1 - count, at
    if kind in (BYTES, TEXT):
        content = data[at : at + count]
        if len(content) != count:
            raise ValueError("cut short")
        return (content if kind == BYTES else content.decode("utf-8")), at + count
    if kind in (LIST, MAP):
        return _collection(data, at, kind, count, depth)
    raise ValueError("tags, floats and simple values are not expected here")


def _collection(data: bytes, at: int, kind: int, count: int, depth: int) -> tuple[Any, int]:
    values = []
    for _ in range(count if kind == LIST else 2 * count):
        value, at = _value(data, at, depth + 1)
        values.append(value)
    if kind == LIST:
        return values, at
    keys = values[::2]
    if not all(isinstance(key, int | str) for key in keys) or len(set(keys)) != len(keys):
        raise ValueError("the keys of a map are numbers or texts, each once")
    return dict(zip(keys, values[1::2], strict=True)), at


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the major type, the argument, and the offset of the content. Raises ValueError."""
    if at >= len(data):
        raise ValueError("cut short")
    kind, small = data[at] >> 5, data[at] & 0x1F
    if small < min(_SIZES):
        return kind, small, at + 1
    size = _SIZES.get(small)
    digits = data[at + 1 : at + 1 + (size or 0)]
    if size is None or len(digits) != size:
        raise ValueError("a length that is indefinite, reserved or cut short")
    count = int.from_bytes(digits, "big")
    if count < min(_SIZES) or (size > 1 and count < 1 << (4 * size)):
        raise ValueError("a number that is not written in its shortest form")
    return kind, count, at + 1 + size
