"""Read a ZIP archive, and refuse everything that two readers could understand differently.

Every byte belongs to exactly one part: a member, the central directory, or its end. The central directory and the local
headers agree, no name or size is stated twice, and no name leads out of the archive. Source: PKWARE APPNOTE.TXT 6.3.10,
without encryption, comments and several disks; of ZIP64 only the sizes of members.
"""

from __future__ import annotations

import re
import stat
import struct
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from qianda.verify.findings import Reason

STORED, DEFLATED = 0, 8
MAX_NAME_BYTES, MAX_NAME_PARTS = 512, 40
# About the highest ratio that Deflate can reach. Small members may have any ratio.
MAX_RATIO, RATIO_COUNTS_FROM = 1032, 1 << 20
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
# Points to a second end of the directory (APPNOTE 4.3.15), which some readers use, regardless of the usual end.
_ZIP64_LOCATOR_MARK, _ZIP64_LOCATOR_SIZE = b"PK\6\7", 20
_DESCRIPTOR, _UTF8, _DEFLATE_LEVELS = 1 << 3, 1 << 11, 0b110
_DESCRIPTOR_MARK = b"PK\7\10"
# Extra fields: 64-bit sizes, and another name, which some readers use instead of the first one.
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_IN_ZIP64 = 0xFFFFFFFF  # the mark for a size that is in the extra field
# The head of a PDF, and the beginning of an object in it. Programs for PDF look for both anywhere in a file.
_PART_OF_PDF = re.compile(rb"%PDF-|[\0\t\n\f\r \d]obj[\0\t\n\f\r <\[(/%\d+-]")


class ZipFault(Enum):
    """What is wrong with an archive."""

    MALFORMED = Reason("不是规范的 ZIP 文件：{what}", "not a well-formed ZIP file: {what}")
    NAME_REFUSED = Reason("条目名称不允许：{what}", "a member has a name that is not allowed: {what}")
    NAME_TWICE = Reason("条目出现两次：{what}", "a member is there twice: {what}")
    HEADERS_DIFFER = Reason(
        "条目 {what} 在中央目录和文件头中的记载不同", "the central directory and the local header disagree about {what}"
    )
    CONTENT_BROKEN = Reason("条目 {what} 无法解压或校验和不符", "{what} cannot be unpacked, or its checksum is wrong")
    TOO_MUCH = Reason("压缩包超过限制：{what}", "the archive exceeds a limit: {what}")


class UnreadableZip(Exception):
    """The archive is refused. `what`: a member, a limit, or what is malformed. `reason`: the whole sentence."""

    def __init__(self, fault: ZipFault, what: str | Reason) -> None:
        self.fault, self.reason = fault, fault.value.about(what=what)
        super().__init__(self.reason.en)


@dataclass(frozen=True)
class ZipRules:
    """Limits, and the encodings of names that are not marked as UTF-8 (`encodings`: tried in turn)."""

    max_members: int
    max_member_bytes: int
    max_total_bytes: int
    encodings: Sequence[str] = ("ascii",)
    max_ratio: int = MAX_RATIO


@dataclass(frozen=True)
class ZipMember:
    """One file. `packed`: its bytes as stored; `begin`: their offset in the archive; `size`: their number after
    unpacking. `plain`: it is not compressed, and has neither extra fields nor a data descriptor."""

    name: str
    method: int
    packed: memoryview
    begin: int
    checksum: int
    size: int
    plain: bool

    def read(self) -> bytes:
        """Return the unpacked bytes. Raises UnreadableZip if they differ from what the archive states."""
        if self.method == STORED:
            content = bytes(self.packed)
        else:
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                content = unpacker.decompress(self.packed, self.size + 1)  # one byte more, to detect further content
            except zlib.error as error:
                raise UnreadableZip(ZipFault.CONTENT_BROKEN, self.name) from error
            if not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
                raise UnreadableZip(ZipFault.CONTENT_BROKEN, self.name)
        if len(content) != self.size or zlib.crc32(content) != self.checksum:
            raise UnreadableZip(ZipFault.CONTENT_BROKEN, self.name)
        return content


@dataclass(frozen=True)
class _Entry:
    """A line of the central directory. `sizes`: checksum, packed size, size."""

    raw_name: bytes
    name: str
    flags: int
    method: int
    sizes: tuple[int, int, int]
    at: int
    has_extra: bool

    @property
    def packed_size(self) -> int:
        return self.sizes[1]


def read_members(data: bytes, rules: ZipRules) -> list[ZipMember]:
    """Return the files in the order of the archive; folders are left out. Raises UnreadableZip."""
    start, count = _end_of_directory(data, rules)
    entries = sorted(_central_entries(data, start, count, rules.encodings), key=lambda entry: entry.at)
    _check_names([entry.name for entry in entries])
    _check_limits(entries, rules)
    if not entries:
        raise _malformed("没有任何条目", "it has no members")
    if entries[0].at != 0:
        raise _malformed("有字节不属于任何条目", "bytes that belong to no member")
    ends = [entry.at for entry in entries[1:]] + [start]
    members = [_member(data, entry, end) for entry, end in zip(entries, ends, strict=True)]
    return [member for member in members if not _is_folder(member)]


