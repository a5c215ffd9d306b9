"""Check the hub's own finished file before the contract is marked completed. The check reads the bytes again and does
not rely on the code that wrote them.

It checks that the file consists of the issued bytes and the revisions of a contract's life, and nothing else; that each
revision wrote exactly what it had to; that every signature covers everything up to the end of its revision; and that
digests, signature values, certificates and timestamps match. What is expected comes from the database, not from the
file. Trust in a certificate is checked when it is issued or uploaded, not here. Sources: ISO 32000-2 7.5.6, 12.7.5.5
and 12.8.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hub.documents.pades.check_cms import Digest, OutsideProfile, certificate_of, check_signature, check_timestamp
from hub.documents.pades.check_store import NO_STORE, check_store, entries_of
from hub.documents.pades.cms import CONFIRMATION
from hub.documents.pades.plan import CannotUpdate, Entries, FieldPlan
from hub.documents.pades.source import read_plan
from hub.documents.pades.steps import CERTIFICATION, SIGNATURES_EXIST_APPEND_ONLY, WIDGET, field_lock, with_extension
from hub.documents.pades.update import references
from hub.documents.pades.written_revisions import FileIsWrong, WrittenRevision, is_written_as, read_value, read_written
from hub.documents.signing.signature import TIMESTAMP_FIELD
from qianda import der
from qianda.cms_parts import SIGNATURE_TIMESTAMP
from qianda.der import NotDer
from qianda.pdf import NotOurForm, Reference, Stream, Value, is_equal
from qianda.verify.pdf.active_content import active_parts
from qianda.verify.pdf.document import Document
from qianda.verify.pdf.structure import CLOCK_DIFFERENCE

_VALUE = re.compile(
    rb"<</Filter /Adobe\.PPKLite(?:\n/M \(D:\d{14}Z\))?(?:\n/Reference \[[^\]]*\])?"
    rb"\n/SubFilter (?P<format>/ETSI\.CAdES\.detached|/ETSI\.RFC3161)\n/Type (?P<type>/Sig|/DocTimeStamp)"
    rb"\n/ByteRange \[0 (?P<gap>[1-9]\d*) (?P<resume>[1-9]\d*) (?P<rest>[1-9]\d*)\] */Contents "
    rb"<(?P<digits>[0-9a-f]+)>>>"
)
_APPEARANCE = re.compile(
    rb"<</BBox \[0 0 (?P<width>[\d.]+) (?P<height>[\d.]+)\]\n/Length \d+\n"
    # Version 0.3.0 wrote pictures that are not multiplied with the page; a contract under way may have some.
    rb"/Resources <<(?P<state>/ExtGState <</Multiply <</BM /Multiply>>>>)?/XObject <</Stamp \d+ 0 R>>>>"
    rb"\n/Subtype /Form\n/Type /XObject>>\nstream\n"
    rb"q (?(state)/Multiply gs )[\d.]+ 0 0 [\d.]+ 0 0 cm /Stamp Do Q\nendstream"
)
_MAX_NUMBER_LENGTH = 8
_DIGITS = b"0123456789"


@dataclass(frozen=True)
class ExpectedSignature:
    """What the database knows of the signature in a field. `certificate`, `value` and the passkey's
    `confirmation` are DER."""

    field: str
    certificate: bytes
    value: bytes
    confirmation: bytes | None = None


@dataclass(frozen=True)
class Expected:
    """What the finished file has to contain. `signatures`: in the order of signing, the seal's last. `certificates`:
    all that signatures may contain. `timestamp_certificates`: those that identify the timestamp authority."""

    issued_sha256: str
    issued_length: int
    signatures: Sequence[ExpectedSignature]
    certificates: frozenset[bytes]
    timestamp_certificates: frozenset[bytes]


def check_finished_file(pdf: bytes, expected: Expected) -> datetime:
    """Return the time of the document timestamp. Raises FileIsWrong, which says what is wrong, and OutsideProfile for a
    file that another check has to judge."""
    try:
        return _FinalCheck(pdf, expected).run()
    except (CannotUpdate, NotDer, NotOurForm, zlib.error, KeyError, IndexError, ValueError, TypeError) as error:
        raise FileIsWrong(f"{type(error).__name__}: {error}") from error


class _FinalCheck:
    def __init__(self, pdf: bytes, expected: Expected) -> None:
        self._pdf, self._expected = pdf, expected
        self._hash = hashlib.sha256(memoryview(pdf)[: expected.issued_length])
        if len(pdf) <= expected.issued_length or self._hash.hexdigest() != expected.issued_sha256:
            raise FileIsWrong("it does not begin with the issued file")
        if pdf.find(b"(pyHanko", expected.issued_length) >= 0:
            raise OutsideProfile("a revision by pyHanko")
        self._hashed_to = expected.issued_length
        self._issued = read_plan(pdf[: expected.issued_length])
        self._catalog: Entries = with_extension(self._issued.catalog)
        self._store = NO_STORE
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._certificates = expected.certificates | expected.timestamp_certificates

    def run(self) -> datetime:
        self._check_issued()
        revisions = read_written(self._pdf, self._issued)
        *signers, seal = self._expected.signatures
        if len(revisions) != 2 * len(signers) + 2:
            raise FileIsWrong("the number of revisions")
        for place, signer in enumerate(signers):
            vri = self._check_signing(revisions[2 * place], signer, first=place == 0)
            self._check_evidence(revisions[2 * place + 1], vri, set())
        vri = self._check_signing(revisions[-2], seal, first=False)
        return self._check_closing(revisions[-1], vri)

    def _check_issued(self) -> None:
        """Check that the fields are those of the parties and all empty, and that nothing refers to objects of later
        revisions."""
        issued = self._issued
        names = [each.field for each in self._expected.signatures]
        if (
            sorted(names) != sorted(issued.signatures)
            or len(issued.fields) != len(names)
            or issued.signed
            or issued.store
        ):
            raise FileIsWrong("the issued file is signed")
        certificates = [each.certificate for each in self._expected.signatures]
        if certificates[-1] in certificates[:-1]:
            raise FileIsWrong("the seal has a signer's certificate")
        if _highest_reference(self._pdf[: issued.length]) >= issued.size:
            raise FileIsWrong("the issued file refers to what is not there")

    def _check_signing(self, revision: WrittenRevision, signer: ExpectedSignature, *, first: bool) -> str:
        """Check a revision with a signature. Return the name that the signature has in /VRI."""
        field = self._issued.signatures[signer.field]
        number, value = self._value_of(revision, "/Sig")
        limits = CERTIFICATION if first else field_lock(self._issued.root) if "/Lock" in field.entries else "null"
        if not is_equal(entries_of(revision.values[number]).get("/Reference"), read_value(limits.encode())):
            raise FileIsWrong(f"{signer.field}: what the signature allows")
        may = {field.number}
        if first:
            self._catalog = self._catalog | {"/Perms": f"<</DocMDP {number} 0 R>>"}
            self._check_catalog(revision)
            may.add(self._issued.root)
        if revision.replaced != may:
            raise FileIsWrong(f"{signer.field}: other objects were replaced")
        self._check_field(revision, field, number)
        contents = bytes.fromhex(value["digits"].decode())
        self._check_value(signer, _without_padding(contents), self._digest(revision, number, value))
        return hashlib.sha1(value["digits"], usedforsecurity=False).hexdigest().upper()

    def _check_catalog(self, revision: WrittenRevision) -> None:
        if not is_written_as(revision.values.get(self._issued.root), self._catalog):
            raise FileIsWrong("the catalog")

    def _check_field(self, revision: WrittenRevision, field: FieldPlan, value: int) -> None:
        """Check that the field has its value, and either its former appearance or a picture that fills it."""
        shown, entries = revision.values[field.number], field.entries | {"/V": f"{value} 0 R"}
        if is_written_as(shown, entries):
            if revision.new != {value}:
                raise FileIsWrong("a signature with other objects")
            return
        match shown:
            case {"/AP": {"/N": Reference(number=picture)}}:
                entries |= {"/AP": f"<</N {picture} 0 R>>"}
                if is_written_as(shown, entries):
                    _check_picture(revision, value, picture, field.entries["/Rect"])
                    return
        raise FileIsWrong("a field was changed")

    def _value_of(self, revision: WrittenRevision, kind: str) -> tuple[int, re.Match[bytes]]:
        found = [(number, _VALUE.fullmatch(revision.objects[number])) for number in sorted(revision.new)]
        values = [(number, value) for number, value in found if value is not None]
        if len(values) != 1 or values[0][1]["type"] != kind.encode():
            raise FileIsWrong("a revision without its signature")
        expected = b"/ETSI.CAdES.detached" if kind == "/Sig" else b"/ETSI.RFC3161"
        if values[0][1]["format"] != expected:
            raise FileIsWrong("a signature of another kind")
        return values[0]

    def _digest(self, revision: WrittenRevision, number: int, value: re.Match[bytes]) -> bytes:
        """Check the byte range, and return the SHA-256 over it. The file is hashed once for all signatures."""
        begins = revision.place(number)
        gap, resume = begins + value.start("digits") - 1, begins + value.end("digits") + 1
        if (int(value["gap"]), int(value["resume"]), int(value["rest"])) != (gap, resume, revision.end - resume):
            raise FileIsWrong("a signature that does not cover its revision")
        view = memoryview(self._pdf)
        self._hash.update(view[self._hashed_to : gap])
        covered = self._hash.copy()
        covered.update(view[resume : revision.end])
        self._hash.update(view[gap:resume])
        self._hashed_to = resume
        return covered.digest()

    def _check_value(self, signer: ExpectedSignature, contents: bytes, digest: bytes) -> None:
        checked = check_signature(contents, _only_sha256(digest), self._certificates)
        if checked.certificate != signer.certificate or checked.value != signer.value:
            raise FileIsWrong(f"{signer.field}: another signature than the one that was accepted")
        unsigned = dict(checked.unsigned)
        token = unsigned.pop(SIGNATURE_TIMESTAMP, None)
        if token is None or unsigned != ({CONFIRMATION: signer.confirmation} if signer.confirmation else {}):
            raise FileIsWrong(f"{signer.field}: its unsigned attributes")
        time = self._check_timestamp(token, _hash_of(checked.value))
        own = certificate_of(checked.certificate)
        if not own.not_valid_before_utc <= time <= own.not_valid_after_utc:
            raise FileIsWrong(f"{signer.field}: the certificate was not valid at the time of its timestamp")

    def _check_evidence(self, revision: WrittenRevision, vri: str, others: set[int]) -> None:
        """Check the store and its new objects. `others`: numbers of objects that are checked elsewhere."""
        added = not self._store.number
        self._store = check_store(revision, self._store, vri, others, self._certificates)
        may = {self._store.number}
        if added:
            self._catalog = self._catalog | {"/DSS": f"{self._store.number} 0 R"}
            self._check_catalog(revision)
            may = {self._issued.root}
        if revision.replaced - others != may:
            raise FileIsWrong("evidence replaced other objects")

    def _check_closing(self, revision: WrittenRevision, vri: str) -> datetime:
        value_number, value = self._value_of(revision, "/DocTimeStamp")
        if "/Reference" in entries_of(revision.values[value_number]):
            raise FileIsWrong("what the document timestamp allows")
        seal = self._issued.signatures[self._expected.signatures[-1].field]
        page = self._issued.pages[seal.page]
        entries = WIDGET | {"/T": f"({TIMESTAMP_FIELD})", "/Rect": "[0 0 0 0]", "/P": f"{page.number} 0 R"}
        entries |= {"/V": f"{value_number} 0 R"}
        fields = [number for number in revision.new if is_written_as(revision.values[number], entries)]
        if len(fields) != 1:
            raise FileIsWrong("the field of the document timestamp")
        form = self._issued.form_entries | {
            "/Fields": references((*self._issued.fields, fields[0])),
            "/SigFlags": SIGNATURES_EXIST_APPEND_ONLY,
        }
        listed = f"[{' '.join((*page.annotations, f'{fields[0]} 0 R'))}]"
        shown = page.list_number or page.number
        listing, present = listed.encode("latin-1"), revision.values.get(shown)
        if page.list_number:
            right = is_equal(present, read_value(listing))
        else:
            right = is_written_as(present, page.entries | {"/Annots": listed})
        if not right or not is_written_as(revision.values.get(self._issued.form), form):
            raise FileIsWrong("the lists that the document timestamp joins")
        self._check_evidence(revision, vri, {value_number, fields[0], self._issued.form, shown})
        digest = self._digest(revision, value_number, value)
        if revision.end != len(self._pdf):
            raise FileIsWrong("something follows the document timestamp")
        token = _without_padding(bytes.fromhex(value["digits"].decode()))
        return self._check_timestamp(token, _only_sha256(digest))

    def _check_timestamp(self, token: bytes, digest: Digest) -> datetime:
        """Return the time of a timestamp, which cannot be earlier than that of any before it, whose bytes it covers."""
        time = check_timestamp(token, digest, self._expected.timestamp_certificates)
        if self._latest - time > CLOCK_DIFFERENCE:
            raise FileIsWrong("a timestamp is older than one that it covers")
        self._latest = max(self._latest, time)
        return time


def _check_picture(revision: WrittenRevision, value: int, number: int, rect: str) -> None:
    """Check that the picture fills the field, is cut off at its edges, and refers only to its own objects. `value`:
    number of the signature's value."""
    appearance = _APPEARANCE.fullmatch(revision.objects.get(number, b""))
    left, bottom, right, top = (float(corner) for corner in rect.strip("[] \n").split())
    if appearance is None or number not in revision.new:
        raise FileIsWrong("the picture of a signature")
    if (float(appearance["width"]), float(appearance["height"])) != (abs(right - left), abs(top - bottom)):
        raise FileIsWrong("the bounds of a picture")
    reached, waiting = set[int](), [number]
    while waiting:
        each = waiting.pop()
        if each not in reached:
            reached.add(each)
            waiting += _references_in(revision.values.get(each))
    if reached != revision.new - {value}:
        raise FileIsWrong("a picture that refers to other objects, or other objects beside it")
    document = Document({**revision.values, 0: {}}, {"/Root": Reference(0)})  # the picture refers to no others
    if any(name for each in reached for name in active_parts(document, revision.values[each])):
        raise FileIsWrong("a picture that does not look the same everywhere")


