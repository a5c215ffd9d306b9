"""Prepared files, honest and not: what the hub writes, and what a hub could write that wants another text signed.

The dishonest ones are real prepared files (by pyHanko; for our own engine see `test_genuine_files`) whose last revision
was changed and rewritten. Table, lengths and byte range are right, so that only the change itself can be noticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from hub.documents.contract.clauses import ClauseWriter
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import ContractPrinter
from hub.documents.fonts import ContractFont
from hub.documents.signing.signature import FieldBox, NewSignature
from hub.documents.signing.stamps import SignerStamp, signature_stamp
from hub.tokens.softkey import SoftKey
from tests.browser.update_files import (
    NEW,
    Case,
    Revision,
    body_of,
    content_of,
    drawn,
    edit,
    form_of,
    last_revision,
    next_trailer,
    number_of,
    own_field,
    page_of,
    root_of,
    set_previous,
    startxref,
    with_byte_range,
)
from tests.browser.update_grounds import array_cases, prepared_ground_cases, resource_cases
from tests.browser.update_pictures import picture_cases
from tests.documents.contract_samples import TEMPLATES, minor
from tests.pdf_steps import PYHANKO, with_signature_fields, with_validation_data
from tests.signing_parts import Pki, boxes_for, pki_certificates, sample_pdf, sign

FIRST, SECOND = "guardian-1", "guardian-2"


# ---- what the hub writes


async def honest_cases() -> list[Case]:
    """Return cases from a small file and a real contract: every party in turn, with and without a picture."""
    boxes, contract = _contract()
    small = with_signature_fields(sample_pdf(), boxes_for((FIRST, SECOND)), engine=PYHANKO)
    return [*await _signed_in_turn("small", small), *await _signed_in_turn("contract", _with_fields(contract, boxes))]


def _contract() -> tuple[list[FieldBox], bytes]:
    writer = ClauseWriter()
    try:
        printer = ContractPrinter(ContractTemplates(TEMPLATES), writer, ContractFont())
        laid_out = printer.lay_out("course", "zh", minor(guardians=2))
    finally:
        writer.close()
    boxes = [FieldBox(b.name, b.page, b.x1, b.y1, b.x2, b.y2, b.name == "seal") for b in laid_out.boxes]
    return boxes, laid_out.pdf


def _with_fields(pdf: bytes, boxes: list[FieldBox]) -> bytes:
    return with_signature_fields(pdf, boxes, engine=PYHANKO)


async def _signed_in_turn(kind: str, document: bytes) -> list[Case]:
    pki, cases = await Pki.make(), list[Case]()
    stamp = signature_stamp(SignerStamp("王小明", None, "2026-12-01", "zh"), (160.0, 62.0))
    for name in (FIRST, SECOND, "seal"):
        key, chain = pki.seal_key, pki.seal.chain
        if name != "seal":
            key = SoftKey.generate(name)
            chain = (await pki.authority.enrol(key.spki, "王小明", name)).chain
        first, last = name == FIRST, name == "seal"
        for looks, picture in (("plain", None), ("picture", stamp)):
            made = PYHANKO.prepare(document, NewSignature(name, certify=first, final=last, appearance=picture), chain)
            cases.append(Case(f"{kind}, {name}, {looks}", document, made.file))
        document = await sign(
            document, name, key, chain, pki, certify=first, final=last, appearance=picture, engine=PYHANKO
        )
        crl = await pki.authority.revocation_list([])
        document = with_validation_data(document, name, pki_certificates(pki), [crl], engine=PYHANKO)
    return cases


# ---- what another hub could write: the change is in the last revision, or in the shown file before it


Change = Callable[[Revision], None]
FIRST_CHANGES: dict[str, Change] = {}
SECOND_CHANGES: dict[str, Change] = {}


def _first(change: Change) -> Change:
    FIRST_CHANGES[change.__name__.strip("_").replace("_", " ")] = change
    return change


def _second(change: Change) -> Change:
    SECOND_CHANGES[change.__name__.strip("_").replace("_", " ")] = change
    return change


def to_catalog(revision: Revision, entries: bytes) -> None:
    edit(revision, root_of(revision.before), b"/Type /Catalog", b"/Type /Catalog " + entries)


@_first
def page_with_other_content(revision: Revision) -> None:
    old = b"/Contents %d 0 R" % content_of(revision.before)
    edit(revision, page_of(revision.before), old, b"/Contents %d 0 R" % NEW)
    revision.objects[NEW] = drawn()


@_first
def content_replaced(revision: Revision) -> None:
    revision.objects[content_of(revision.before)] = drawn()


@_first
def annotation_added(revision: Revision) -> None:
    edit(revision, page_of(revision.before), b"/Annots [", b"/Annots [ %d 0 R" % NEW)
    revision.objects[NEW] = b"<< /Type /Annot /Subtype /Stamp /Rect [9 9 99 99] /F 4 /AP << /N %d 0 R >> >>" % (NEW + 1)
    form = b"<< /Type /XObject /Subtype /Form /BBox [0 0 90 90]"
    revision.objects[NEW + 1] = drawn(b"1 0 0 rg 0 0 90 90 re f").replace(b"<<", form, 1)


@_first
def other_pages(revision: Revision) -> None:
    pages = re.search(rb"/Pages \d+ 0 R", body_of(revision.before, root_of(revision.before)))
    assert pages
    edit(revision, root_of(revision.before), pages[0], b"/Pages %d 0 R" % NEW)
    revision.objects[NEW] = b"<< /Type /Pages /Count 1 /Kids [%d 0 R] >>" % (NEW + 1)
    revision.objects[NEW + 1] = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] >>" % NEW


@_first
def pages_twice_in_the_catalog(revision: Revision) -> None:
    to_catalog(revision, b"/Pages %d 0 R" % NEW)
    revision.objects[NEW] = b"<< /Type /Pages /Count 0 /Kids [] >>"


@_first
def script_on_opening(revision: Revision) -> None:
    to_catalog(revision, b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>")


@_first
def script_by_name(revision: Revision) -> None:
    to_catalog(revision, b"/Names << /JavaScript << /Names [(a) %d 0 R] >> >>" % NEW)
    revision.objects[NEW] = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"


@_first
def additional_actions(revision: Revision) -> None:
    to_catalog(revision, b"/AA << /WP << /S /Named /N /Print >> >>")


@_first
def optional_content(revision: Revision) -> None:
    to_catalog(revision, b"/OCProperties << /OCGs [] /D << >> >>")


@_first
def other_signers_field_changed(revision: Revision) -> None:
    other = number_of(revision.before, rb"/T \(guardian\\0552\)")
    edit(revision, other, b"/F 132", b"/F 2")


@_first
def own_field_moved(revision: Revision) -> None:
    edit(revision, own_field(revision), b"/Rect [", b"/Rect [ 1 2 3 4 ] /Was [")


@_first
def two_fields_signed(revision: Revision) -> None:
    value = re.search(rb"/V \d+ 0 R", revision.objects[own_field(revision)])
    assert value
    edit(revision, number_of(revision.before, rb"/T \(guardian\\0552\)"), b"/F 132", b"/F 132 " + value[0])


@_first
def field_added(revision: Revision) -> None:
    edit(revision, form_of(revision.before), b"/Fields [", b"/Fields [ %d 0 R" % NEW)
    revision.objects[NEW] = b"<< /FT /Tx /T (amount) /V (1.00) /Subtype /Widget /Rect [9 9 99 99] >>"


@_first
def form_asks_for_new_pictures(revision: Revision) -> None:
    edit(revision, form_of(revision.before), b"/Fields [", b"/NeedAppearances true /Fields [")


@_first
def picture_beyond_the_normal_one(revision: Revision) -> None:
    edit(revision, own_field(revision), b"/N ", b"/D %d 0 R /N " % NEW)
    revision.objects[NEW] = drawn()


@_first
def title_changed(revision: Revision) -> None:
    info = int(re.findall(rb"/Info (\d+) 0 R", revision.trailer)[-1])
    edit(revision, info, b"/ModDate", b"/Subject (Another contract) /ModDate")


@_first
def page_freed(revision: Revision) -> None:
    revision.rows[page_of(revision.before)] = b"0000000000 00001 f \n"


@_first
def table_names_other_bytes(revision: Revision) -> None:
    """The table says that the page's content is at a place inside another stream."""
    number = content_of(revision.before)
    hidden = b"%d 0 obj\n%b\nendobj\n" % (number, drawn())
    revision.objects = {NEW: drawn(hidden), **revision.objects}
    place = revision.write().index(hidden, len(revision.before))
    revision.rows[number] = b"%010d 00000 n \n" % place


