"""Compress long JSON texts with zlib (RFC 1950) and a dictionary of what contracts usually say.

Passages of a text that are also in the dictionary are not stored again: a contract of the template `course` takes a
tenth of its size, other contracts a third. The dictionary is `packing_1.txt`: the data of one contract of invented
people, and the clauses in English. It must never change, because texts compressed with it could not be read any more. A
better dictionary gets another number.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from hub.errors import ContractUnreadable

# Texts of at least this many characters are packed, with this compression level of zlib.
PACKED_FROM = 512
LEVEL = 9
# GB 18030 has all of Unicode, and two bytes for a Chinese character where UTF-8 has three.
ENCODING = "gb18030"
# The first byte of all zlib output. No JSON text begins with it.
FIRST_BYTE = b"\x78"
# Objects that are remembered: several requests in a row ask for the data of one contract.
MAX_READ = 64
DICTIONARY = Path(__file__).with_name("packing_1.txt")


def pack(text: str) -> bytes:
    """Return JSON text in UTF-8, or compressed if it is long."""
    if len(text) < PACKED_FROM:
        return text.encode()
    packing = zlib.compressobj(LEVEL, zdict=read_dictionary())
    return packing.compress(text.encode(ENCODING)) + packing.flush()


def unpack(content: bytes) -> str:
    """Return the text that was packed. Raises ValueError, also for a dictionary that this version does not know."""
    if not content.startswith(FIRST_BYTE):
        return content.decode()
    packing = zlib.decompressobj(zdict=read_dictionary())
    try:
        packed = packing.decompress(content) + packing.flush()
    except zlib.error as error:
        raise ValueError(f"packed data cannot be read: {error}") from error
    if not packing.eof:
        raise ValueError("packed data is truncated")
    return packed.decode(ENCODING)


class PackedJson(Mapping[str, Any]):
    """A JSON object as `pack` wrote it, which is unpacked when a part of it is first used. Unpacking a contract's data
    takes longer than reading the rest of the contract, and most callers do not use the data.

    The first use raises ContractUnreadable where `unpack` raises ValueError; with `at_once`, the constructor does.
    """

    def __init__(self, content: bytes, *, at_once: bool = False) -> None:
        self._content = content
        if at_once:
            len(self)

    @cached_property
    def _read(self) -> dict[str, Any]:
        return _read_object(self._content)

    def __getitem__(self, name: str) -> Any:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


@lru_cache(maxsize=MAX_READ)
def _read_object(content: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(unpack(content))
    except ValueError as error:
        raise ContractUnreadable(str(error)) from error
    return found


class JoinedJson(Mapping[str, Any]):
    """Two JSON objects as one. If both have a part, the first one's is used."""

    def __init__(self, first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
        self._parts = (first, second)

    def __getitem__(self, name: str) -> Any:
        first, second = self._parts
        return first[name] if name in first else second[name]

    def __iter__(self) -> Iterator[str]:
        first, second = self._parts
        return iter({**second, **first})

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def read_dictionary() -> bytes:
    """Return the dictionary. Its lines are joined to one text; they are broken only for the reader of the file."""
    return DICTIONARY.read_text("utf-8").replace("\n", "").encode(ENCODING)
