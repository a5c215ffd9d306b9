"""Write the ZIP container of an OFD. Unchanged members are copied in their compressed form, because compressing them
again would take most of the time of a seal.

The same members give the same bytes: the time of writing is not stored. Source: APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from qianda.ofd.container import OfdContainer
from qianda.zip_archive import DEFLATED, STORED, ZipMember

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _UTF8 = 20, 0x800
_DATE: Final = (1 << 5) | 1  # 1 January 1980, the earliest day in ZIP
_LEVEL = 6
# Files that are already compressed, or too short to gain from it.
_STORED_ENDINGS = (".png", ".jpg", ".jpeg", ".dat", ".esl")
_WORTH_PACKING = 128


@dataclass(frozen=True)
class _Written:
    """A member in the new file: the fields of its two headers, and its bytes."""

    name: bytes
    method: int
    checksum: int
    size: int
    packed: bytes | memoryview


def write_package(members: Mapping[str, bytes]) -> bytes:
    """Return a new OFD with these members, in this order."""
    return _write(_pack(name, data) for name, data in members.items())


def change_package(container: OfdContainer, changed: Mapping[str, bytes]) -> bytes:
    """Return the OFD with some members replaced and new ones at its end; all others are copied."""
    kept = [_copy(member) if name not in changed else _pack(name, changed[name]) for name, member in container.items()]
    return _write([*kept, *(_pack(name, data) for name, data in changed.items() if name not in container)])


def _copy(member: ZipMember) -> _Written:
    return _Written(member.name.encode(), member.method, member.checksum, member.size, member.packed)


def _pack(name: str, data: bytes) -> _Written:
    if len(data) < _WORTH_PACKING or name.endswith(_STORED_ENDINGS):
        return _Written(name.encode(), STORED, zlib.crc32(data), len(data), data)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush()
    return _Written(name.encode(), DEFLATED, zlib.crc32(data), len(data), packed)


def _write(members: Iterable[_Written]) -> bytes:
    parts: list[bytes | memoryview] = []
    directory: list[bytes] = []
    at = 0
    for one in members:
        flags = 0 if one.name.isascii() else _UTF8
        sizes = (one.checksum, len(one.packed), one.size)
        header = _LOCAL.pack(b"PK\3\4", _VERSION, flags, one.method, 0, _DATE, *sizes, len(one.name), 0)
        head = (b"PK\1\2", _VERSION, _VERSION, flags, one.method, 0, _DATE)
        directory.append(_CENTRAL.pack(*head, *sizes, len(one.name), 0, 0, 0, 0, 0, at) + one.name)
        parts += [header, one.name, one.packed]
        at += len(header) + len(one.name) + len(one.packed)
    listed = b"".join(directory)
    end = _END.pack(b"PK\5\6", 0, 0, len(directory), len(directory), len(listed), at, 0)
    return b"".join([*parts, listed, end])