def check_no_pdf(data: bytes, covered: Iterable[ZipMember] = ()) -> None:
    """Check that programs for PDF find nothing in the archive, except in these members. Raises UnreadableZip.

    Otherwise a genuine archive that is renamed to .pdf could show something else, hidden in an extra field, an XML
    comment, or any other place that no signature covers.
    """
    ends = sorted((member.begin, member.begin + len(member.packed)) for member in covered)
    for (_, at), (end, _) in pairwise([(0, 0), *ends, (len(data), len(data))]):
        if _PART_OF_PDF.search(data, at, end):
            raise _malformed("它同时是 PDF", "it is a PDF as well")


def _end_of_directory(data: bytes, rules: ZipRules) -> tuple[int, int]:
    """Return the central directory's offset and number of entries. The archive has to end with its end record."""
    at = len(data) - _END.size
    if at < 0 or data[at : at + 4] != b"PK\5\6":
        raise _malformed("没有以中央目录的结尾结束", "it does not end with the end of its directory")
    _, disk, first_disk, here, total, size, start, comment = _END.unpack_from(data, at)
    if disk or first_disk or here != total or comment or start + size != at:
        raise _malformed("中央目录的结尾与文件不符", "the end of the directory says something else than the file")
    if data[at - _ZIP64_LOCATOR_SIZE : at].startswith(_ZIP64_LOCATOR_MARK):
        raise _malformed("有两个中央目录", "two directories")
    if total > rules.max_members:
        raise UnreadableZip(ZipFault.TOO_MUCH, Reason(f"{rules.max_members} 个条目", f"{rules.max_members} members"))
    return start, total


