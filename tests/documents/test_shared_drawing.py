"""Contracts of one layout share what was drawn, and look as if each had been drawn as a whole."""

from __future__ import annotations

import dataclasses
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
from hub.documents.page_drawing import DOTS_PER_INCH, draw_onto_shared, draw_page, draw_shared, with_device_colours
from hub.documents.shared_drawing import SharedImages
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
        document.init_forms()
        return [draw_page(page, DOTS_PER_INCH / 72) for page in document]


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


def saved(document: pikepdf.Pdf) -> bytes:
    output = BytesIO()
    document.save(output)
    return output.getvalue()
