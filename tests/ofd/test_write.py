"""The contract as an OFD: the words and places of its PDF, its fonts, and what is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import BytesIO
from itertools import accumulate

import pikepdf
import pypdfium2
import pytest
from fontTools.cffLib import SubrsIndex
from fontTools.fontBuilder import FontBuilder
from fontTools.misc.psCharStrings import T2CharString
from fontTools.ttLib import TTFont

from hub.documents.ofd.dashes import cut_dashes
from hub.documents.ofd.pdf_fonts import PdfFont, write_font_file
from hub.documents.ofd.sign import prepare_seal
from hub.documents.ofd.write import OfdFacts, write_ofd
from hub.errors import BadInput
from qianda.ofd.container import OfdContainer
from qianda.ofd.signature_parts import read_document
from qianda.ofd.xml_part import local_name, read_xml
from qianda.verify import verify_bytes
from qianda.verify.expectation import Expectation
from tests.documents.contract_samples import contract_pdf
from tests.ofd.identities import PLACE, Identities
from tests.ofd.plain import PAGE, members_of, with_members
from tests.ofd.sheets import odd_sheet

FACTS = OfdFacts("课程 <培训> & 服务合同", "HF-2026-000001", "示范学校", datetime(2026, 12, 1, tzinfo=UTC))
MILLIMETRE = 72 / 25.4
PAGE_HEIGHT = 841.8898  # points


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return contract_pdf()


@pytest.fixture(scope="module")
def ofd(pdf: bytes) -> bytes:
    return write_ofd(pdf, FACTS)


def placed_characters(content: bytes) -> list[tuple[str, float, float]]:
    """Return each character with its place, in millimetres from the page's upper left corner."""
    found = []
    for item in read_xml(content, "Content.xml").iter():
        if local_name(item) != "TextObject":
            continue
        left, top, *_ = map(float, item.get("Boundary", "").split())
        for code in (child for child in item if local_name(child) == "TextCode"):
            x, y = left + float(code.get("X", "0")), top + float(code.get("Y", "0"))
            steps = map(float, code.get("DeltaX", "").split())
            found += [(text, at, y) for text, at in zip(code.text or "", accumulate(steps, initial=x), strict=True)]
    return found


def test_every_character_stands_where_the_pdf_has_it(pdf: bytes, ofd: bytes) -> None:
    container = OfdContainer(ofd)
    with pypdfium2.PdfDocument(pdf) as document:
        for number in range(len(document)):
            text = document[number].get_textpage()
            content = container.read(f"Doc_0/Pages/Page_{number}/Content.xml")
            shown = [each for each in placed_characters(content) if each[0].strip()]
            expected = []
            for index in range(text.count_chars()):
                if (character := text.get_text_range(index, 1)).strip():
                    left, bottom, _, top = text.get_charbox(index, loose=True)
                    expected.append((character, left / MILLIMETRE, (PAGE_HEIGHT - bottom) / MILLIMETRE, top - bottom))
            assert sorted(each[0] for each in shown) == sorted(each[0] for each in expected)
            places = sorted((text, round(x, 1)) for text, x, _ in shown)
            assert all(
                one[0] == other[0] and abs(one[1] - other[1]) <= 0.15
                for one, other in zip(places, sorted((text, round(x, 1)) for text, x, *_ in expected), strict=True)
            )


def test_the_fonts_hold_every_character_and_no_more(ofd: bytes) -> None:
    members = members_of(ofd)
    fonts = {
        number: TTFont(BytesIO(data))
        for name, data in members.items()
        if (number := (re.findall(r"font_(\d+)\.ttf", name) or [""])[0])
    }
    assert len(fonts) == 3  # regular, bold, and the sister of regular
    used: dict[str, set[int]] = {number: set() for number in fonts}
    for name, data in members.items():
        if name.endswith("Content.xml"):
            for item in read_xml(data, name).iter():
                if local_name(item) == "TextObject":
                    used[item.get("Font", "")] |= {ord(each) for part in item for each in part.text or ""}
    for number, font in fonts.items():
        assert used[number] <= set(font.getBestCmap())
        assert len(font.getGlyphOrder()) < 700
        # Strict readers refuse a font whose limits are lower than what its glyphs need.
        assert font["maxp"].maxPoints > 20 and font["maxp"].maxContours > 5
        assert font["head"].yMax > 700 and font["hhea"].advanceWidthMax == 1000
        for name in font.getGlyphOrder():
            assert font["hmtx"][name][1] == getattr(font["glyf"][name], "xMin", 0)


