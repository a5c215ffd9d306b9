"""The container of an OFD, a ZIP archive of XML parts and resources. Source: GB/T 33190, 5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from qianda import sm2
from qianda.ofd import NotAnOfd, OfdTooLarge
from qianda.zip_archive import UnreadableZip, ZipFault, ZipMember, ZipRules, check_no_pdf, read_members

MAX_FILE_BYTES: Final = 64 << 20
MAX_UNPACKED_BYTES: Final = 256 << 20
MAX_MEMBERS: Final = 10_000
# The encodings that programs use without stating them.
_ENCODINGS = ("utf-8", "gbk")


class OfdContainer(Mapping[str, ZipMember]):
    """The members of an OFD by name, in the order of the file. Folders are left out.

    Raises NotAnOfd, OfdTooLarge.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_FILE_BYTES:
            raise OfdTooLarge(
                f"文件超过 {MAX_FILE_BYTES >> 20} MiB", f"the file is larger than {MAX_FILE_BYTES >> 20} MiB"
            )
        rules = ZipRules(MAX_MEMBERS, MAX_UNPACKED_BYTES, MAX_UNPACKED_BYTES, _ENCODINGS)
        try:
            self._members = {member.name: member for member in read_members(data, rules)}
            check_no_pdf(data)
        except UnreadableZip as error:
            raise _said(error) from error
        self._unpacked: dict[str, bytes] = {}
        self._hashes: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> ZipMember:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def read(self, name: str) -> bytes:
        """Return a member's unpacked bytes, which are cached. Raises NotAnOfd."""
        if name not in self._members:
            raise NotAnOfd(f"{name}：缺失", f"{name}: missing")
        if name not in self._unpacked:
            try:
                self._unpacked[name] = self._members[name].read()
            except UnreadableZip as error:
                raise _said(error) from error
        return self._unpacked[name]

    def sm3(self, name: str) -> bytes:
        """Return the SM3 of a member, which is cached, because every signature names it. Raises NotAnOfd, NoSm2."""
        if name not in self._hashes:
            self._hashes[name] = sm2.sm3(self.read(name))
        return self._hashes[name]


def _said(error: UnreadableZip) -> NotAnOfd:
    kind = OfdTooLarge if error.fault is ZipFault.TOO_MUCH else NotAnOfd
    return kind(error.reason.zh, error.reason.en)
