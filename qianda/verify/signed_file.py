"""Reading a signed PDF: its revisions, its signature fields, and the limits a hostile file runs into."""

from __future__ import annotations

import io
import re
import secrets
from dataclasses import dataclass
from functools import cached_property

from pyhanko.pdf_utils.generic import DictionaryObject, EncryptedObjAccess, Reference
from pyhanko.pdf_utils.reader import PdfFileReader

from qianda.verify import reasons
from qianda.verify.findings import UnreadablePdf
from qianda.verify.objects import Cache, Snapshot, reference, references

LARGEST_FILE = 64 << 20  # bytes; a contract has about 200 KB
MOST_REVISIONS = 200
MOST_FIELDS = 100
MOST_OBJECTS = 200_000
_END_OF_OBJECT, _LONGEST_REST = b"endobj", 2048  # bytes
_LONG_STRING = re.compile(rb"<[0-9A-Fa-f]{256,}>")


@dataclass(frozen=True)
class FieldSignature:
    """The signature in one field. `byte_range` as it stands in the file, `contents` the DER with its zero padding.

    `gap` is where in the file `/Contents` stands, from its `<` to behind its `>`.
    """

    name: str
    is_timestamp: bool
    byte_range: tuple[int, ...]
    contents: bytes
    gap: tuple[int, int]
    revision: int
    certifies: bool

    @property
    def end(self) -> int:
        """The offset behind the last byte that is covered."""
        return sum(self.byte_range[2:4])


class _Gaps:
    """The long hexadecimal strings of a file, replaced by short ones of the same extent for pyHanko's reader.

    It reads such strings digit by digit, which would be most of the work of a check. What stands there instead is a
    random name, so that no file can be written to look as if it held one, and behind it, instead of blanks that would
    be read one by one, the rest of the object once more.
    """

    def __init__(self, pdf: bytes) -> None:
        self._mark = secrets.token_bytes(16)
        self._spans = [match.span() for match in _LONG_STRING.finditer(pdf)]
        parts, done = [], 0
        for number, (start, end) in enumerate(self._spans):
            name = b"<" + (self._mark + number.to_bytes(4, "big")).hex().encode() + b">"
            rest_ends = pdf.find(_END_OF_OBJECT, end, end + _LONGEST_REST)
            rest = pdf[end : rest_ends + len(_END_OF_OBJECT)] if rest_ends >= 0 else b""
            fits = len(name) + len(rest) < end - start
            filled = (name + rest + b" ").ljust(end - start, b"x") if rest and fits else name.ljust(end - start)
            parts += [pdf[done:start], filled]
            done = end
        self.shortened = b"".join([*parts, pdf[done:]])

    def place(self, name: bytes) -> tuple[int, int]:
        """From the `<` to behind the `>`. Raises ValueError."""
        if len(name) != len(self._mark) + 4 or not name.startswith(self._mark):
            raise ValueError("not the place of a signature")
        return self._spans[int.from_bytes(name[-4:], "big")]


class SignedFile:
    """A PDF in memory. Reading raises UnreadablePdf, or pyHanko's and Python's own errors on malformed parts."""

    def __init__(self, pdf: bytes) -> None:
        if len(pdf) > LARGEST_FILE:
            raise UnreadablePdf(reasons.TOO_LARGE.about(mib=LARGEST_FILE >> 20))
        if not pdf.startswith(b"%PDF-"):
            raise UnreadablePdf(reasons.UNREADABLE)
        self.pdf = pdf
        self._gaps = _Gaps(pdf)
        self.reader = PdfFileReader(io.BytesIO(self._gaps.shortened), strict=True)
        if "/Encrypt" in self.reader.trailer:
            raise UnreadablePdf(reasons.ENCRYPTED)
        if self.reader.xrefs.hybrid_xrefs_present:  # two tables of objects, and readers that choose differently
            raise UnreadablePdf(reasons.UNREADABLE)
        self.revisions = int(self.reader.xrefs.total_revisions)
        if self.revisions > MOST_REVISIONS or int(self.reader.trailer["/Size"]) > MOST_OBJECTS:
            raise UnreadablePdf(reasons.TOO_COMPLEX)
        self._snapshots: dict[int, Snapshot] = {}
        self._objects: Cache = {}

    def at(self, revision: int) -> Snapshot:
        """The document as it was in one of its revisions, counted from 0."""
        if revision not in self._snapshots:
            self._snapshots[revision] = Snapshot(self.reader, revision, self._objects)
        return self._snapshots[revision]

    @cached_property
    def now(self) -> Snapshot:
        return self.at(self.revisions - 1)

    @cached_property
    def fields(self) -> list[tuple[Reference | None, DictionaryObject]]:
        """The form's fields as listed in the last revision."""
        form = self.now.dictionary(self.now.root, "/AcroForm")
        listed = references(self.now.array(form, "/Fields"))
        if len(listed) > MOST_FIELDS:
            raise UnreadablePdf(reasons.TOO_COMPLEX)
        return list(zip(listed, self.now.items(form, "/Fields"), strict=True))

    @cached_property
    def signatures(self) -> list[FieldSignature]:
        """The signed fields, in the order in which they were signed."""
        signed = [field for _, field in self.fields if self.now.entry(field, "/FT") == "/Sig" and "/V" in field]
        return sorted(map(self._signature, signed), key=lambda signature: (signature.end, signature.name))

    def _signature(self, field: DictionaryObject) -> FieldSignature:
        at = reference(field, "/V")
        value = self.now.dictionary(field, "/V")
        contents = value.raw_get("/Contents", decrypt=EncryptedObjAccess.RAW)
        if at is None:
            raise TypeError("a signature is an object of its own")
        start, end = self._gaps.place(bytes(contents.original_bytes))
        return FieldSignature(
            name=str(self.now.entry(field, "/T")),
            is_timestamp=self.now.entry(value, "/Type") == "/DocTimeStamp",
            byte_range=tuple(int(number) for number in self.now.items(value, "/ByteRange")),
            contents=bytes.fromhex(self.pdf[start + 1 : end - 1].decode("ascii")),
            gap=(start, end),
            revision=int(self.reader.xrefs.get_last_change(at)),
            certifies=self._certifies(at, value),
        )

    def _certifies(self, at: Reference, value: DictionaryObject) -> bool:
        """DocMDP "filling in forms and signing" (2), and the catalog says it is this one. ISO 32000-2 12.8.2.2."""
        if reference(self.now.dictionary(self.now.root, "/Perms"), "/DocMDP") != at:
            return False
        parts = self.now.items(value, "/Reference")
        limits = [part for part in parts if self.now.entry(part, "/TransformMethod") == "/DocMDP"]
        return [self.now.entry(self.now.dictionary(part, "/TransformParams"), "/P") for part in limits] == [2]
