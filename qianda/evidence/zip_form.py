"""Read a ZIP file and believe nothing that two readers could understand in two ways.

Every byte belongs to exactly one thing: an item, the central directory, or its end. The central directory and the local
headers say the same. Source: PKWARE APPNOTE 6.3.10, without encryption and several disks; of ZIP64 only sizes of items.
"""

from __future__ import annotations

import stat
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from qianda.evidence import reasons
from qianda.evidence.reasons import BadPackage

MAX_ITEMS = 4096
MAX_ITEM_BYTES = 128 << 20
MAX_TOTAL_BYTES = 256 << 20
# Deflate packs at most about 1032 to 1: nothing honest in a package comes near this.
MAX_RATIO = 400
# Small items may be packed as well as they like.
RATIO_COUNTS_FROM = 1 << 20
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_STORED, _DEFLATED = 0, 8
_DESCRIPTOR, _UTF8 = 1 << 3, 1 << 11
_DESCRIPTOR_LENGTHS = (12, 16)  # without and with a signature of its own
_DEFLATE_LEVELS = 0b110
_ZIP64, _IN_ZIP64 = 1, 0xFFFFFFFF  # the extra field with 64-bit sizes; the mark of a size that stands there


@dataclass(frozen=True)
class ZipItem:
    """One item, unpacked. `plain`: stored as it is, with neither extra fields nor a data descriptor."""

    name: str
    content: bytes
    plain: bool


@dataclass(frozen=True)
class _Entry:
    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    at: int
    extra: int


def read_items(data: bytes) -> list[ZipItem]:
    """Return the items in the order in which they lie in the file. Raises BadPackage."""
    start, count = _end_of_directory(data)
    entries = sorted(_central_entries(data, start, count), key=lambda entry: entry.at)
    _check_names([entry.name for entry in entries])
    if sum(entry.size for entry in entries) > MAX_TOTAL_BYTES:
        raise BadPackage(reasons.TOO_MUCH.about(what=f"{MAX_TOTAL_BYTES >> 20} MiB"))
    ends = [entry.at for entry in entries[1:]] + [start]
    if not entries or entries[0].at != 0:
        raise _malformed("bytes before the first item")
    return [_item(data, entry, end) for entry, end in zip(entries, ends, strict=True) if not _is_folder(entry)]


def _end_of_directory(data: bytes) -> tuple[int, int]:
    """Return where the central directory begins, and how many entries it has."""
    at = len(data) - _END.size
    if at < 0:
        raise _malformed("too short")
    mark, disk, first_disk, here, total, size, start, comment = _END.unpack_from(data, at)
    if mark != b"PK\5\6" or comment:
        raise _malformed("it does not end with the end of its directory")
    if disk or first_disk or here != total or start + size != at:
        raise _malformed("the end of the directory says something else than the file")
    if total > MAX_ITEMS:
        raise BadPackage(reasons.TOO_MUCH.about(what=f"{MAX_ITEMS} items"))
    return start, total


