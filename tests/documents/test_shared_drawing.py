"""Contracts of one layout share what was drawn, and look as if each had been drawn as a whole."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from io import BytesIO

import pikepdf
import pypdfium2
import pytest

from hub.documents.contract.clauses import ClauseWriter
from hub.documents.contract.contract_data import ContractData
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import ContractPrinter, LaidOut
from hub.documents.fonts import ContractFont
from hub.documents.page_drawing import draw_onto_shared, draw_shared, draw_whole, with_device_colours
from hub.documents.pages import PagePainter
from hub.documents.shared_drawing import SharedImages, SharedPages, is_covered
from hub.documents.signing.engine import OwnEngine
from hub.documents.signing.signature import FieldBox
from tests.documents.contract_samples import ISSUED_AT, TEMPLATES, course, minor

FIRST = minor()
SECOND = dataclasses.replace(minor("王𠮷"), number="HF-2026-111111")


@pytest.fixture(scope="module")
def printer() -> Iterator[ContractPrinter]:
    writer = ClauseWriter()
    yield ContractPrinter(ContractTemplates(TEMPLATES), writer, ContractFont())
    writer.close()


@pytest.fixture
def shared() -> SharedImages:
    return SharedImages(draw_shared)


def file_of(printer: ContractPrinter, data: ContractData, language: str = "zh") -> bytes:
    return with_device_colours(with_fields(printer.lay_out("course", language, data)))


def with_fields(laid_out: LaidOut) -> bytes:
    boxes = [FieldBox(box.name, box.page, box.x1, box.y1, box.x2, box.y2, box.name == "seal") for box in laid_out.boxes]
    return OwnEngine(lambda: ISSUED_AT).with_signature_fields(laid_out.pdf, boxes)


def drawn_as_a_whole(pdf: bytes) -> list[bytes]:
    with pypdfium2.PdfDocument(pdf) as document:
        return draw_whole(document)


@pytest.mark.parametrize("rehearsal", [False, True])
def test_the_second_contract_is_drawn_onto_what_they_share(
    printer: ContractPrinter, shared: SharedImages, rehearsal: bool
) -> None:
    first, second = (file_of(printer, dataclasses.replace(data, rehearsal=rehearsal)) for data in (FIRST, SECOND))
    assert draw_onto_shared(first, shared) is None
    assert draw_onto_shared(second, shared) == drawn_as_a_whole(second) != drawn_as_a_whole(first)
    assert draw_onto_shared(first, shared) == drawn_as_a_whole(first)


def test_another_wording_or_another_font_shares_nothing(printer: ContractPrinter, shared: SharedImages) -> None:
    first = file_of(printer, FIRST)
    draw_onto_shared(first, shared)
    other_course = dataclasses.replace(FIRST, course=course("数学素养 B"))
    assert draw_onto_shared(file_of(printer, other_course), shared) is None
    with pikepdf.open(BytesIO(first)) as document:
        assert shared.split(saved(document)) is not None
        widths = document.pages[0].Resources.Font["/f0"].DescendantFonts[0].W
        widths[2] = 900
        assert shared.split(saved(document)) is None


def test_what_is_coloured_or_cannot_be_split_is_drawn_as_a_whole(
    printer: ContractPrinter, shared: SharedImages
) -> None:
    for data in (FIRST, SECOND):
        draw_onto_shared(file_of(printer, data), shared)
    file = file_of(printer, FIRST)
    with pikepdf.open(BytesIO(file)) as document:
        field = document.pages[-1].Annots[0]
        field.AP.N = document.make_stream(b"1 0 0 rg 0 0 9 9 re f", Subtype=pikepdf.Name.Form, BBox=[0, 0, 9, 9])
        assert draw_onto_shared(saved(document), shared) is None
    assert draw_onto_shared(file, shared) is not None
    with pikepdf.open(BytesIO(file)) as document:
        contents = document.pages[0].Contents
        contents.write(b"0 0 50 50 re f\n" + contents.read_bytes())
        assert [shared.split(saved(document)) for _ in range(2)] == [None, None]
    english = file_of(printer, FIRST, "en")
    assert [shared.split(english) for _ in range(2)] == [None, None]


def test_what_pdfium_reads_is_drawn_whatever_the_split_makes_of_it(printer: ContractPrinter) -> None:
    with pikepdf.open(BytesIO(file_of(printer, FIRST))) as document:
        document.pages[0].Contents.write(b"no deflated bytes", filter=pikepdf.Name.FlateDecode)
        file = saved(document)
    with pytest.raises(pikepdf.PdfError):
        SharedImages(draw_shared).split(file)
    painter = PagePainter()
    try:
        assert painter.page_images(file) == drawn_as_a_whole(file)
    finally:
        painter.close()


def test_a_file_with_an_end_of_its_own_is_drawn_as_a_whole(printer: ContractPrinter, shared: SharedImages) -> None:
    """A contract's own texts are appended to its file, which needs the place of its last table."""
    first, second = file_of(printer, FIRST), file_of(printer, SECOND)
    assert shared.split(first) is None and shared.split(second) is not None
    with pytest.raises(ValueError, match="does not end"):
        shared.split(second + b"% more\n")