def _references_in(value: Value) -> Iterator[int]:
    """Yield the numbers of the objects that a value refers to."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case Reference(number=number):
                yield number
            case Stream(entries=entries):
                waiting += entries.values()
            case dict() as entries:
                waiting += entries.values()
            case list() as items:
                waiting += items


def _highest_reference(pdf: bytes) -> int:
    """Return the greatest number before " 0 R". Splitting there is ten times as fast as a regular expression."""
    before = {piece[-_MAX_NUMBER_LENGTH:] for piece in pdf.split(b" 0 R")[:-1]}
    numbers = {piece[len(piece.rstrip(_DIGITS)) :] for piece in before}
    return max((int(number) for number in numbers if number), default=0)


def _without_padding(contents: bytes) -> bytes:
    """Return the single DER value. Only zeros may follow it."""
    tag, first = contents[0], contents[1]
    count = first & 0x7F if first & 0x80 else 0
    length = int.from_bytes(contents[2 : 2 + count], "big") if count else first
    end = 2 + count + length
    if tag != der.SEQUENCE or contents[end:].strip(b"\0"):
        raise FileIsWrong("something follows a signature's value")
    return contents[:end]


def _only_sha256(digest: bytes) -> Digest:
    def hashed(name: str) -> bytes:
        if name != "sha256":
            raise OutsideProfile(f"a document hashed with {name}")
        return digest

    return hashed


def _hash_of(value: bytes) -> Digest:
    return lambda name: hashlib.new(name, value).digest()