@_first
def table_leads_out_of_the_file(revision: Revision) -> None:
    revision.rows[page_of(revision.before)] = b"9999999999 00000 n \n"


@_first
def previous_is_an_older_revision(revision: Revision) -> None:
    older = revision.before.split(b"startxref")[-2].split()[0]
    set_previous(revision, int(older))


@_first
def previous_is_in_the_new_part(revision: Revision) -> None:
    set_previous(revision, len(revision.before) + 9)


@_first
def no_previous(revision: Revision) -> None:
    revision.trailer = re.sub(rb"/Prev \d+", b"", revision.trailer)


@_first
def other_root(revision: Revision) -> None:
    revision.objects[NEW] = body_of(revision.before, root_of(revision.before))
    revision.trailer = re.sub(rb"/Root \d+", b"/Root %d" % NEW, revision.trailer)


@_first
def another_identity(revision: Revision) -> None:
    """The first part of /ID is what a file keeps in all its revisions (ISO 32000-2 14.4)."""
    revision.trailer, count = re.subn(rb"/ID\s*\[\s*[<(][^<>()]*[>)]", b"/ID [ <00>", revision.trailer)
    assert count == 1


@_first
def encrypted(revision: Revision) -> None:
    revision.trailer += b"/Encrypt << /Filter /Standard /V 1 /R 2 >>"


