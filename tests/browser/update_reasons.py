"""Forgeries of which only one check can notice each, with a part of the reason that the page then gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from tests.browser.update_files import (
    NEW,
    Case,
    Objects,
    Revision,
    body_of,
    drawn,
    form_of,
    last_revision,
    number_of,
    own_field,
    page_of,
    picture_of,
    root_of,
)
from tests.browser.update_grounds import signed_over

XML = b"<< /Type /Metadata /Subtype /XML"
METADATA = drawn(b"<x/>").replace(b"<<", XML, 1)
Change = Callable[[Revision], None]


def reasons_by_case(honest: Mapping[str, Case]) -> Iterator[tuple[Case, str]]:
    """Yield each forgery with its reason. `honest`: the cases of a contract that is signed in turn, by name."""
    first, second = honest["contract, guardian-1, picture"], honest["contract, guardian-2, plain"]
    for name, (change, why) in CHANGES.items():
        case = second if name.startswith("second: ") else first
        revision = last_revision(case.shown, case.prepared)
        revision.trailer = re.sub(rb"/Size \d+", b"/Size 1000", revision.trailer)
        change(revision)
        yield Case(name, case.shown, revision.write()), why
    yield from _of_fields(first)
    yield from _of_the_catalog(first)
    yield from _of_limits(second)


def _sub(revision: Revision, number: int, pattern: bytes, new: bytes) -> None:
    body = revision.objects.get(number) or body_of(revision.before, number)
    revision.objects[number], times = re.subn(pattern, new, body, count=1, flags=re.DOTALL)
    assert times == 1


def _in_catalog(pattern: bytes, new: bytes) -> Change:
    return lambda revision: _sub(revision, root_of(revision.before), pattern, new)


def _signature(revision: Revision) -> int:
    return next(number for number, body in revision.objects.items() if b"/ByteRange" in body)


def _info(revision: Revision) -> int:
    return int(re.findall(rb"/Info (\d+) 0 R", revision.trailer)[-1])


def _metadata(revision: Revision) -> int:
    return int(re.findall(rb"/Metadata (\d+) 0 R", body_of(revision.before, root_of(revision.before)))[-1])


def _with(*changes: Change) -> Change:
    def change(revision: Revision) -> None:
        for each in changes:
            each(revision)

    return change


def _adding(body: bytes) -> Change:
    return lambda revision: revision.objects.update({NEW: body})


CHANGES: dict[str, tuple[Change, str]] = {
    "a date that is a page": (
        lambda revision: _sub(
            revision, _info(revision), rb"/ModDate\s*\(.*?\)", b"/ModDate %d 0 R" % page_of(revision.before)
        ),
        "/ModDate is no text",
    ),
    "metadata replaced by contents": (
        lambda revision: revision.objects.update({_metadata(revision): drawn()}),
        "the metadata are something else",
    ),
    "metadata replaced by a dictionary": (
        lambda revision: revision.objects.update({_metadata(revision): XML + b" >>"}),
        "the metadata are something else",
    ),
    "other metadata beside the former": (
        _with(_in_catalog(rb"/Metadata \d+", b"/Metadata %d" % NEW), _adding(METADATA)),
        "the metadata are something else",
    ),
    "extensions that hold an object": (
        _with(_in_catalog(rb"/Extensions <<", b"/Extensions << /X %d 0 R" % NEW), _adding(b"<< /ca 0 >>")),
        "the extensions hold objects",
    ),
    "an older version": (_in_catalog(rb"/Version\s*/2\.0", b"/Version /1.4"), "the version of the format changes"),
    "permissions of another object": (
        _with(_in_catalog(rb"/DocMDP \d+", b"/DocMDP %d" % NEW), _adding(b"<< /Type /Sig >>")),
        "the permissions change",
    ),
    "second: permissions of the own signature": (
        lambda revision: _sub(
            revision, root_of(revision.before), rb"/DocMDP \d+", b"/DocMDP %d" % _signature(revision)
        ),
        "the permissions change",
    ),
    "flags of the form that are no number": (
        lambda revision: _sub(revision, form_of(revision.before), rb"/SigFlags \d+", b"/SigFlags (3)"),
        "the form's flags are no number",
    ),
    "a signature with more entries": (
        lambda revision: _sub(revision, _signature(revision), rb"/Type /Sig\b", b"/Type /Sig /Cert (x)"),
        "the signature has unknown entries",
    ),
    "a signature with two empty places": (
        lambda revision: _sub(revision, _signature(revision), rb"\s*>>\Z", b" /Name <0000> >>"),
        "the signature has no empty place",
    ),
    "a signature that is a stream": (
        lambda revision: _sub(revision, _signature(revision), rb">>\Z", b"/Length 0 >>\nstream\n\nendstream"),
        "a dictionary is missing",
    ),
    "a second signature in no field": (_adding(b"<< /ByteRange 0 >>"), "more than one signature"),
    "a picture that was there before": (
        lambda revision: _sub(
            revision, own_field(revision), rb"/N \d+", b"/N %d" % number_of(revision.before, rb"/Subtype\s*/Form")
        ),
        "made of objects that were there before",
    ),
    "a picture that is an image": (
        lambda revision: _sub(revision, picture_of(revision), rb"/Subtype\s*/Form", b"/Subtype /Image"),
        "the field's picture is none",
    ),
    "a picture whose bounds are no numbers": (
        lambda revision: _sub(revision, picture_of(revision), rb"/BBox\s*\[.*?\]", b"/BBox [(0) (0) (9) (9)]"),
        "a place without four corners",
    ),
    "a picture with a function in a list": (
        lambda revision: _sub(
            revision, picture_of(revision), rb"/Subtype\s*/Form", b"/Subtype /Form /FormType [<< /TR2 /Identity >>]"
        ),
        "the picture could hide what is below it",
    ),
    "a row that names the place of another object": (
        lambda revision: revision.rows.update({own_field(revision): b"%010d 00000 n \n" % len(revision.before)}),
        "the table is wrong about object",
    ),
    "an object that no table names": (
        lambda revision: setattr(revision, "behind", b"%d 0 obj\n<< >>\nendobj\n" % NEW),
        "the table leaves objects out",
    ),
    "a stream without its end": (
        _adding(drawn().replace(b"\nendstream", b"")),
        "are not what the hub writes there",
    ),
    **{
        f"a stream with {word.decode()}": (_adding(drawn(word)), "a stream holds what looks like another object")
        for word in (b"9 0 obj", b"endobj", b"startxref", b"trailer <<", b"%%EOF")
    },
    "a picture without a stream": (
        lambda revision: _sub(revision, picture_of(revision), rb"\nstream\n.*", b""),
        "the field's picture is none",
    ),
}


def _of_fields(case: Case) -> Iterator[tuple[Case, str]]:
    """Yield cases in which the shown file was prepared so that its field is none that the page signs."""
    signed = last_revision(case.shown, case.prepared)
    field = own_field(signed)
    place = re.search(rb"/Rect \[.*?\]", body_of(case.shown, field), re.DOTALL)
    assert place
    for name, old, new, why in (
        ("a text field", b"/FT /Sig", b"/FT /Tx", "the field cannot be signed"),
        ("a field that is too wide", place[0], b"/Rect [ 9 9 409 19 ]", "too large"),
        ("a field with too large an area", place[0], b"/Rect [ 9 600 209 800 ]", "too large"),
    ):
        ground, also = (body.replace(old, new) for body in (body_of(case.shown, field), signed.objects[field]))
        assert new in ground and new in also
        yield signed_over(name, case, {field: ground}, {field: also}), why
    beside = number_of(case.shown, rb"/T \(guardian\\0552\)")
    for name, more in (
        ("another field that is hidden", b"/F 134"),
        ("another field with a background", b"/F 132 /MK << /BG [1] >>"),
    ):
        body = body_of(case.shown, beside).replace(b"/F 132", more, 1)
        yield signed_over(name, case, {beside: body}, {}), "readers show a field in different ways"


def _of_the_catalog(case: Case) -> Iterator[tuple[Case, str]]:
    """Yield cases in which the shown file's catalog was prepared so that more of it may seem to change."""
    signed, shown = last_revision(case.shown, case.prepared), case.shown
    root = root_of(shown)
    before, after = body_of(shown, root), signed.objects[root]

    def both(pattern: bytes, new: bytes, newer: bytes, more: Objects) -> tuple[Objects, Objects]:
        return {root: re.sub(pattern, new, before)}, {root: re.sub(pattern, newer, after), **more}

    none = both(rb"/Metadata \d+ 0 R", b"", b"/Metadata %d 0 R" % NEW, {NEW: drawn()})
    contents = signed_over("new metadata that are contents", case, *none)
    yield _without(contents, _metadata(signed)), "the metadata are something else"
    smaller = signed_over("a size that is smaller than before", case, {NEW: b"7"}, {})
    head, size, end = smaller.prepared.rpartition(b"/Size 1000")
    smaller = Case(smaller.name, smaller.shown, head + size.replace(b"1000", b"0999") + end)
    yield smaller, "/Size is not the number of objects"
    form = body_of(shown, form_of(shown))
    asking, pattern = form.replace(b"<<", b"<< /NeedAppearances true ", 1), rb"/AcroForm \d+ 0 R"
    literal, newer = (b"/AcroForm " + each.replace(b"\\", b"\\\\") for each in (form, asking))
    for name, change, why in (
        ("a form in the catalog that asks for new pictures", newer, "the form changes: /NeedAppearances"),
        ("a form that moves out of the catalog", b"/AcroForm %d 0 R" % NEW, "the form is another one"),
    ):
        ground, also = both(pattern, literal, change, {NEW: asking})
        moved = signed_over(name, case, ground | {form_of(shown): b"<< >>"}, also)
        yield _without(moved, form_of(shown)), why
    pages = re.search(rb"/Pages (\d+) 0 R", before)
    assert pages
    tree = body_of(shown, int(pages[1]))
    kids, count = re.search(rb"/Kids\s*\[\s*(\d+ 0 R)", tree), re.search(rb"/Count (\d+)", tree)
    assert kids and count
    twice = tree.replace(kids[0], kids[0] + b" " + kids[1]).replace(count[0], b"/Count %d" % (int(count[1]) + 1))
    yield signed_over("a page twice", case, {int(pages[1]): twice}, {}), "a page stands in more than one place"
    ground, also = {_metadata(signed): drawn()}, {_metadata(signed): METADATA}
    yield signed_over("contents that become metadata", case, ground, also), "the metadata are something else"


