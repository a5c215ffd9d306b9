"""Read a signed PDF of Qianda: its revisions, its signature fields, and limits against hostile files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from qianda.pdf import HexString, NotOurForm, Revision, TooComplex, read_revisions
from qianda.verify import reasons
from qianda.verify.findings import UnreadablePdf, readable
from qianda.verify.pdf.document import Document, Entries, as_dictionary, reference, references
from qianda.verify.pdf.foreign import foreign_reason

MAX_FILE_BYTES = 64 << 20  # a contract has about 300 KB
MAX_FIELDS = 100


@dataclass(frozen=True)
class FieldSignature:
    """The signature in one field.

    `byte_range`: as written in the file; `contents`: the DER with its zero padding. `gap`: the place of `/Contents` in
    the file, from its `<` to after its `>`. `revision` counts from 0.
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
        """Offset after the last byte that the signature covers."""
        return sum(self.byte_range[2:4])


@dataclass(frozen=True)
class ContractName:
    """The contract that the file claims to be. A part is empty if the file does not state it."""

    number: str
    title: str
    school: str


class SignedFile:
    """A PDF in memory. Raises UnreadablePdf if it is not a PDF or exceeds the limits, NotOurForm if Qianda did not
    write it."""

    def __init__(self, pdf: bytes) -> None:
        if len(pdf) > MAX_FILE_BYTES:
            raise UnreadablePdf(reasons.TOO_LARGE.about(mib=MAX_FILE_BYTES >> 20))
        if not pdf.startswith(b"%PDF-"):
            raise UnreadablePdf(reasons.UNREADABLE)
        self.pdf = pdf
        try:
            self.revisions = read_revisions(pdf)
        except TooComplex:
            raise UnreadablePdf(foreign_reason(pdf) or reasons.TOO_COMPLEX) from None

    def at(self, revision: int) -> Document:
        """Return the document as it was in one of its revisions, counted from 0."""
        objects = {n: written.value for each in self.revisions[: revision + 1] for n, written in each.objects.items()}
        return Document(objects, self.revisions[revision].trailer)

    def after(self, before: Document, revision: int) -> Document:
        """Return the document as it was in a revision. `before` is the document in the previous revision."""
        added = self.revisions[revision]
        new = {number: written.value for number, written in added.objects.items()}
        return Document({**before.objects, **new}, added.trailer)

    @cached_property
    def now(self) -> Document:
        return self.at(len(self.revisions) - 1)

    @cached_property
    def fields(self) -> list[tuple[int | None, Entries]]:
        """Fields of the form as the last revision lists them, each with its object number."""
        form = self.now.dictionary(self.now.root, "/AcroForm")
        listed = self.now.array(form, "/Fields")
        if len(listed) > MAX_FIELDS:
            raise UnreadablePdf(reasons.TOO_COMPLEX)
        fields = [as_dictionary(self.now.follow(item), "a form field") for item in listed]
        return list(zip(references(listed), fields, strict=True))

    @cached_property
    def signatures(self) -> list[FieldSignature]:
        """Signatures in the order in which they were made."""
        signed = [field for _, field in self.fields if self.now.entry(field, "/FT") == "/Sig" and "/V" in field]
        return sorted(map(self._signature, signed), key=lambda signature: (signature.end, signature.name))

    @cached_property
    def issued(self) -> bytes:
        """Bytes of the document as it was issued: everything before the first signature."""
        first = min((signature.revision for signature in self.signatures), default=len(self.revisions))
        return self.pdf[: self.revisions[first - 1].end] if first else b""

    @cached_property
    def contract(self) -> ContractName:
        """Number, title and school from the document's information (ISO 32000-2 14.3.3), which no signing changes."""
        about = self.now.dictionary(self.now.trailer, "/Info")
        number, title, school = (text_of(self.now.entry(about, name)) for name in ("/Keywords", "/Title", "/Author"))
        return ContractName(number, title.removesuffix(number).rstrip(), school)

    def last_written(self, number: int) -> Revision:
        """Return the last revision that wrote the object. Raises NotOurForm if none did."""
        for revision in reversed(self.revisions):
            if number in revision.objects:
                return revision
        raise NotOurForm(f"object {number} is missing")

    def _signature(self, field: Entries) -> FieldSignature:
        number = reference(field, "/V")
        value = self.now.dictionary(field, "/V")
        contents, byte_range = value.get("/Contents"), self.now.items(value, "/ByteRange")
        if number is None or not isinstance(contents, HexString) or not isinstance(value.get("/ByteRange"), list):
            raise NotOurForm("a signature is not an object of its own with its parts")
        if self.pdf[contents.start : contents.end] != b"<%b>" % contents.hex().encode():
            raise NotOurForm("a signature has upper-case digits", contents.start)  # else bits could change unnoticed
        numbers = tuple(item for item in byte_range if type(item) is int)
        return FieldSignature(
            name=text_of(self.now.entry(field, "/T")),
            is_timestamp=self.now.entry(value, "/Type") == "/DocTimeStamp",
            byte_range=numbers if len(numbers) == len(byte_range) else (),
            contents=bytes(contents),
            gap=(contents.start, contents.end),
            revision=self.revisions.index(self.last_written(number)),
            certifies=self._certifies(number, value),
        )

    def _certifies(self, number: int, value: Entries) -> bool:
        """Return whether this signature limits later changes to "filling in forms and signing" (DocMDP 2), and the
        catalog names it.

        Source: ISO 32000-2 12.8.2.2.
        """
        if reference(self.now.dictionary(self.now.root, "/Perms"), "/DocMDP") != number:
            return False
        parts = [as_dictionary(part, "/Reference") for part in self.now.items(value, "/Reference")]
        limits = [part for part in parts if self.now.entry(part, "/TransformMethod") == "/DocMDP"]
        return [self.now.entry(self.now.dictionary(part, "/TransformParams"), "/P") for part in limits] == [2]


def text_of(value: object) -> str:
    """Return a text string (ISO 32000-2 7.9.2.2), or an empty one if the value is no readable string."""
    if not isinstance(value, bytes):
        return ""
    if value.startswith(b"\xfe\xff"):
        return readable(value[2:].decode("utf-16-be", "replace"))
    coding = "utf-8" if value.startswith(b"\xef\xbb\xbf") else "latin-1"
    return readable(value.decode(coding, "replace").removeprefix("\ufeff"))
