"""JSON text in few bytes: long texts are packed with zlib (RFC 1950) and a dictionary of what contracts usually say.

Whatever a text shares with the dictionary is not stored again: a contract of the template `course` takes a tenth, of
another one a third. The dictionary is `packing_1.txt`: the data of one contract of invented people, and the clauses in
English. It must never change, or nothing that was packed with it could be read; a better one gets another number.
"""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

# Characters from which on a text is packed, and how thoroughly.
PACKED_FROM = 512
LEVEL = 9
# GB 18030 has all of Unicode, and two bytes for a Chinese character where UTF-8 has three.
ENCODING = "gb18030"
# With this byte begins what zlib packs, and no JSON text.
FIRST_BYTE = b"\x78"
DICTIONARY = Path(__file__).with_name("packing_1.txt")


def pack(text: str) -> bytes:
    """Return JSON text as it is (UTF-8), or packed if it is long."""
    if len(text) < PACKED_FROM:
        return text.encode()
    packing = zlib.compressobj(LEVEL, zdict=read_dictionary())
    return packing.compress(text.encode(ENCODING)) + packing.flush()


def unpack(content: bytes) -> str:
    """Return the text of `pack`. Raises ValueError, also for a dictionary that this version does not know."""
    if not content.startswith(FIRST_BYTE):
        return content.decode()
    packing = zlib.decompressobj(zdict=read_dictionary())
    try:
        packed = packing.decompress(content) + packing.flush()
    except zlib.error as error:
        raise ValueError(f"packed data cannot be read: {error}") from error
    if not packing.eof:
        raise ValueError("packed data end too early")
    return packed.decode(ENCODING)


@cache
def read_dictionary() -> bytes:
    """Return the dictionary. Its lines are one text: they are broken for readers alone."""
    return DICTIONARY.read_text("utf-8").replace("\n", "").encode(ENCODING)