# What a school's own layout may put into a page behind the contract's number, and how the page is drawn.
BOX = b"q 1 0 0 -1 0 842 cm/c0 %b scn %b\nQ\n"


@pytest.mark.parametrize(
    ("behind", "is_split"),
    [
        (BOX % (b"cs 1", b"400 30 m 560 30 l 560 60 l 400 60 l\nh\nf"), False),  # a white box on the number
        (BOX % (b"cs 1", b"0 0 m 30 0 l 30 30 l 0 30 l\nh\nf"), True),  # the same in a corner
        (BOX % (b"cs 0", b"\nBT 0 Tr/f0 9 Tf 1 0 0 -1 440 42 Tm[(\\000\\001)]TJ\nET"), False),
        (BOX % (b"cs 0", b"\nBT 3 Tr/f1 9 Tf 1 0 0 -1 40 42 Tm[(\\000\\001)]TJ\nET"), False),  # an invisible text
        (BOX % (b"cs 0", b"/g0 gs 0 0 m 30 0 l 30 30 l\nh\nf"), False),
        (BOX % (b"cs 0", b"0 0 m 30 0 l 30 30 l\nh\nW\nn"), False),
        (BOX % (b"cs 0", b"/x0 Do"), False),
        (BOX % (b"cs 0", b"0 0 m 30 0 l 30 30 l f 9 9 m 30 0 l 30 9 l\nf"), False),
        (BOX % (b"cs 0", b"/OC /o0 BDC 0 0 m 30 0 l 30 30 l\nf EMC"), False),
    ],
)
def test_what_covers_a_text_in_the_file_covers_it_in_the_image(
    printer: ContractPrinter, shared: SharedImages, behind: bytes, is_split: bool
) -> None:
    files = [file_with(file_of(printer, data), behind) for data in (FIRST, SECOND)]
    draw_onto_shared(files[0], shared)
    assert draw_onto_shared(files[1], shared) == (drawn_as_a_whole(files[1]) if is_split else None)


def test_another_contracts_text_may_be_covered(printer: ContractPrinter, shared: SharedImages) -> None:
    box = BOX % (b"cs 1", b"0 0 m 30 0 l 30 30 l 0 30 l\nh\nf")
    text = BOX % (b"cs 0", b"\nBT 0 Tr/f1 9 Tf 1 0 0 -1 5 20 Tm[(\\000\\001)]TJ\nET")
    file = file_of(printer, FIRST)
    for _ in range(2):
        draw_onto_shared(file_with(file, box), shared)
    above, below = (file_with(file, b"\n".join(order)) for order in ((box, text), (text, box)))
    assert draw_onto_shared(above, shared) == drawn_as_a_whole(above) != drawn_as_a_whole(below)
    assert draw_onto_shared(below, shared) is None


def file_with(pdf: bytes, behind: bytes) -> bytes:
    with pikepdf.open(BytesIO(pdf)) as document:
        contents = document.pages[0].Contents
        contents.write(contents.read_bytes() + b"\n" + behind)
        return saved(document)


def test_only_what_comes_later_covers_a_text() -> None:
    text, far, near = (10, 10, 20, 20), (21.5, 10, 30, 20), (20.5, 10, 30, 20)
    assert not is_covered([1], [text], [text, far])
    assert is_covered([1], [text], [far, near])
    assert is_covered([0], [text], [text, far])


def test_an_image_with_which_a_contract_looks_otherwise_is_given_up(printer: ContractPrinter) -> None:
    def draw_darker(pdf: bytes, groups: list[int]) -> SharedPages:
        drawn = draw_shared(pdf, groups)
        return SharedPages([image[:-9000] + bytes(9000) for image in drawn.images], drawn.bounds)

    shared = SharedImages(draw_darker)
    first = file_of(printer, FIRST)
    assert [draw_onto_shared(first, shared) for _ in range(3)] == [None, None, None]


def test_few_layouts_are_known_and_no_long_contract_is_kept(printer: ContractPrinter) -> None:
    shared, file = SharedImages(draw_shared, most=1), file_of(printer, FIRST)
    other = file_with(file, BOX % (b"cs 1", b"0 0 m 30 0 l 30 30 l 0 30 l\nh\nf"))
    assert shared.split(file) is None
    assert shared.split(file) is not None
    assert [shared.split(each) for each in (other, file)] == [None, None]
    with pikepdf.open(BytesIO(file)) as document:
        del document.pages[1:]
        groups = len(re.findall(rb"\bQ\n", document.pages[0].Contents.read_bytes()))
        assert len(draw_shared(saved(document), [groups]).images) == 1
        for _ in range(30):
            document.pages.append(document.pages[0])
        assert draw_shared(saved(document), [groups] * 31).images == []


def saved(document: pikepdf.Pdf) -> bytes:
    output = BytesIO()
    document.save(output)
    return output.getvalue()
