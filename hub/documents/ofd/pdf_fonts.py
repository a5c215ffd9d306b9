"""Read the fonts of a laid-out PDF: the width and the text of each glyph, and the subset as a file.

The subset is the one that the PDF embeds, and its glyphs keep the numbers of the PDF's codes, so the pages must look
the same. A character map is made from the PDF's, so that text can be searched and copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from hub.errors import BadInput

if TYPE_CHECKING:
    import pikepdf

MAX_OUTLINE_ERROR = 0.5
# A contract has 800 glyphs of 3 KB each, nearly all of which the next contract uses too.
MAX_KEPT_GLYPHS = 4096
# Seconds since 1904, the epoch of fonts: the first day of 2024. All font files get this moment.
_MADE_AT = 3_786_912_000
_UNITS = 1000  # per em, the unit of a PDF's widths
_HEX = re.compile(rb"<([0-9A-Fa-f\s]+)>")
_CHARACTERS = re.compile(rb"beginbfchar(.*?)endbfchar", re.DOTALL)
_RANGES = re.compile(rb"beginbfrange(.*?)endbfrange", re.DOTALL)
_RANGE = re.compile(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*(<[0-9A-Fa-f]+>|\[.*?\])", re.DOTALL)


@dataclass(frozen=True)
class PdfFont:
    """A composite font with two-byte codes (ISO 32000-1, 9.7), which is how Typst embeds each one."""

    name: str
    widths: dict[int, float]
    default_width: float
    texts: dict[int, str]
    file: bytes
    is_cff: bool
    ascent: int
    descent: int

    def width(self, code: int) -> float:
        """Return the advance of a glyph, in ems."""
        return self.widths.get(code, self.default_width) / _UNITS

    def text(self, code: int) -> str:
        return self.texts.get(code, "")

    @property
    def family(self) -> str:
        """Return the font's name without the subset tag and the style."""
        return self.name.partition("+")[2] or self.name

    def characters(self) -> dict[int, int]:
        """Return the character map: for each code point, the first glyph that represents it."""
        found: dict[int, int] = {}
        for code, text in sorted(self.texts.items()):
            if len(text) == 1:
                found.setdefault(ord(text), code)
        return found


def read_font(font: pikepdf.Object) -> PdfFont:
    """Read a font of a page. Raises BadInput for one that cannot be carried over."""
    if font.get("/Subtype") != "/Type0" or font.get("/Encoding") != "/Identity-H":
        raise BadInput("The PDF has a font that cannot be carried over to OFD.", field="document")
    descendant = font["/DescendantFonts"][0]
    descriptor = descendant["/FontDescriptor"]
    file = descriptor.get("/FontFile3") or descriptor.get("/FontFile2")
    if file is None or descendant.get("/CIDToGIDMap", "/Identity") != "/Identity":
        raise BadInput("The PDF has a font that cannot be carried over to OFD.", field="document")
    return PdfFont(
        name=str(font["/BaseFont"])[1:].removesuffix("-Identity-H"),
        widths=dict(_read_widths(descendant.get("/W", []))),
        default_width=float(descendant.get("/DW", _UNITS)),
        texts=dict(_read_texts(font["/ToUnicode"].read_bytes())) if "/ToUnicode" in font else {},
        file=file.read_bytes(),
        is_cff="/FontFile3" in descriptor,
        ascent=int(descriptor.get("/Ascent", 880)),
        descent=int(descriptor.get("/Descent", -120)),
    )


def write_font_file(font: PdfFont) -> bytes:
    """Return the subset as TrueType: the PDF's outlines, and the other tables that a font file needs.

    CFF outlines become quadratic, because many OFD readers know no others. They move by at most `MAX_OUTLINE_ERROR`
    thousandths of the size: a hundredth of a pixel on a screen.
    """
    from fontTools.fontBuilder import FontBuilder  # slow to import, and needed only for writing an OFD
    from fontTools.ttLib import TTFont

    if font.is_cff:
        outlines = _quadratic_outlines(font.file)
        names = list(outlines)
        builder = FontBuilder(_UNITS, isTTF=True)
        builder.setupGlyphOrder(names)
        builder.setupGlyf(outlines, calcGlyphBounds=True)
    else:
        loaded = TTFont(BytesIO(font.file))
        names = loaded.getGlyphOrder()
        builder = FontBuilder(font=loaded)
    shown = {code: names[glyph] for code, glyph in font.characters().items() if glyph < len(names)}
    builder.setupCharacterMap(shown)
    # Readers shift a glyph to begin at its left side bearing, so its outline has to begin there.
    left = {name: getattr(builder.font["glyf"][name], "xMin", 0) for name in names}
    units = builder.font["head"].unitsPerEm
    builder.setupHorizontalMetrics({name: (round(font.width(i) * units), left[name]) for i, name in enumerate(names)})
    builder.setupHorizontalHeader(ascent=font.ascent, descent=font.descent)
    builder.setupNameTable({"familyName": font.family, "styleName": "Regular", "psName": font.name.replace("+", "-")})
    heights = {"sTypoAscender": font.ascent, "sTypoDescender": font.descent}
    builder.setupOS2(**heights, usWinAscent=font.ascent, usWinDescent=max(0, -font.descent))
    builder.setupPost(keepGlyphNames=False)
    builder.font["head"].created = builder.font["head"].modified = _MADE_AT  # the same subset gives the same bytes
    builder.font.recalcTimestamp = False
    output = BytesIO()
    builder.font.save(output)
    return output.getvalue()


