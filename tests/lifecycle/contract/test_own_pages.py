"""A school's own PDF is written anew so that all programs draw its pages alike, or refused."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name
from PIL import Image

from hub.documents.contract.own_pdf import OwnPdfReader
from hub.errors import BadInput

TEXT = b"BT /F1 18 Tf 60 700 Td (CNY 1.00) Tj ET"
FONT = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
ODD = "programs show in different ways"


@pytest.fixture(scope="module")
def reader() -> Iterator[OwnPdfReader]:
    made = OwnPdfReader()
    yield made
    made.close()


def uploaded(*contents: bytes, of_page: Any = (), **resources: Any) -> bytes:
    """Return a PDF with a page. `resources`: besides a font, by kind. A stream is written as a form."""
    pdf, written = pikepdf.new(), io.BytesIO()
    page = pdf.add_blank_page(page_size=(595, 842))
    page.obj.Resources = Dictionary(Font=Dictionary(F1=FONT))
    for kind, named in resources.items():
        page.obj.Resources[f"/{kind}"] = Dictionary({name: _in(pdf, value) for name, value in named.items()})
    page.obj.Contents = Array([pdf.make_stream(each) for each in contents or (TEXT,)])
    for name, value in dict(of_page).items():
        page.obj[name] = value
    pdf.save(written, compress_streams=False, stream_decode_level=pikepdf.StreamDecodeLevel.none)
    return written.getvalue()


def _in(pdf: pikepdf.Pdf, value: Any) -> Any:
    if isinstance(value, tuple):
        content, entries = value
        return pdf.make_stream(content, {name: _in(pdf, each) for name, each in entries.items()})
    if isinstance(value, dict):
        return Dictionary({name: _in(pdf, each) for name, each in value.items()})
    return value


def form(content: bytes, **resources: Any) -> tuple[bytes, dict[str, Any]]:
    entries = {"/Type": Name.XObject, "/Subtype": Name.Form, "/BBox": Array([0, 0, 600, 900])}
    return content, entries | {"/Resources": {f"/{kind}": named for kind, named in resources.items()}}


def font(**entries: Any) -> dict[str, Any]:
    return {"/F1": Dictionary({**dict(FONT.items()), **{f"/{name}": value for name, value in entries.items()}})}


def drawn_font(content: bytes) -> dict[str, Any]:
    entries = {"/Type": Name.Font, "/Subtype": Name.Type3, "/CharProcs": {"/a": (content, {})}}
    return {"/F1": entries | {"/FontBBox": Array([0, 0, 9, 9]), "/FontMatrix": Array([1, 0, 0, 1, 0, 0])}}


@pytest.mark.parametrize(
    ("pdf", "why"),
    [
        (uploaded(of_page={"/CropBox": Array([1000, 1000, 1595, 1842])}), ODD),
        (uploaded(of_page={"/Rotate": 0.5}), ODD),
        (uploaded(b"8 Tr " + TEXT), ODD),
        (uploaded(b"7 Tr " + TEXT), ODD),
        (uploaded(b"-1 Tr " + TEXT), ODD),
        (uploaded(TEXT.replace(b"/F1", b"/F2")), ODD),
        (uploaded(b"/X Do", XObject={"/X": form(TEXT)}), ODD),
        (uploaded(b"/X gs " + TEXT), ODD),
        (uploaded(b"/X cs 1 scn " + TEXT), ODD),
        (uploaded(b"/Pattern cs /X scn " + TEXT), ODD),
        (uploaded(b"/X sh"), ODD),
        (uploaded(ColorSpace={"/C": Array([Name.CalGray, Dictionary(WhitePoint=[1, 1, 1], Gamma=0.01)])}), ODD),
        (uploaded(ColorSpace={"/DefaultGray": Name.DeviceGray}), ODD),
        (uploaded(Font=font(BaseFont=Name.SimSun)), "fonts that are not in it"),
        (uploaded(Font=font(Encoding=Dictionary(Differences=[49, Name.g9]))), "fonts that are not in it"),
        (uploaded(Font=drawn_font(b"9 0 d0 1 1 rg")), ODD),
        (uploaded(ExtGState={"/a b": Dictionary(LW=1)}), "names that cannot be kept"),
        (uploaded(Font=font(CharProcs=1)), "damaged"),
        (uploaded(of_page={"/Contents": Array([1])}), "damaged"),
    ],
    ids="outside fraction unknown-mode mask-mode negative-mode no-font no-font-in-form no-state no-colours no-pattern "
    "no-shading measured default own-font odd-letters drawn-letters odd-name no-letters no-contents".split(),
)
def test_what_programs_draw_differently_is_refused(pdf: bytes, why: str, reader: OwnPdfReader) -> None:
    with pytest.raises(BadInput, match=why) as refused:
        reader.check(pdf)
    assert refused.value.field == "document"


def plain(pdf: bytes, reader: OwnPdfReader) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(reader.check(pdf)))


def test_the_sheet_is_what_is_seen_of_it(reader: OwnPdfReader) -> None:
    boxes = {"/CropBox": Array([10, 900, 500, 20.5]), "/TrimBox": Array([0, 0, 9, 9]), "/BleedBox": Array([0, 0, 9, 9])}
    with plain(uploaded(of_page=boxes), reader) as document:
        (page,) = document.pages
        assert [float(each) for each in page.obj.MediaBox] == [10, 20.5, 500, 842]
        assert not {"/CropBox", "/TrimBox", "/BleedBox"} & page.obj.keys()


def test_contents_become_one_stream(reader: OwnPdfReader) -> None:
    """Programs put different things between two streams, which counts inside a text."""
    with plain(uploaded(b"BT /F1 18 Tf 60 700 Td (CNY 1", b"0000) Tj ET"), reader) as document:
        contents = document.pages[0].obj.Contents
        assert isinstance(contents, pikepdf.Stream) and contents.Filter == Name.FlateDecode
        assert contents.read_bytes() == b"BT /F1 18 Tf 60 700 Td (CNY 1\n0000) Tj ET"


def test_forms_are_packed_as_usual(reader: OwnPdfReader) -> None:
    """MuPDF and Poppler do not read the first sign as Chromium does."""
    content, entries = form(TEXT, Font=font())
    odd = (b"<" + content.hex().encode() + b">", entries | {"/Filter": Name.ASCIIHexDecode})
    usual = (content.hex().encode() + b">", entries | {"/Filter": Name.ASCIIHexDecode})
    with plain(uploaded(b"/X Do", XObject={"/X": usual}), reader) as document:
        form_made = document.pages[0].obj.Resources.XObject.X
        assert form_made.Filter == Name.FlateDecode and form_made.read_bytes() == TEXT
    with pytest.raises(BadInput, match=ODD):
        reader.check(uploaded(b"/X Do", XObject={"/X": odd}))


def test_pictures_are_not_packed_in_an_old_way(reader: OwnPdfReader) -> None:
    """The library that wrote it packs every picture as text."""
    entries = {"/Type": Name.XObject, "/Subtype": Name.Image, "/Width": 2, "/Height": 1, "/BitsPerComponent": 8}
    old = {"/ColorSpace": Name.DeviceGray, "/Filter": Array([Name.ASCII85Decode])}
    with plain(uploaded(b"/X Do", XObject={"/X": (b"s8N~>", entries | old)}), reader) as document:
        picture = document.pages[0].obj.Resources.XObject.X
        assert picture.Filter == Name.FlateDecode and picture.read_bytes() == b"\xff\xff"
    photograph = {"/ColorSpace": Name.DeviceGray, "/Filter": Array([Name.ASCII85Decode, Name.DCTDecode])}
    file = io.BytesIO()
    Image.new("L", (2, 1)).save(file, "JPEG")
    text = base64.a85encode(file.getvalue()) + b"~>"
    with plain(uploaded(b"/X Do", XObject={"/X": (text, entries | photograph)}), reader) as document:
        picture = document.pages[0].obj.Resources.XObject.X
        assert picture.Filter == Name.DCTDecode and picture.read_raw_bytes() == file.getvalue()
    with pytest.raises(BadInput, match=ODD):
        reader.check(uploaded(b"/X Do", XObject={"/X": (text[:-1], entries | photograph)}))
    with pytest.raises(BadInput, match=ODD):  # too few data
        reader.check(uploaded(b"/X Do", XObject={"/X": (b"s*~>", entries | old)}))


def test_links_have_no_border(reader: OwnPdfReader) -> None:
    """Poppler draws a line through the text, and Chromium does not."""
    link = Dictionary(Subtype=Name.Link, Rect=[9, 9, 99, 9], Border=[0, 0, 2], BS=Dictionary(W=2))
    with plain(uploaded(of_page={"/Annots": Array([link])}), reader) as document:
        (made,) = document.pages[0].obj.Annots
        assert list(made.Border) == [0, 0, 0] and "/BS" not in made


def test_colours_have_no_profile(reader: OwnPdfReader) -> None:
    """A profile may turn black into white, for the programs that heed it."""
    pdf, written = (
        pikepdf.open(io.BytesIO(uploaded(b"/C cs 1 0 0 scn " + TEXT, ColorSpace={"/C": Name.DeviceRGB}))),
        io.BytesIO(),
    )
    profile = pdf.make_stream(b"a profile", N=3)
    pdf.pages[0].obj.Resources.ColorSpace.C = Array([Name.ICCBased, profile])
    pdf.save(written)
    with plain(written.getvalue(), reader) as document:
        assert str(document.pages[0].obj.Resources.ColorSpace.C) == "/DeviceRGB"


def tagged(role: str) -> bytes:
    """Return a PDF with the structure that LibreOffice writes: its roles are named as the author's styles are."""
    with pikepdf.open(io.BytesIO(uploaded(b"/Heading#201 <</MCID 0>> BDC " + TEXT + b" EMC"))) as pdf:
        head = pdf.make_indirect(Dictionary(Type=Name.StructElem, S=Name(role), Pg=pdf.pages[0].obj, K=0))
        roles = Dictionary({role: Name.H1})
        pdf.Root.StructTreeRoot = pdf.make_indirect(Dictionary(Type=Name.StructTreeRoot, K=head, RoleMap=roles))
        head.P = pdf.Root.StructTreeRoot
        written = io.BytesIO()
        pdf.save(written)
    return written.getvalue()


@pytest.mark.parametrize(
    ("role", "kept"), [("/Heading 1", "/Heading_20_1"), ("/标题", "/_6807__9898_"), ("/H1", "/H1")]
)
def test_a_structure_with_the_authors_styles_is_kept(role: str, kept: str, reader: OwnPdfReader) -> None:
    with plain(tagged(role), reader) as document:
        tree = document.Root.StructTreeRoot
        assert kept == tree.K.S
        assert dict(tree.RoleMap) == {kept: Name.H1}