@_first
def new_object_refers_to_a_missing_one(revision: Revision) -> None:
    """Nothing shows yet, but the next revision could define the missing object."""
    revision.objects[NEW] = b"<< /Later %d 0 R >>" % (NEW + 1)


@_second
def certification_withdrawn(revision: Revision) -> None:
    body = body_of(revision.before, root_of(revision.before))
    permissions = re.search(rb"/Perms <<.*?>>", body, re.DOTALL)
    assert permissions
    edit(revision, root_of(revision.before), permissions[0], b"")


@_second
def evidence_of_the_first_signer_replaced(revision: Revision) -> None:
    number = number_of(revision.before, rb"/CRLs")
    edit(revision, number, b"/CRLs", b"/OldCRLs")


@_second
def signature_of_the_first_signer_again(revision: Revision) -> None:
    earlier = number_of(revision.before, rb"/ByteRange")
    own = own_field(revision)
    revision.objects[own] = re.sub(rb"/V \d+ 0 R", b"/V %d 0 R" % earlier, revision.objects[own])


def dishonest_cases(honest: list[Case]) -> Iterator[Case]:
    cases = {case.name: case for case in honest}
    for name, changes in ((FIRST, FIRST_CHANGES), (SECOND, SECOND_CHANGES)):
        case = cases[f"contract, {name}, plain"]
        for what, change in changes.items():
            revision = last_revision(case.shown, case.prepared)
            revision.trailer = re.sub(rb"/Size \d+", b"/Size 1000", revision.trailer)
            change(revision)
            yield Case(what, case.shown, revision.write())
    yield from _whole_file_cases(cases[f"contract, {FIRST}, plain"])
    yield from prepared_ground_cases(cases[f"contract, {FIRST}, plain"])
    yield from resource_cases(cases[f"contract, {FIRST}, plain"])
    yield from array_cases(cases[f"contract, {FIRST}, plain"])
    yield from picture_cases([cases[f"contract, {name}, picture"] for name in (FIRST, SECOND, "seal")])


