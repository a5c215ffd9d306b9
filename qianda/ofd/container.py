"""The ZIP container of an OFD: every byte of it is accounted for, so that all readers see the same members.

Readers of ZIP files disagree about doubled names, bytes between members, and directories that contradict the headers.
A file with any of these is refused. Source: APPNOTE.TXT 6.3.10 (the format of ZIP files), GB/T 33190, 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from qianda.ofd import NotAnOfd, OfdTooLarge

MAX_FILE_BYTES: Final = 64 << 20
MAX_UNPACKED_BYTES: Final = 256 << 20
MAX_MEMBERS: Final = 10_000
MAX_NAME_BYTES: Final = 512
STORED, DEFLATED = 0, 8
_LOCAL, _CENTRAL, _END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
_DESCRIPTOR = b"PK\7\x08"
_LOCAL_FIELDS = struct.Struct("<4s5H3L2H")
_CENTRAL_FIELDS = struct.Struct("<4s6H3L5H2L")
_END_FIELDS = struct.Struct("<4s4H2LH")
_ENCRYPTED, _SIZES_FOLLOW, _STRONG, _UTF8, _MASKED = 0x01, 0x08, 0x40, 0x800, 0x2000
# Extra fields that make a reader see other sizes (ZIP64) or another name (Unicode path).
_MISLEADING_EXTRAS = frozenset({0x0001, 0x7075})


@dataclass(frozen=True)
class OfdMember:
    """One file in the container. `packed` are its bytes as they stand there; `size` is the number once unpacked."""

    name: str
    method: int
    packed: memoryview
    checksum: int
    size: int

    def read(self) -> bytes:
        """Return the unpacked bytes. Raises NotAnOfd if they are not what the container says."""
        if self.method == STORED:
            data = bytes(self.packed)
        else:
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                data = unpacker.decompress(self.packed, self.size + 1)
            except zlib.error as error:
                raise NotAnOfd(f"{self.name}: damaged") from error
            if not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
                raise NotAnOfd(f"{self.name}: damaged")
        if len(data) != self.size or zlib.crc32(data) != self.checksum:
            raise NotAnOfd(f"{self.name}: damaged")
        return data


@dataclass(frozen=True)
class _Listed:
    """A line of the central directory."""

    raw_name: bytes
    flags: int
    method: int
    checksum: int
    packed_size: int
    size: int
    offset: int


class Container(Mapping[str, OfdMember]):
    """The members of an OFD by their names, in the order in which they stand in the file. Folders are left out.

    Raises NotAnOfd, OfdTooLarge.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_FILE_BYTES:
            raise OfdTooLarge(f"the file is larger than {MAX_FILE_BYTES >> 20} MiB")
        self.data = data
        self._members: dict[str, OfdMember] = {}
        self._unpacked: dict[str, bytes] = {}
        listed, directory = _read_directory(data)
        if sum(line.size for line in listed) > MAX_UNPACKED_BYTES:
            raise OfdTooLarge(f"its members have more than {MAX_UNPACKED_BYTES >> 20} MiB")
        self._read_members(listed, directory)

    def __getitem__(self, name: str) -> OfdMember:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def read(self, name: str) -> bytes:
        """Return a member's unpacked bytes, which are kept. Raises NotAnOfd."""
        if name not in self._members:
            raise NotAnOfd(f"{name}: missing")
        if name not in self._unpacked:
            self._unpacked[name] = self._members[name].read()
        return self._unpacked[name]

    def _read_members(self, listed: list[_Listed], directory: int) -> None:
        at, folded = 0, set()
        for line in sorted(listed, key=lambda line: line.offset):
            if line.offset != at:
                raise NotAnOfd("bytes that belong to no member, or members that overlap")
            start, at = _read_local(self.data, line, directory)
            name = _read_name(line)
            if name.casefold() in folded:
                raise NotAnOfd(f"{name}: there are two of this name")
            folded.add(name.casefold())
            if name.endswith("/"):
                if line.size:
                    raise NotAnOfd(f"{name}: a folder with content")
                continue
            packed = memoryview(self.data)[start : start + line.packed_size]
            self._members[name] = OfdMember(name, line.method, packed, line.checksum, line.size)
        if at != directory:
            raise NotAnOfd("bytes that belong to no member")
        _check_folders(self._members, folded)