def _central_entries(data: bytes, start: int, count: int, encodings: Sequence[str]) -> Iterator[_Entry]:
    at, end = start, len(data) - _END.size
    for _ in range(count):
        if at + _CENTRAL.size > end or data[at : at + 4] != b"PK\1\2":
            raise _malformed("中央目录已损坏", "the central directory is damaged")
        fields = _CENTRAL.unpack_from(data, at)
        _, _, _, flags, method, _, _, checksum, packed, size, name_length, extra_length, comment = fields[:13]
        disk, _, outside, local_at = fields[13:]
        begin = at + _CENTRAL.size
        raw, extra = data[begin : begin + name_length], data[begin + name_length : begin + name_length + extra_length]
        at = begin + name_length + extra_length
        if disk or comment or at > end:
            raise _malformed("有条目位于其他磁盘，或带有注释", "a member on another disk, or with a comment")
        name = _decoded(raw, flags, encodings)
        if stat.S_IFMT(outside >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UnreadableZip(ZipFault.NAME_REFUSED, name)
        sizes = (checksum, *_sizes(packed, size, extra))
        yield _Entry(raw, name, flags, method, sizes, local_at, bool(extra))
    if at != end:
        raise _malformed("中央目录之后还有字节", "bytes after the central directory")


def _check_limits(entries: Sequence[_Entry], rules: ZipRules) -> None:
    if sum(entry.sizes[2] for entry in entries) > rules.max_total_bytes:
        raise UnreadableZip(ZipFault.TOO_MUCH, f"{rules.max_total_bytes >> 20} MiB")
    for entry in entries:
        _, packed, size = entry.sizes
        bomb = size > RATIO_COUNTS_FROM and size > rules.max_ratio * max(packed, 1)
        if size > rules.max_member_bytes or bomb:
            raise UnreadableZip(ZipFault.TOO_MUCH, entry.name)


def _member(data: bytes, entry: _Entry, end: int) -> ZipMember:
    """Return a member. Its headers and bytes have to fill the archive up to `end`."""
    begin = _check_local_header(data, entry)
    stop = begin + entry.packed_size
    described = bool(entry.flags & _DESCRIPTOR)
    if stop > end or (not described and stop != end):
        raise _malformed("有字节不属于任何条目，或条目重叠", "bytes that belong to no member, or members that overlap")
    plain_descriptor = struct.pack("<3L", *entry.sizes) if described else b""
    if described and data[stop:end] not in (plain_descriptor, _DESCRIPTOR_MARK + plain_descriptor):
        raise UnreadableZip(ZipFault.HEADERS_DIFFER, entry.name)
    if entry.flags & ~(_DESCRIPTOR | _UTF8 | _DEFLATE_LEVELS):
        raise _malformed(f"条目 {entry.name} 已加密或标志多余", f"{entry.name} is encrypted, or has needless flags")
    if entry.method not in (STORED, DEFLATED) or (entry.method == STORED and entry.sizes[1] != entry.sizes[2]):
        raise _malformed(f"条目 {entry.name} 的压缩方式未知", f"{entry.name} is packed in an unknown way")
    plain = entry.method == STORED and not described and begin == entry.at + _LOCAL.size + len(entry.raw_name)
    checksum, _, size = entry.sizes
    packed = memoryview(data)[begin:stop]
    return ZipMember(entry.name, entry.method, packed, begin, checksum, size, plain and not entry.has_extra)


def _check_local_header(data: bytes, entry: _Entry) -> int:
    """Check that the local header agrees with the central directory. Return the offset of the content."""
    if entry.at + _LOCAL.size > len(data) or data[entry.at : entry.at + 4] != b"PK\3\4":
        raise _malformed("有条目不在中央目录所说的位置", "a member is not where the directory says")
    _, _, flags, method, _, _, checksum, packed, size, name_length, extra_length = _LOCAL.unpack_from(data, entry.at)
    begin = entry.at + _LOCAL.size
    raw, extra = data[begin : begin + name_length], data[begin + name_length : begin + name_length + extra_length]
    sizes = (checksum, *_sizes(packed, size, extra))
    expected = [entry.sizes]
    if flags & _DESCRIPTOR:  # the sizes may follow the content
        expected.append((0, 0, 0))
    if (raw, flags, method) != (entry.raw_name, entry.flags, entry.method) or sizes not in expected:
        raise UnreadableZip(ZipFault.HEADERS_DIFFER, entry.name)
    return begin + int(name_length) + int(extra_length)


def _sizes(packed: int, size: int, extra: bytes) -> tuple[int, int]:
    """Return packed size and size, which are in an extra field of ZIP64 if they are marked so (APPNOTE 4.5.3)."""
    wide = [value == _IN_ZIP64 for value in (size, packed)]  # in the order of that field
    numbers: list[int] = []
    for kind, content in _extra_fields(extra):
        if kind == _UNICODE_PATH or (kind == _ZIP64 and not any(wide)):
            raise _malformed("有条目的名称或大小出现两次", "a member with two names or sizes")
        if kind == _ZIP64:
            if numbers or len(content) < 8 * sum(wide):
                raise _malformed("附加字段已损坏", "an extra field is damaged")
            numbers = list(struct.unpack_from(f"<{sum(wide)}Q", content))
    if any(wide) and not numbers:
        raise _malformed("缺少条目的大小", "a size is missing")
    size = numbers.pop(0) if wide[0] else size
    return numbers.pop(0) if wide[1] else packed, size


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while extra:
        if len(extra) < 4 or len(extra) < 4 + struct.unpack_from("<H", extra, 2)[0]:
            raise _malformed("附加字段已损坏", "an extra field is damaged")
        kind, length = struct.unpack_from("<2H", extra)
        yield kind, extra[4 : 4 + length]
        extra = extra[4 + length :]


def _decoded(raw: bytes, flags: int, encodings: Sequence[str]) -> str:
    """Return the name. Without the UTF-8 flag, the archive does not state the encoding."""
    for encoding in ("utf-8",) if flags & _UTF8 else encodings:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableZip(ZipFault.NAME_REFUSED, repr(raw)[:80])


def _check_names(names: Sequence[str]) -> None:
    """Check that each name is a plain relative path, and that no two mean the same file on any system."""
    seen: set[str] = set()
    for name in names:
        path = name.removesuffix("/")
        parts = path.split("/")
        too_long = len(name.encode()) > MAX_NAME_BYTES or len(parts) > MAX_NAME_PARTS
        if not path or too_long or any(part in ("", ".", "..") for part in parts):
            raise UnreadableZip(ZipFault.NAME_REFUSED, repr(name)[:80])
        if any(part != part.strip(" .") for part in parts) or any(sign in '\\:*?"<>|' for sign in name):
            raise UnreadableZip(ZipFault.NAME_REFUSED, repr(name)[:80])
        if not name.isprintable():
            raise UnreadableZip(ZipFault.NAME_REFUSED, repr(name)[:80])
        known_as = unicodedata.normalize("NFKC", path).casefold()
        if known_as in seen:
            raise UnreadableZip(ZipFault.NAME_TWICE, name)
        seen.add(known_as)
    files = {unicodedata.normalize("NFKC", name).casefold() for name in names if not name.endswith("/")}
    for name in seen:
        if any(name[:at] in files for at, sign in enumerate(name) if sign == "/"):
            raise UnreadableZip(ZipFault.NAME_TWICE, name)


def _is_folder(member: ZipMember) -> bool:
    if member.name.endswith("/") and member.read():
        raise UnreadableZip(ZipFault.NAME_REFUSED, member.name)
    return member.name.endswith("/")


def _malformed(zh: str, en: str) -> UnreadableZip:
    return UnreadableZip(ZipFault.MALFORMED, Reason(zh, en))
