"""Small files that would take long to judge, or much memory, are refused before that."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest

from qianda.pdf import NotOurForm, Stream, TooComplex, Value, read_revisions
from qianda.pdf.revisions import MAX_DICTIONARIES, MAX_SEPARATORS_OUTSIDE_STREAMS
from qianda.verify import UnreadableDocument, reasons
from qianda.verify.pdf import drawn_parts, ink, revocation_lists, unpacking
from qianda.verify.pdf.active_content import find_active
from qianda.verify.pdf.document import Document
from qianda.verify.pdf.drawing import find_drawn_differently
from qianda.verify.pdf.images import MAX_PARTS_OF_A_SPACE, count_colours
from qianda.verify.pdf.mixing import MAX_DASHES
from qianda.verify.pdf.pages import MAX_ANNOTATIONS, MAX_PAGES, page_widgets, pages
from qianda.verify.pdf.signed_file import SignedFile
from qianda.verify.pdf.structure import examine
from tests.browser.update_files import NEW, Objects, Revision, body_of, drawn, next_trailer, root_of
from tests.verify.sample_page import PAGE, PDF, TREE, page

MIB = 1 << 20


def large(objects: Objects) -> bytes:
    """Return the file with these objects, which may have higher numbers than those of other tests."""
    return Revision(PDF, objects, next_trailer(PDF).replace(b"/Size 1000", b"/Size 5000")).write()


def judged(objects: Objects) -> None:
    """Judge a file of which nothing but its cost is wrong. Raises UnreadableDocument."""
    examine(large(objects | {NEW + 4000: b"<< /T (seal) >>"}))


def test_a_long_file_of_another_program_is_called_so() -> None:
    with pytest.raises(UnreadableDocument) as refused:
        examine(large({NEW: b"[%b]" % (b"7 " * MAX_SEPARATORS_OUTSIDE_STREAMS)}))
    assert refused.value.reason == reasons.FOREIGN


def test_a_file_of_another_program_with_many_pages_is_called_so() -> None:
    with pytest.raises(UnreadableDocument) as refused:
        examine(large(with_pages(MAX_PAGES, b"")))
    assert refused.value.reason == reasons.FOREIGN
    with pytest.raises(UnreadableDocument) as refused:
        judged(with_pages(MAX_PAGES, b""))
    assert refused.value.reason == reasons.TOO_COMPLEX


def packed_spaces(size: int) -> bytes:
    data = zlib.compress(b"\n" * size)
    return drawn(data).replace(b"<<", b"<< /Filter /FlateDecode", 1)


def with_pages(count: int, more: bytes) -> Objects:
    """Return a list of pages that are all alike."""
    kids = b" ".join(b"%d 0 R" % (NEW + number) for number in range(count))
    tree = b"<< /Type /Pages /Count %d /Kids [%b] >>" % (count, kids)
    one = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] %b >>" % (TREE, more)
    return {TREE: tree} | {NEW + number: one for number in range(count)}


@pytest.mark.parametrize("value", [b"[]", b"7 ", b"()", b"<>"])
def test_an_object_of_many_values(value: bytes) -> None:
    judged({NEW: b"[%b]" % (value * 1000)})
    with pytest.raises(UnreadableDocument) as refused:
        judged({NEW: b"[%b]" % (value * MAX_SEPARATORS_OUTSIDE_STREAMS)})
    assert refused.value.reason == reasons.TOO_COMPLEX


def test_a_text_of_many_brackets() -> None:
    with pytest.raises(UnreadableDocument) as refused:
        judged({NEW: b"(%b)" % (b"()" * (MAX_SEPARATORS_OUTSIDE_STREAMS // 2))})
    assert refused.value.reason == reasons.TOO_COMPLEX


LONG = b"[%b]" % (b"7 " * MAX_SEPARATORS_OUTSIDE_STREAMS)


@pytest.mark.parametrize(
    "file",
    [
        PDF[: PDF.index(b"1 0 obj")] + b"1 0 obj\n%b\nendobj\n\nendstream" % LONG,
        large({NEW: drawn(b"\nstream"), NEW + 1: LONG}) + b"\nendstream",
        large({NEW: drawn(b""), NEW + 1: LONG}) + b"\nendstream",
        large({NEW: drawn(b"").replace(b"\nstream\n", b"\nstream\r\n"), NEW + 1: LONG}) + b"\nendstream",
        large({NEW: b"(\nstream)", NEW + 1: LONG}),
        large({NEW: drawn(b"7"), NEW + 1: LONG, NEW + 2: drawn(b"7")}),
    ],
    ids=["no stream", "a stream in a stream", "an empty stream", "another line end", "in a text", "in between"],
)
def test_words_that_begin_and_end_streams_hide_nothing(file: bytes) -> None:
    with pytest.raises(TooComplex):
        read_revisions(file)


@pytest.mark.real
def test_many_short_streams_are_read_up_to_the_limit() -> None:
    with pytest.raises(TooComplex):
        read_revisions(b"\nstream\n\nendstream" * (MAX_SEPARATORS_OUTSIDE_STREAMS // 3 + 1))
    with pytest.raises(NotOurForm):  # so many are still read
        read_revisions(b"\nstream\n\nendstream" * (MAX_SEPARATORS_OUTSIDE_STREAMS // 3))


@pytest.mark.parametrize("byte", [b"\0", b"<"])
def test_what_is_in_streams_is_not_counted_as_values(byte: bytes) -> None:
    judged({NEW + number: drawn(byte * (MAX_SEPARATORS_OUTSIDE_STREAMS // 2)) for number in range(3)})


def test_a_long_text_costs_little() -> None:
    """A school's own PDF may have many MiB outside its streams."""
    long = b"<%b>" % (b"37" * (5 << 20))
    tracemalloc.start()
    try:
        judged({NEW: long})
        assert tracemalloc.get_traced_memory()[1] < 12 * len(long)
    finally:
        tracemalloc.stop()
    with pytest.raises(NotOurForm, match="half a byte"):
        judged({NEW: b"<374>"})