def _read_directory(data: bytes) -> tuple[list[_Listed], int]:
    """Return the lines of the central directory and its offset. It ends the file, without a comment."""
    end = len(data) - _END_FIELDS.size
    if end < 0 or data[end : end + 4] != _END:
        raise NotAnOfd("no ZIP file, or something follows its end")
    _, disk, first_disk, here, count, size, offset, comment = _END_FIELDS.unpack_from(data, end)
    if disk or first_disk or here != count or comment or offset + size != end:
        raise NotAnOfd("the end of the ZIP file contradicts itself")
    if count > MAX_MEMBERS:
        raise OfdTooLarge(f"it has more than {MAX_MEMBERS} members")
    at, listed = offset, []
    for _ in range(count):
        if at + _CENTRAL_FIELDS.size > end or data[at : at + 4] != _CENTRAL:
            raise NotAnOfd("the directory of the ZIP file is damaged")
        fields = _CENTRAL_FIELDS.unpack_from(data, at)
        _, _, _, flags, method, _, _, checksum, packed, unpacked, name_size, extra_size, note_size = fields[:13]
        at += _CENTRAL_FIELDS.size
        name, extra = data[at : at + name_size], data[at + name_size : at + name_size + extra_size]
        _check_extra(extra)
        at += name_size + extra_size + note_size
        if fields[13] or note_size:
            raise NotAnOfd("a member on another disk, or with a comment")
        listed.append(_Listed(name, flags, method, checksum, packed, unpacked, fields[16]))
    if at != end:
        raise NotAnOfd("the directory of the ZIP file is damaged")
    return listed, offset


def _read_local(data: bytes, line: _Listed, directory: int) -> tuple[int, int]:
    """Return where a member's bytes begin and where the next member begins. The local header says the same as the
    directory."""
    at = line.offset
    if at + _LOCAL_FIELDS.size > directory or data[at : at + 4] != _LOCAL:
        raise NotAnOfd("a member is not where the directory says")
    fields = _LOCAL_FIELDS.unpack_from(data, at)
    _, _, flags, method, _, _, checksum, packed, unpacked, name_size, extra_size = fields
    at += _LOCAL_FIELDS.size
    _check_extra(data[at + name_size : at + name_size + extra_size])
    start = at + name_size + extra_size
    end = start + line.packed_size
    same = (flags, method, data[at : at + name_size]) == (line.flags, line.method, line.raw_name)
    sizes, expected = (checksum, packed, unpacked), (line.checksum, line.packed_size, line.size)
    if flags & _SIZES_FOLLOW:
        same = same and sizes in (expected, (0, 0, 0))
        end = _skip_descriptor(data, end, expected)
    else:
        same = same and sizes == expected
    if not same or end > directory:
        raise NotAnOfd("a member contradicts the directory")
    if flags & (_ENCRYPTED | _STRONG | _MASKED):
        raise NotAnOfd("it is encrypted")
    if method not in (STORED, DEFLATED) or (method == STORED and line.packed_size != line.size):
        raise NotAnOfd("a member is packed in an unknown way")
    return start, end


def _skip_descriptor(data: bytes, at: int, expected: tuple[int, int, int]) -> int:
    """Return where the data descriptor behind a member ends: the checksum and sizes, usually after a signature."""
    plain = struct.pack("<3L", *expected)
    for descriptor in (_DESCRIPTOR + plain, plain):
        if data[at : at + len(descriptor)] == descriptor:
            return at + len(descriptor)
    raise NotAnOfd("a member contradicts the directory")


def _check_extra(extra: bytes) -> None:
    at = 0
    while at < len(extra):
        if at + 4 > len(extra):
            raise NotAnOfd("an extra field is damaged")
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind in _MISLEADING_EXTRAS:
            raise NotAnOfd("a member with two names or sizes")
        at += 4 + size
    if at != len(extra):
        raise NotAnOfd("an extra field is damaged")


def _read_name(line: _Listed) -> str:
    """Return a name that no reader can take for a place outside of the container."""
    if not 0 < len(line.raw_name) <= MAX_NAME_BYTES:
        raise NotAnOfd("a name is empty or too long")
    try:
        # Without the flag the standard says cp437; what makers write is ASCII, UTF-8 or GBK.
        name = line.raw_name.decode("utf-8")
    except UnicodeDecodeError as error:
        if line.flags & _UTF8:
            raise NotAnOfd("a name is no UTF-8") from error
        try:
            name = line.raw_name.decode("gbk")
        except UnicodeDecodeError:
            raise NotAnOfd("a name cannot be read") from error
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or any(c in name for c in "\\:\0") or not name.isprintable():
        raise NotAnOfd(f"{name!r}: a name that leads elsewhere")
    return name


def _check_folders(members: Mapping[str, OfdMember], folded: set[str]) -> None:
    """Refuse a member that is the folder of another one."""
    for name in members:
        parts = name.casefold().split("/")
        if any("/".join(parts[:depth]) in folded for depth in range(1, len(parts))):
            raise NotAnOfd(f"{name}: its folder is a file")