def _without(case: Case, number: int) -> Case:
    """Return the case without a replaced object in its last revision."""
    revision = last_revision(case.shown, case.prepared)
    revision.objects.pop(number, None)
    return Case(case.name, case.shown, revision.write())


def _of_limits(case: Case) -> Iterator[tuple[Case, str]]:
    """Yield cases in which the page uses the catalog as its graphics states, and a signature seems to refer to it more
    often than one does."""
    shown, root = case.shown, root_of(case.shown)
    earlier, seal = number_of(shown, rb"/ByteRange"), number_of(shown, rb"/T \(seal\)")
    resources = number_of(shown, rb"\A<</ProcSet")
    states = {resources: body_of(shown, resources).replace(b"<<", b"<< /ExtGState %d 0 R " % root, 1)}
    invisible = last_revision(shown, case.prepared).objects
    also = {root: invisible[root].replace(b"/Extensions <<", b"/Extensions << /ca 0 ", 1)} if root in invisible else {}
    value = body_of(shown, seal).replace(b"<<", b"<< /V %d 0 R " % earlier, 1)
    why = "the catalog is something else as well"
    limits = body_of(shown, earlier).replace(b"/Type /SigRef", b"/Type /SigRef /Data %d 0 R" % root)
    ground = states | {seal: value, earlier: limits}
    yield signed_over("a value of two fields that limits the catalog", case, ground, also), why
    more = re.sub(rb"/Reference\s*\[", b"/Reference [ << /Type /SigRef >> ", body_of(shown, earlier))
    assert more != body_of(shown, earlier)
    yield signed_over("a limit of nothing", case, states | {earlier: more}, also), why