def _central_entries(data: bytes, start: int, count: int) -> Iterator[_Entry]:
    at, end = start, len(data) - _END.size
    for _ in range(count):
        if at + _CENTRAL.size > end:
            raise _malformed("the central directory is cut short")
        fields = _CENTRAL.unpack_from(data, at)
        mark, _made_by, _, flags, method, _, _, crc, packed, size, name_length, extra, comment = fields[:13]
        disk, _, outside, local_at = fields[13:]
        raw = data[at + _CENTRAL.size : at + _CENTRAL.size + name_length]
        more = data[at + _CENTRAL.size + name_length : at + _CENTRAL.size + name_length + extra]
        at += _CENTRAL.size + name_length + extra + comment
        if mark != b"PK\1\2" or disk or comment or at > end:
            raise _malformed("an entry of the central directory")
        name = _decoded(raw, flags)
        if stat.S_IFMT(outside >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BadPackage(reasons.NAME_REFUSED.about(name=name))
        packed, size = _sizes(packed, size, more)
        yield _Entry(raw, name, flags, method, crc, packed, size, local_at, extra)
    if at != end:
        raise _malformed("bytes behind the central directory")


def _item(data: bytes, entry: _Entry, end: int) -> ZipItem:
    """Return one item, whose bytes with those of its header fill the file up to `end`."""
    begin = _check_local_header(data, entry)
    stop = begin + entry.packed
    rest = end - stop
    described = bool(entry.flags & _DESCRIPTOR)
    if (rest != 0) if not described else (rest not in _DESCRIPTOR_LENGTHS):
        raise _malformed(f"bytes of no item before or behind {entry.name}")
    if described and not _describes(data[stop:end], entry):
        raise BadPackage(reasons.HEADERS_DIFFER.about(name=entry.name))
    content = _unpacked(data[begin:stop], entry)
    if len(content) != entry.size or zlib.crc32(content) != entry.crc:
        raise BadPackage(reasons.CONTENT_BROKEN.about(name=entry.name))
    plain = entry.method == _STORED and not described and begin == entry.at + _LOCAL.size + len(entry.raw_name)
    return ZipItem(entry.name, content, plain and not entry.extra)


def _check_local_header(data: bytes, entry: _Entry) -> int:
    """Check that the local header says what the central directory says. Return where the content begins."""
    if entry.at + _LOCAL.size > len(data):
        raise _malformed("a header lies outside of the file")
    mark, _, flags, method, _, _, crc, packed, size, name_length, extra = _LOCAL.unpack_from(data, entry.at)
    begin = entry.at + _LOCAL.size
    raw = data[begin : begin + name_length]
    sizes = (crc, *_sizes(packed, size, data[begin + name_length : begin + name_length + extra]))
    expected = [(entry.crc, entry.packed, entry.size)]
    if flags & _DESCRIPTOR:  # the sizes may stand behind the content
        expected.append((0, 0, 0))
    same = mark == b"PK\3\4" and raw == entry.raw_name and (flags, method) == (entry.flags, entry.method)
    if not same or sizes not in expected:
        raise BadPackage(reasons.HEADERS_DIFFER.about(name=entry.name))
    return begin + int(name_length) + int(extra)


def _sizes(packed: int, size: int, extra: bytes) -> tuple[int, int]:
    """Return packed size and size, which stand in an extra field of ZIP64 where they are marked so (APPNOTE 4.5.3)."""
    if _IN_ZIP64 not in (packed, size):
        return packed, size
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        numbers = list(struct.unpack_from(f"<{length // 8}Q", extra[4 : 4 + length].ljust(length, b"\0")))
        if kind == _ZIP64 and len(numbers) >= (packed == _IN_ZIP64) + (size == _IN_ZIP64):
            size = numbers.pop(0) if size == _IN_ZIP64 else size
            return numbers.pop(0) if packed == _IN_ZIP64 else packed, size
        extra = extra[4 + length :]
    raise _malformed("a size is missing")


def _describes(descriptor: bytes, entry: _Entry) -> bool:
    if len(descriptor) == max(_DESCRIPTOR_LENGTHS):
        if descriptor[:4] != b"PK\7\10":
            return False
        descriptor = descriptor[4:]
    return struct.unpack("<3L", descriptor) == (entry.crc, entry.packed, entry.size)


def _unpacked(packed: bytes, entry: _Entry) -> bytes:
    if entry.flags & ~(_DESCRIPTOR | _UTF8 | _DEFLATE_LEVELS) or entry.method not in (_STORED, _DEFLATED):
        raise _malformed(f"{entry.name} is encrypted, or packed in another way than deflate")
    bomb = entry.size > RATIO_COUNTS_FROM and entry.size > MAX_RATIO * max(entry.packed, 1)
    if entry.size > MAX_ITEM_BYTES or bomb:
        raise BadPackage(reasons.TOO_MUCH.about(what=entry.name))
    if entry.method == _STORED:
        return packed
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(packed, entry.size + 1)  # a byte more than is said, to see that there is none
    except zlib.error as error:
        raise BadPackage(reasons.CONTENT_BROKEN.about(name=entry.name)) from error
    if not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
        raise BadPackage(reasons.CONTENT_BROKEN.about(name=entry.name))
    return content


def _decoded(raw: bytes, flags: int) -> str:
    """Return the name. Without the flag for UTF-8 only ASCII means the same to every reader."""
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError as error:
        raise BadPackage(reasons.NAME_REFUSED.about(name=repr(raw)[:80])) from error


def _check_names(names: list[str]) -> None:
    """Check that each name is a plain relative path, and that no two mean the same file on any system."""
    seen: set[str] = set()
    for name in names:
        path = name.removesuffix("/")
        if not path or any(part in ("", ".", "..") or part != part.strip(" .") for part in path.split("/")):
            raise BadPackage(reasons.NAME_REFUSED.about(name=repr(name)))
        if any(sign in '\\:*?"<>|' or not sign.isprintable() for sign in name):
            raise BadPackage(reasons.NAME_REFUSED.about(name=repr(name)))
        known_as = unicodedata.normalize("NFKC", path).casefold()
        if known_as in seen:
            raise BadPackage(reasons.NAME_TWICE.about(name=name))
        seen.add(known_as)
    files = {unicodedata.normalize("NFKC", name).casefold() for name in names if not name.endswith("/")}
    for name in seen:
        if any(name[:at] in files for at, sign in enumerate(name) if sign == "/"):
            raise BadPackage(reasons.NAME_TWICE.about(name=name))


def _is_folder(entry: _Entry) -> bool:
    if entry.name.endswith("/") and (entry.size or entry.packed or entry.method != _STORED):
        raise BadPackage(reasons.NAME_REFUSED.about(name=entry.name))
    return entry.name.endswith("/")


def _malformed(what: str) -> BadPackage:
    return BadPackage(reasons.NO_ZIP.about(what=what))