def font_with_a_subroutine(width: int) -> PdfFont:
    """Return a font whose only glyph calls a subroutine, which draws a box of this width."""
    glyph = T2CharString(program=[0, 0, "rmoveto", -107, "callsubr", "endchar"])
    made = FontBuilder(1000, isTTF=False)
    made.setupGlyphOrder([".notdef", "box"])
    made.setupCFF("Box", {}, {".notdef": T2CharString(program=["endchar"]), "box": glyph}, {})
    font = made.font["CFF "].cff.topDictIndex[0]
    font.Private.Subrs = SubrsIndex()
    font.Private.Subrs.append(T2CharString(program=[width, "hlineto", 500, "vlineto", -width, "hlineto", "return"]))
    file = made.font["CFF "].compile(made.font)
    return PdfFont("Box", {}, 1000, {1: "口"}, file, is_cff=True, ascent=880, descent=-120)


@pytest.mark.parametrize("width", [300, 700])
def test_a_glyph_is_drawn_by_the_subroutines_of_its_own_font(width: int) -> None:
    """Glyphs are kept for later contracts. These two have the same program, and mean different outlines."""
    written = TTFont(BytesIO(write_font_file(font_with_a_subroutine(width))))
    assert written["glyf"][written.getGlyphOrder()[1]].xMax == width


def test_it_says_what_it_is_and_the_same_input_gives_the_same_bytes(pdf: bytes, ofd: bytes) -> None:
    document = read_document(OfdContainer(ofd))
    assert (document.title, document.values["ContractNumber"]) == (FACTS.title, FACTS.number)
    assert write_ofd(pdf, FACTS) == ofd
    assert len(ofd) < len(pdf)


async def test_a_sealed_contract_is_the_one_that_is_expected(ofd: bytes, who: Identities) -> None:
    report = verify_bytes(await who.sealed(ofd), who.trust, Expectation(number=FACTS.number))
    assert not report.failed
    assert report.contract.title == FACTS.title


def test_the_odd_sheet_keeps_its_words_and_its_image() -> None:
    members = members_of(write_ofd(odd_sheet(), FACTS))
    text = "".join(each[0] for each in placed_characters_of(members["Doc_0/Pages/Page_0/Content.xml"]))
    assert "office" in text and "𠮷" in text and "turned" in text
    assert "掉" not in text  # it was cut off
    assert any(data.startswith(b"\x89PNG") for data in members.values())
    assert b"CGTransform" in members["Doc_0/Pages/Page_0/Content.xml"]


def placed_characters_of(content: bytes) -> list[tuple[str]]:
    codes = (item for item in read_xml(content, "Content.xml").iter() if local_name(item) == "TextCode")
    return [(each,) for code in codes for each in code.text or ""]


@pytest.mark.parametrize(
    "drawing",
    [
        b"/Pattern cs /P1 scn 0 0 9 9 re f",
        b"/S1 sh",
        b"q 0 0 m 9 9 l 5 9 l h W n Q",  # a clip that is no box
        b"BI /W 1 /H 1 /BPC 8 /CS /G ID x EI",
        b"BT /F1 12 Tf (x) Tj ET",  # a simple font
        b"Q",
    ],
    ids=repr,
)
def test_what_is_not_understood_is_refused(drawing: bytes) -> None:
    document = pikepdf.new()
    page = document.add_blank_page(page_size=(200, 200))
    font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    page.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
    page.Contents = document.make_stream(drawing)
    output = BytesIO()
    document.save(output)
    with pytest.raises(BadInput):
        write_ofd(output.getvalue(), FACTS)
    with pytest.raises(BadInput):
        write_ofd(b"%PDF-1.7 nothing", FACTS)


def test_dashes_are_lines_of_their_own() -> None:
    line = (("M", ((0.0, 0.0),)), ("L", ((10.0, 0.0),)))
    cut = cut_dashes(line, (2.0, 1.0), 1.0)
    assert cut is not None
    ends = [(cut[at][1][0][0], cut[at + 1][1][0][0]) for at in range(0, len(cut), 2)]
    assert [(round(start, 6), round(end, 6)) for start, end in ends] == [(0, 1), (2, 4), (5, 7), (8, 10)]
    assert cut_dashes((*line, ("B", ((1.0, 1.0),) * 3)), (2.0, 1.0), 0) is None
    assert cut_dashes(line, (0.0,), 0) is None


def test_a_file_whose_signature_does_not_hold_is_not_signed_again(who: Identities, sealed: bytes) -> None:
    altered = with_members(sealed, **{PAGE: members_of(sealed)[PAGE].replace(b"12,800", b"12,900")})
    for file in (altered, b"PK no", sealed + b"x"):
        with pytest.raises(BadInput):
            prepare_seal(file, who.seal, who.seal_certificate, FACTS.created, [PLACE])
