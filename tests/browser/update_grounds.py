"""Shown files that were prepared for a forgery: the change that follows looks like a part of a signature."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.browser.update_files import (
    NEW,
    Case,
    Objects,
    Revision,
    body_of,
    content_of,
    drawn,
    last_revision,
    next_trailer,
    number_of,
    own_field,
    page_of,
    root_of,
    set_previous,
    startxref,
)


def prepared_ground_cases(case: Case) -> Iterator[Case]:
    """Yield cases in which the shown file was made so that a change which looks like a part of a signature changes a
    page."""
    page, content, root = page_of(case.shown), content_of(case.shown), root_of(case.shown)
    field_number = own_field(last_revision(case.shown, case.prepared))
    page_body = body_of(case.shown, page)

    missing = page_body.replace(b"/Contents %d 0 R" % content, b"/Contents [%d 0 R %d 0 R]" % (content, NEW))
    yield signed_over("a missing object comes to life", case, {page: missing}, {NEW: drawn()})

    metadata = int(re.findall(rb"/Metadata (\d+) 0 R", body_of(case.shown, root))[-1])
    text = drawn(b"").replace(b"<<", b"<< /Type /Metadata /Subtype /XML")
    both = page_body.replace(b"/Contents %d 0 R" % content, b"/Contents [%d 0 R %d 0 R]" % (content, metadata))
    other = drawn().replace(b"<<", b"<< /Type /Metadata /Subtype /XML")
    yield signed_over("metadata that are a page's content", case, {page: both, metadata: text}, {metadata: other})

    whole = re.sub(rb"/Rect \[.*?\]", b"/Rect [ 0 0 595 842 ]", body_of(case.shown, field_number))
    yield signed_over("a field as large as the page", case, {field_number: whole}, {})

    beside = number_of(case.shown, rb"/T \(guardian\\0552\)")
    place = re.search(rb"/Rect \[.*?\]", body_of(case.shown, field_number))
    assert place
    same = re.sub(rb"/Rect \[.*?\]", place[0], body_of(case.shown, beside))
    yield signed_over("a field over another one", case, {beside: same}, {})

    empty = re.search(rb"/AP\s*<<\s*/N (\d+) 0 R", body_of(case.shown, field_number))
    assert empty
    text = body_of(case.shown, int(empty[1])).partition(b"/Length")[0] + drawn().removeprefix(b"<< ")
    yield signed_over("a field that showed a text", case, {int(empty[1]): text}, {})

    pages = re.findall(rb"\n(\d+) 0 obj\n<</Type/Page/", case.shown)
    elsewhere = int(pages[0])
    twice = body_of(case.shown, elsewhere).replace(b"<<", b"<< /Annots [%d 0 R]" % field_number, 1)
    yield signed_over("a field on two pages", case, {elsewhere: twice}, {})
    fields = re.search(rb"/Annots (\[.*?\])", page_body, re.DOTALL)
    assert fields
    one_list = {
        page: page_body.replace(fields[0], b"/Annots %d 0 R" % NEW),
        elsewhere: body_of(case.shown, elsewhere).replace(b"<<", b"<< /Annots %d 0 R" % NEW, 1),
        NEW: fields[1],
    }
    yield signed_over("a field on two pages by one list", case, one_list, {})

    yield from _field_cases(case, field_number)
    yield signed_over("a linearized file", case, {NEW: b"<< /Linearized 1 /L 234575 >>"}, {})
    for name, ground in tree_grounds(case.shown):
        yield signed_over(name, case, ground, {})


def _field_cases(case: Case, field: int) -> Iterator[Case]:
    """Yield cases in which only some readers show the field, or paint something else in its place."""
    signed = last_revision(case.shown, case.prepared).objects[field]
    for name, old, new in (
        ("a field that is only printed", b"/F 132", b"/F 164"),
        ("a field that is hidden", b"/F 132", b"/F 134"),
        ("a field with flags that are no number", b"/F 132", b"/F (x)"),
        ("a field with a background", b"/F 132", b"/F 132 /MK << /BG [1 1 1] >>"),
        ("a field with a border", b"/F 132", b"/F 132 /Border [0 0 99]"),
        ("a field with a style of border", b"/F 132", b"/F 132 /BS << /W 99 >>"),
    ):
        assert old in signed
        ground = {field: body_of(case.shown, field).replace(old, new, 1)}
        yield signed_over(name, case, ground, {field: signed.replace(old, new, 1)})


def tree_grounds(shown: bytes) -> Iterator[tuple[str, Objects]]:
    """Yield changes of the tree of pages after which readers show other pages, or show them turned."""
    page, found = page_of(shown), re.search(rb"/Pages (\d+) 0 R", body_of(shown, root_of(shown)))
    assert found
    tree, turned = int(found[1]), {NEW: b"<< /Type /Pages /Rotate 180 >>"}
    listed, alone = body_of(shown, tree), body_of(shown, page)
    yield "a list of pages that counts one more", {tree: re.sub(rb"/Count \d+", b"/Count 9", listed)}
    yield "a list of pages that counts none", {tree: re.sub(rb"/Count \d+", b"", listed)}
    above = listed.replace(b"<<", b"<< /Parent %d 0 R" % NEW, 1)
    yield "a list above all pages", {tree: above, **turned}
    yield "a list above all pages in it", {tree: listed.replace(b"<<", b"<< /Parent << /Rotate 180 >>", 1)}
    parted = re.sub(rb"/Parent \d+", b"/Parent %d" % NEW, alone)
    yield "a page with another parent", {page: parted, **turned}
    yield "a page without a parent", {page: re.sub(rb"/Parent \d+ 0 R", b"", alone)}


def resource_cases(case: Case) -> Iterator[Case]:
    """Yield cases in which the page uses the catalog as its graphics states, and an entry that signing may change is
    one of them."""
    page, content, root = page_of(case.shown), content_of(case.shown), root_of(case.shown)
    page_body, catalog = body_of(case.shown, page), last_revision(case.shown, case.prepared).objects[root]
    resources = number_of(case.shown, rb"\A<</ProcSet")
    assert b"/Resources %d 0 R" % resources in page_body
    states = b"<< /ExtGState %d 0 R " % root
    ground = {
        page: page_body.replace(b"/Contents %d 0 R" % content, b"/Contents [%d 0 R %d 0 R]" % (NEW, content)),
        resources: body_of(case.shown, resources).replace(b"<<", states, 1),
        NEW: drawn(b"/Extensions gs"),
    }
    invisible = {root: catalog.replace(b"/Extensions <<", b"/Extensions << /ca 0 ", 1)}
    yield signed_over("the catalog as graphics states", case, ground, invisible)
    yield signed_over("the catalog as graphics states, not used yet", case, ground, {})


def signed_over(name: str, case: Case, ground: Objects, also: Objects) -> Case:
    shown = Revision(case.shown, ground, next_trailer(case.shown)).write()
    revision = last_revision(case.shown, case.prepared)
    revision.before = shown
    if b"/Rect [ 0 0 595 842 ]" in b"".join(ground.values()):
        number = own_field(revision)
        revision.objects[number] = re.sub(rb"/Rect \[.*?\]", b"/Rect [ 0 0 595 842 ]", revision.objects[number])
    set_previous(revision, startxref(shown))
    revision.trailer = re.sub(rb"/Size \d+", b"/Size 1000", revision.trailer)
    revision.objects |= also
    return Case(name, shown, revision.write())


def array_cases(case: Case) -> Iterator[Case]:
    """Yield files in which an array takes the place of its only value. JavaScript converts both to the same text."""
    for name, old, new in (
        ("Contents", rb"/Contents (<0+>)", rb"/Contents [\1]"),
        ("Type", rb"/Type /Sig\b", rb"/Type [/Sig]"),
        ("SubFilter", rb"/SubFilter (/[\w.]+)", rb"/SubFilter [\1]"),
    ):
        revision = last_revision(case.shown, case.prepared)
        (number,) = (each for each, body in revision.objects.items() if b"/ByteRange" in body)
        revision.objects[number], times = re.subn(old, new, revision.objects[number])
        assert times == 1
        yield Case(f"/{name} of the signature is an array", case.shown, revision.write())