def _quadratic_outlines(file: bytes) -> dict[str, Any]:
    """Return the glyphs of a CFF under new names, in their order, with quadratic curves.

    Raises BadInput if they are not numbered as the PDF's codes.
    """
    from fontTools.cffLib import CFFFontSet  # as above
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    fonts = CFFFontSet()
    fonts.decompile(BytesIO(file), None)
    top = fonts.topDictIndex[0]
    charset = list(top.charset)
    if hasattr(top, "ROS") and charset[1:] != [f"cid{number:05}" for number in range(1, len(charset))]:
        raise BadInput("The PDF has a font that cannot be carried over to OFD.", field="document")
    # `.notdef` is empty, because some readers draw it for the second half of a surrogate pair.
    outlines: dict[str, Any] = {".notdef": TTGlyphPen(None).glyph()}
    for number, name in enumerate(charset[1:], 1):
        drawn = top.CharStrings[name]
        subroutines = (getattr(drawn.private, "Subrs", ()), drawn.globalSubrs)
        local, common = (tuple(each.bytecode for each in listed) for listed in subroutines)
        outlines[f"glyph{number:05}"] = _quadratic_glyph(drawn.bytecode, local, common)
    return outlines


@lru_cache(MAX_KEPT_GLYPHS)
def _quadratic_glyph(program: bytes, local: tuple[bytes, ...], common: tuple[bytes, ...]) -> Any:
    """Return the glyph that a program of CFF draws, with quadratic curves. `local`, `common`: the subroutines of the
    glyph's part of the font, and of the whole font."""
    from fontTools.misc.psCharStrings import T2CharString, T2OutlineExtractor  # as above
    from fontTools.pens.cu2quPen import Cu2QuPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    # The direction of PostScript's outlines is opposite to TrueType's.
    quadratic = Cu2QuPen(pen, MAX_OUTLINE_ERROR, reverse_direction=True)
    subroutines = ([T2CharString(each) for each in listed] for listed in (local, common))
    T2OutlineExtractor(quadratic, *subroutines, nominalWidthX=0, defaultWidthX=0).execute(T2CharString(program))
    return pen.glyph()


def _read_widths(listed: Any) -> Iterator[tuple[int, float]]:
    """Yield the widths of /W (ISO 32000-1, 9.7.4.3): `first [w …]`, or `first last w`."""
    entries = list(listed)
    at = 0
    while at + 1 < len(entries):
        first, second = int(entries[at]), entries[at + 1]
        if not isinstance(second, int | float | Decimal):
            yield from ((first + index, float(width)) for index, width in enumerate(second))
            at += 2
        else:
            width = float(entries[at + 2])
            yield from ((code, width) for code in range(first, int(second) + 1))
            at += 3


def _read_texts(cmap: bytes) -> Iterator[tuple[int, str]]:
    """Yield the text of each code from a ToUnicode map (ISO 32000-1, 9.10.3)."""
    for block in _CHARACTERS.findall(cmap):
        values = _HEX.findall(block)
        for code, text in zip(values[::2], values[1::2], strict=True):
            yield int(code, 16), _text(text)
    for block in _RANGES.findall(cmap):
        for first, last, texts in _RANGE.findall(block):
            start, end = int(first, 16), int(last, 16)
            if texts.startswith(b"["):
                listed = [_text(each) for each in _HEX.findall(texts)]
                yield from zip(range(start, end + 1), listed, strict=False)
            else:
                text = _text(texts[1:-1])
                yield from ((start + step, text[:-1] + chr(ord(text[-1]) + step)) for step in range(end - start + 1))


def _text(digits: bytes) -> str:
    return bytes.fromhex(digits.decode("ascii")).decode("utf-16-be")