def test_long_dictionaries_of_a_school_are_read() -> None:
    part = b"<</S/P/P %d 0 R/K[1 2]/Alt<%b>>>" % (NEW, b"37" * 40)
    judged({NEW + number: b"[%b]" % (part * 15_000) for number in range(5)})


def test_an_object_of_many_dictionaries() -> None:
    judged({NEW: b"[%b]" % (b"<<>>" * (MAX_DICTIONARIES // 2))})
    with pytest.raises(UnreadableDocument) as refused:
        judged({NEW: b"[%b]" % (b"<<>>" * MAX_DICTIONARIES)})
    assert refused.value.reason == reasons.TOO_COMPLEX


def test_a_deep_list_of_many_pages() -> None:
    """Each page that is still to be looked at knows all lists above it."""
    depth, wide = 500, 20_000
    lists = [
        b"<< /Type /Pages /Parent %d 0 R /Count 1 /Kids [%d 0 R] >>" % (NEW - 1 + n, NEW + 1 + n) for n in range(depth)
    ]
    lists[0] = lists[0].replace(b"/Parent %d" % (NEW - 1), b"/Parent %d" % TREE)
    lists.append(b"<< /Type /Pages /Parent %d 0 R /Count 1 /Kids [%b] >>" % (NEW + depth - 1, b"%d 0 R " % PAGE * wide))
    top = {TREE: b"<< /Type /Pages /Count 1 /Kids [%d 0 R] >>" % NEW}
    file = SignedFile(large(top | {NEW + number: each for number, each in enumerate(lists)}))
    with pytest.raises(TooComplex):
        list(pages(file.now))


def test_as_many_pages_as_there_may_be() -> None:
    """The list of them counts as one."""
    assert len(list(pages(SignedFile(large(with_pages(MAX_PAGES - 1, b""))).now))) == MAX_PAGES - 1
    with pytest.raises(TooComplex):
        list(pages(SignedFile(large(with_pages(MAX_PAGES, b""))).now))


def test_many_pages_with_the_same_annotations() -> None:
    shared = NEW + MAX_PAGES
    link = {shared: b"[%b]" % (b"%d 0 R " % (shared + 1) * 1000), shared + 1: b"<< /Subtype /Widget >>"}
    for count, is_refused in ((MAX_ANNOTATIONS // 1000, False), (MAX_ANNOTATIONS // 1000 + 1, True)):
        file = SignedFile(large(with_pages(count, b"/Annots %d 0 R" % shared) | link))
        if is_refused:
            with pytest.raises(TooComplex):
                page_widgets(file.now)
        else:
            assert page_widgets(file.now) == {shared + 1}


def test_many_pages_with_the_same_long_contents() -> None:
    long = {NEW + MAX_PAGES: packed_spaces(1 << 17)}
    alike, more = (with_pages(count, b"/Contents %d 0 R" % (NEW + MAX_PAGES)) | long for count in (3, 4))
    assert find_drawn_differently(SignedFile(large(alike)).now, 3 << 17) == []
    with pytest.raises(TooComplex):
        find_drawn_differently(SignedFile(large(more)).now, 3 << 17)


@pytest.mark.real
def test_long_drawings_of_a_school_are_read() -> None:
    drawing = zlib.compress(b"123.45678 678.12345 m 234.56789 123.45678 l S\n" * 400_000)
    long = {NEW: drawn(drawing).replace(b"<<", b"<< /Filter /FlateDecode", 1)}
    assert find_drawn_differently(SignedFile(large(page(contents=b"%d 0 R" % NEW) | long)).now) == []


def test_contents_of_few_separators() -> None:
    packed = zlib.compress(b"(%b) Tj\n" % (b"7" * (17 << 20)))
    long = {NEW + 9: drawn(packed).replace(b"<<", b"<< /Filter /FlateDecode", 1)}
    with pytest.raises(TooComplex):
        find_drawn_differently(SignedFile(large(with_pages(4, b"/Contents %d 0 R" % (NEW + 9)) | long)).now)


def test_white_space_takes_little_memory() -> None:
    file = SignedFile(large(page(contents=b"%d 0 R" % NEW) | {NEW: packed_spaces(MIB)}))
    tracemalloc.start()
    try:
        assert find_drawn_differently(file.now) == []
        assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    finally:
        tracemalloc.stop()


def test_a_page_that_lists_the_same_contents_often() -> None:
    file = SignedFile(large(page(contents=b"[%b]" % (b"%d 0 R " % NEW * 30)) | {NEW: packed_spaces(8 * MIB)}))
    tracemalloc.start()
    try:
        with pytest.raises(TooComplex):
            find_drawn_differently(file.now)
        assert tracemalloc.get_traced_memory()[1] < 60 * MIB
    finally:
        tracemalloc.stop()


def test_many_objects_that_unpack_the_same_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_TOGETHER", 3 * MIB)
    table, colours = {NEW: packed_spaces(MIB)}, b"[/Indexed /DeviceRGB 255 %d 0 R]" % NEW
    assert find_drawn_differently(SignedFile(large(table | {NEW + 1: b"[%b]" % (colours * 3)})).now) == []
    with pytest.raises(TooComplex):
        find_drawn_differently(SignedFile(large(table | {NEW + 1: b"[%b]" % (colours * 4)})).now)


FORM = b"<< /Type /XObject /Subtype /Form /BBox [0 0 1 1] /Length 3"
NAMED = b"<< %b >>" % b" ".join(b"/N%d %d 0 R" % (number, NEW + 1) for number in range(100))


@pytest.mark.parametrize(
    ("shared", "one", "user"),
    [
        (NAMED, b"/DeviceGray", FORM + b" /Resources << /ColorSpace %d 0 R >> >>\nstream\nq Q\nendstream" % NEW),
        (NAMED, b"<< /CA 1 >>", FORM + b" /Resources << /ExtGState %d 0 R >> >>\nstream\nq Q\nendstream" % NEW),
        (NAMED, b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", b"<< /Font %d 0 R >>" % NEW),
        (NAMED, drawn(b""), b"<< /Type /Font /Subtype /Type3 /Widths [] /CharProcs %d 0 R >>" % NEW),
        (b"[%b]" % (b"%d 0 R " % (NEW + 1) * 100), b"<<>>", b"<< /DescendantFonts %d 0 R >>" % NEW),
    ],
    ids=["colour spaces", "graphics states", "fonts", "letters", "parts of a font"],
)
def test_many_objects_that_use_the_same_long_list(
    monkeypatch: pytest.MonkeyPatch, shared: bytes, one: bytes, user: bytes
) -> None:
    monkeypatch.setattr(drawn_parts, "MAX_LISTED", 2000)
    users = {NEW + 2 + number: user for number in range(21)}
    find_drawn_differently(SignedFile(large({NEW: shared, NEW + 1: one} | dict(list(users.items())[:8]))).now)
    with pytest.raises(TooComplex):
        find_drawn_differently(SignedFile(large({NEW: shared, NEW + 1: one} | users)).now)


def test_many_colour_spaces_of_the_same_long_list() -> None:
    long = SignedFile(large({NEW: b"[/ICCBased %b]" % (b"%d 0 R " % (NEW + 99) * MAX_PARTS_OF_A_SPACE)})).now
    assert count_colours(long, long.read(NEW)) is None  # nothing in it is looked up: the object does not exist


def test_a_signatures_picture_with_long_contents() -> None:
    for size, is_ink in ((ink.MAX_CONTENT_BYTES, True), (ink.MAX_CONTENT_BYTES + 1, False)):
        file = SignedFile(large({NEW: packed_spaces(size).replace(b"<<", b"<< /Subtype /Form /BBox [0 0 9 9]", 1)}))
        picture = file.now.read(NEW)
        assert isinstance(picture, Stream)
        assert ink.is_only_ink(file.now, picture) is is_ink


def test_a_signatures_picture_of_many_forms_with_long_contents() -> None:
    half = packed_spaces(ink.MAX_CONTENT_BYTES // 2 - 1).replace(b"<<", b"<< /Subtype /Form /BBox [0 0 9 9]", 1)
    for count, is_ink in ((2, True), (3, False)):
        forms = {NEW + 1 + number: half for number in range(count)}
        named = b" ".join(b"/X%d %d 0 R" % (number, number) for number in forms)
        whole = drawn(b"").replace(b"<<", b"<< /Subtype /Form /Resources << /XObject << %b >> >> " % named, 1)
        document = SignedFile(large({NEW: whole} | forms)).now
        picture = document.read(NEW)
        assert isinstance(picture, Stream)
        assert ink.is_only_ink(document, picture) is is_ink


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[Value]:
    """Return the list of values that were looked up."""
    found, follow = list[Value](), Document.follow

    def noted(document: Document, value: Value) -> Value:
        found.append(value)
        return follow(document, value)

    monkeypatch.setattr(Document, "follow", noted)
    return found


MANY = b"%d 0 R " % (NEW + 1) * 9999


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (b"<< /ExtGState << /G << /D [[%b] 0] >> >> >>" % (b"%d 0 R " % (NEW + 1) * MAX_DASHES), []),
        (b"<< /ExtGState << /G << /D [[%b] 0] >> >> >>" % MANY, ["/D"]),
        (b"<< /ExtGState << /G << %b >> >> >>" % b" ".join(b"/N%d 1" % number for number in range(9999)), []),
        (FORM + b" /Resources << /ColorSpace << /C [%b] >> >> >>\nstream\nq Q\nendstream" % MANY, []),
        (FORM.replace(b"0 0 1 1", MANY) + b" >>\nstream\nq Q\nendstream", ["/BBox"]),
    ],
    ids=["few dashes", "dashes", "entries of a graphics state", "a colour space", "corners"],
)
def test_a_long_list_is_not_looked_through(looked_up: list[Value], one: bytes, found: list[str]) -> None:
    """Many objects may use the same one."""
    assert find_drawn_differently(SignedFile(large({NEW: one, NEW + 1: b"3"})).now) == found
    assert len(looked_up) < 1000


def test_a_signatures_picture_whose_forms_share_long_resources(looked_up: list[Value]) -> None:
    """Forms are looked up once each, and of what they could draw only what they do."""
    shared = b"/Resources << /XObject << %b >> >>" % b" ".join(b"/N%d 1" % number for number in range(9999))
    document = SignedFile(large({NEW: drawn(b"").replace(b"<<", b"<< /Subtype /Form " + shared, 1)})).now
    picture = document.read(NEW)
    assert isinstance(picture, Stream)
    looked_up.clear()
    assert ink.is_only_ink(document, picture)
    assert len(looked_up) < 1000


def test_a_signatures_picture_with_resources_of_many_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ink, "MAX_CONTENT_BYTES", 100)
    for count, is_ink in ((100, True), (101, False)):
        kinds = b" ".join(b"/N%d <<>>" % number for number in range(count))
        document = SignedFile(
            large({NEW: drawn(b"").replace(b"<<", b"<< /Subtype /Form /Resources << %b >> " % kinds, 1)})
        ).now
        picture = document.read(NEW)
        assert isinstance(picture, Stream)
        assert ink.is_only_ink(document, picture) is is_ink


def test_a_long_border_is_not_looked_through(looked_up: list[Value]) -> None:
    link = b"<< /Subtype /Link /Rect [0 0 1 1] /Border [%b] >>" % MANY
    file = SignedFile(large(page(more=b"/Annots [%d 0 R]" % NEW) | {NEW: link, NEW + 1: b"0"}))
    assert find_active(file.now) == []
    assert len(looked_up) < 1000


def test_a_revocation_list_that_is_named_often() -> None:
    root = body_of(PDF, root_of(PDF)).replace(b"<<", b"<< /DSS << /CRLs [%b] >> " % (b"%d 0 R " % NEW * 9), 1)
    file = SignedFile(large({root_of(PDF): root, NEW: drawn(b"no list")}))
    assert len(list(revocation_lists.streams_of(file))) == 1