def _whole_file_cases(case: Case) -> Iterator[Case]:
    shown, prepared = case.shown, case.prepared
    hidden = Revision(shown, {content_of(shown): drawn()}, next_trailer(shown)).write()
    signed = last_revision(shown, prepared)
    signed.before = hidden
    set_previous(signed, startxref(hidden))
    signed.trailer = re.sub(rb"/Size \d+", b"/Size 1000", signed.trailer)
    yield Case("a hidden revision before the signature", shown, signed.write())
    yield Case("a hidden revision after it", shown, Revision(prepared, {}, next_trailer(prepared)).write())
    yield Case("startxref once more", shown, prepared + b"startxref\n%d\n%%%%EOF\n" % startxref(shown))
    elsewhere = prepared.rpartition(b"startxref\n")[0] + b"startxref\n%d\n%%%%EOF\n" % startxref(shown)
    yield Case("startxref is that of the shown file", shown, with_byte_range(elsewhere))
    yield Case("another byte range", shown, prepared.replace(b"/ByteRange [0 ", b"/ByteRange [1 "))
    yield Case("other bytes than shown", shown, prepared.replace(b"/MediaBox", b"/mediaBox", 1))
    yield Case("nothing", shown, b"")
    yield Case("nothing but what was shown", shown, shown)
    yield Case("nothing was shown", b"", prepared)
    yield Case("an end cut off", shown, prepared[:-20])
    yield Case("no signature", shown, Revision(shown, {}, next_trailer(shown)).write())
    yield Case("an object in an object stream", shown, _with_object_stream(case))
    yield Case("a table in a stream", shown, _with_table_in_a_stream(case))


def _with_object_stream(case: Case) -> bytes:
    """A hybrid file: a plain table for everybody, and a cross-reference stream with another content for the page."""
    revision = last_revision(case.shown, case.prepared)
    page = page_of(case.shown)
    body = re.sub(rb"/Contents \d+ 0 R", b"/Contents %d 0 R" % NEW, body_of(case.shown, page))
    packed = b"%d 0 %b" % (page, body)
    first = len(b"%d 0 " % page)
    head = b"/Type /ObjStm /N 1 /First %d /Length %d" % (first, len(packed))
    revision.objects |= {NEW: drawn(), NEW + 1: b"<< %b >>\nstream\n%b\nendstream" % (head, packed)}
    row = bytes([2]) + (NEW + 1).to_bytes(4, "big") + bytes(2)
    head = b"/Type /XRef /Size 1000 /W [1 4 2] /Index [%d 1] /Length %d" % (page, len(row))
    revision.objects[NEW + 2] = b"<< %b >>\nstream\n%b\nendstream" % (head, row)
    revision.trailer = re.sub(rb"/Size \d+", b"/Size 1000 /XRefStm 0000000000", revision.trailer)
    place = revision.write().index(b"%d 0 obj" % (NEW + 2))
    revision.trailer = revision.trailer.replace(b"/XRefStm 0000000000", b"/XRefStm %010d" % place)
    return revision.write()


def _with_table_in_a_stream(case: Case) -> bytes:
    """A table in a stream: allowed by the format, and never written by the hub over files with plain tables."""
    file = Revision(case.shown, last_revision(case.shown, case.prepared).objects, b"").write()
    file = file[: file.rindex(b"xref\n0 1")]
    numbers = [int(number) for number in re.findall(rb"(\d+) 0 obj", file[len(case.shown) :])]
    rows = b"".join(b"\1" + file.index(b"%d 0 obj" % n, len(case.shown)).to_bytes(4, "big") + b"\0\0" for n in numbers)
    index = b" ".join(b"%d 1" % number for number in numbers)
    head = b"/Type /XRef /W [1 4 2] /Index [%b] /Length %d %b" % (index, len(rows), next_trailer(case.shown))
    table = b"%d 0 obj\n<< %b >>\nstream\n%b\nendstream\nendobj\n" % (NEW, head, rows)
    return with_byte_range(file + table + b"startxref\n%d\n%%%%EOF\n" % len(file))
