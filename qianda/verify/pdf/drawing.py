"""Find parts of a PDF that programs draw in different ways, so that a reader may not see the text that the signers saw.

No document that Qianda lays out has any, and a school's own PDF is rewritten without them or refused. Source: ISO
32000-2 7.4 (filters), 7.7.3.3 (pages), 7.8.2 (contents), 8.6 (colours), 9.6 to 9.8 (fonts); how pdfium, Poppler and
MuPDF draw such parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from qianda.pdf import Stream, TooComplex, Value
from qianda.pdf.separators import count_separators
from qianda.verify.pdf.composed_fonts import is_composed_alike
from qianda.verify.pdf.content_steps import Part
from qianda.verify.pdf.document import Document, Entries, as_dictionary, reference
from qianda.verify.pdf.drawn_parts import MAX_CONTENT_BYTES, MAX_CONTENT_SEPARATORS, DrawnParts
from qianda.verify.pdf.images import count_colours, is_drawn_alike
from qianda.verify.pdf.mixing import COLOURS, find_mixed_differently
from qianda.verify.pdf.pages import pages
from qianda.verify.pdf.truetype import TrueTypeFonts
from qianda.verify.pdf.unpacking import beginning, unpacked, unpacking_together

KEYS_OF_COLOURS: Final = {"/DefaultGray", "/DefaultRGB", "/DefaultCMYK"}
# Ways of mixing colours that only some programs know: overprinting (8.6.7), and a mask as the shape (11.6.4.3).
MIXING: Final = {"/OP", "/op", "/AIS"}
# Background and border of a field without a picture (12.5.6.19). Only Poppler paints them, over the page below.
DECORATION: Final = {"/MK", "/BS", "/Border"}
# Fonts that every program has, with the same letters (9.6.2.2).
STANDARD_FONTS: Final = {
    f"/{name}"
    for name in (
        *("Helvetica", "Helvetica-Bold", "Helvetica-Oblique", "Helvetica-BoldOblique"),
        *("Courier", "Courier-Bold", "Courier-Oblique", "Courier-BoldOblique"),
        *("Times-Roman", "Times-Bold", "Times-Italic", "Times-BoldItalic"),
    )
}
_KEYS_OF_FONT_FILES: Final = {"/FontFile", "/FontFile2", "/FontFile3"}
_TYPE_1: Final[tuple[bytes, ...]] = (b"%!", b"\x80\1")
_TRUETYPE: Final[dict[str, tuple[bytes, ...]]] = {"/FontFile2": (b"\0\1\0\0", b"true")}
_COMPACT: Final[dict[str, tuple[bytes, ...]]] = {"/FontFile3": (b"\1\0",)}
# What the file of a font begins with, by the kind of the font (9.9). In a file of another kind, programs look for
# letters by different rules; in a composed OpenType font, by number or by place.
FONT_FILES: Final[dict[str, dict[str, tuple[bytes, ...]]]] = {
    "/TrueType": _TRUETYPE,
    "/CIDFontType2": _TRUETYPE,
    "/CIDFontType0": _COMPACT,
    "/MMType1": {"/FontFile": _TYPE_1, **_COMPACT},
    "/Type1": {"/FontFile": _TYPE_1, **_COMPACT},
}
STANDARD_ENCODINGS: Final = (None, "/StandardEncoding", "/WinAnsiEncoding", "/MacRomanEncoding")
# Lists that many objects may share.
_SHARED: Final = {"/Font", "/ExtGState", "/CharProcs", "/DescendantFonts"}
_TEXT_OR_COMMENT = re.compile(rb"[(%]")
_IN_TEXT = re.compile(rb"\\.|[()]", re.DOTALL)
_LINE_END = re.compile(rb"[\r\n]")
_INLINE_IMAGE = re.compile(rb"\bBI\b")


@unpacking_together()
def find_drawn_differently(document: Document, max_separators: int = MAX_CONTENT_SEPARATORS) -> list[str]:
    """Return the names of parts that programs draw in different ways, in order. Raises TooComplex."""
    found: set[str] = set()
    numbers = list(pages(document))
    drawn, fonts = DrawnParts(document, numbers, max_separators), TrueTypeFonts(document)
    for number in numbers:
        found |= set(_of_page(document, number, drawn))
    for number, value in document.objects.items():
        found |= set(_of_object(document, number, value, drawn, fonts))
    found |= {"/XObject"} if drawn.nest_deeply() else set()
    return sorted(found | ({"/Contents"} if drawn.begin_differently() else set()))


def _of_page(document: Document, number: int, drawn: DrawnParts) -> Iterator[str]:
    page = as_dictionary(document.read(number), "a page")
    levels = [page]
    while (above := reference(levels[-1], "/Parent")) is not None:
        levels.append(as_dictionary(document.read(above), "a list of pages"))
    for level in levels:
        turned = document.entry(level, "/Rotate")
        if turned is not None and (type(turned) is not int or turned % 360):
            yield "/Rotate"
        if "/UserUnit" in level:
            yield "/UserUnit"
    sheet, shown = (_corners(document, levels, name) for name in ("/MediaBox", "/CropBox"))
    if not sheet:
        yield "/MediaBox"
    elif shown not in (None, sheet):
        yield "/CropBox"
    resources = next((document.dictionary(level, "/Resources") for level in levels if "/Resources" in level), {})
    content = _joined(document, page.get("/Contents"))
    if content is None or not drawn.add(number, content, resources, Part.PAGE):
        yield "/Contents"


def _corners(document: Document, levels: list[Entries], name: str) -> list[float] | None:
    """Return the corners of a page's box, which may be inherited; no corners if it is empty. None: no box."""
    listed = next((document.array(level, name) for level in levels if name in level), None)
    if listed is None:
        return None
    stated = [document.follow(each) for each in listed[:5]]  # many forms may refer to the same long list
    corners = [float(each) for each in stated if isinstance(each, int | float) and not isinstance(each, bool)]
    spans = len(corners) == len(stated) == 4 and corners[0] != corners[2] and corners[1] != corners[3]
    return corners if spans else []


def _joined(document: Document, contents: Value) -> bytes | None:
    """Return the contents of a page, or None unless all programs unpack and join its streams to the same text."""
    value = document.follow(contents)
    listed = value if isinstance(value, list) else [] if value is None else [contents]
    parts, size, separators = list[bytes](), 0, 0
    for each in listed:
        if (part := unpacked(document.follow(each))) is None:
            return None
        parts.append(part)
        size, separators = size + len(part), separators + count_separators(part)
        if size > MAX_CONTENT_BYTES or separators > MAX_CONTENT_SEPARATORS:
            raise TooComplex
    if any(map(_is_open, parts[:-1])):
        return None
    return b"\n".join(parts)


def _is_open(content: bytes) -> bool:
    """Return whether contents may end inside a text or a comment, which would then include the white space that
    programs put between two streams. An inline picture may have any bytes, so after one the answer is always yes."""
    at = 0
    while begun := _TEXT_OR_COMMENT.search(content, at):
        at = begun.end()
        if begun[0] == b"%":
            end = _LINE_END.search(content, at)
            at = end.end() if end else len(content) + 1
        depth = int(begun[0] == b"(")
        while depth and (part := _IN_TEXT.search(content, at)):
            at, depth = part.end(), depth + (part[0] == b"(") - (part[0] == b")")
        if depth or at > len(content):
            return True
    return _INLINE_IMAGE.search(content) is not None


def _of_object(document: Document, number: int, value: Value, drawn: DrawnParts, fonts: TrueTypeFonts) -> Iterator[str]:
    """Yield the parts of an object that programs draw in different ways, without the objects that it refers to."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            yield from _other_colours(document, one)
            waiting += one
        elif isinstance(one, dict | Stream):
            entries = one.entries if isinstance(one, Stream) else one
            for name in _SHARED & entries.keys():
                drawn.count_listed(document.entry(entries, name))
            yield from _odd_entries(document, entries, fonts)
            kind = document.entry(entries, "/Subtype")
            for part in _parts(document, entries) if isinstance(one, Stream) else ():
                yield from drawn.add_stream(number, one, document.dictionary(entries, "/Resources"), part)
            if isinstance(one, Stream) and kind == "/Form" and not _corners(document, [entries], "/BBox"):
                yield "/BBox"
            if isinstance(one, Stream) and kind == "/Image" and not is_drawn_alike(document, one):
                yield "/Image"
            for letter in document.dictionary(entries, "/CharProcs").values():
                resources = document.dictionary(entries, "/Resources")
                yield from drawn.add_stream(number, document.follow(letter), resources, Part.LETTER)
            waiting += entries.values()


def _parts(document: Document, entries: Entries) -> Iterator[Part]:
    """Yield what a stream is drawn as."""
    if document.entry(entries, "/Subtype") == "/Form":
        yield Part.FORM
    if "/PatternType" in entries:
        yield Part.STENCIL if document.entry(entries, "/PaintType") == 2 else Part.PATTERN


def _odd_entries(document: Document, entries: Entries, fonts: TrueTypeFonts) -> Iterator[str]:
    yield from KEYS_OF_COLOURS & entries.keys()
    yield from find_mixed_differently(document, entries)
    if "/Font" in entries:
        yield from _other_fonts(document, document.entry(entries, "/Font"))
    if document.entry(entries, "/Subtype") == "/Widget":
        yield from DECORATION & entries.keys()
        if document.dictionary(entries, "/AP").keys() - {"/N"}:
            yield "/AP"
    yield from (name for name in MIXING & entries.keys() if document.entry(entries, name) is True)
    if isinstance(document.entry(entries, "/BM"), list):
        yield "/BM"
    if "/ShadingType" in entries and "/Background" in entries:
        yield "/Background"
    if document.entry(entries, "/PatternType") == 1 and document.entry(entries, "/PaintType") not in (1, 2):
        yield "/PaintType"
    if not fonts.is_read_alike(entries):
        yield f"/TrueType{_name_of(document, entries)}"
    if "/DescendantFonts" in entries and not is_composed_alike(document, entries):
        yield f"/Type0{_name_of(document, entries)}"
    if document.dictionary(entries, "/CharProcs") and "/Widths" not in entries:
        yield "/Widths"


def _other_colours(document: Document, listed: list[Value]) -> Iterator[str]:
    kind, *parts = [document.follow(each) for each in listed[:2]] or [None]
    if isinstance(kind, str) and kind in COLOURS:
        yield kind
    if kind == "/ICCBased" and parts and isinstance(parts[0], Stream) and "/Alternate" in parts[0].entries:
        profile = parts[0].entries
        if count_colours(document, document.entry(profile, "/Alternate")) != document.entry(profile, "/N"):
            yield kind
    if kind == "/Indexed" and parts and count_colours(document, parts[0]) and not count_colours(document, listed):
        yield kind


def _other_fonts(document: Document, listed: Value) -> Iterator[str]:
    """Yield the names of the fonts that programs replace with their own, and `/ExtGState` for one in a graphics state,
    which only some programs take."""
    if isinstance(listed, list):
        yield "/ExtGState"
        return
    for font in (as_dictionary(document.follow(each), "a font") for each in as_dictionary(listed, "/Font").values()):
        if not _has_its_letters(document, font):
            yield f"/Font{_name_of(document, font)}"


def _name_of(document: Document, font: Entries) -> str:
    name = document.entry(font, "/BaseFont")
    return f" {name}" if isinstance(name, str) else ""


def _has_its_letters(document: Document, font: Entries) -> bool:
    if document.entry(font, "/Subtype") == "/Type3":
        return True
    if document.entry(font, "/Subtype") == "/Type0":
        return all(_is_embedded(document, as_dictionary(each, "a font")) for each in _descendants(document, font))
    if _files(document, font):
        return _is_embedded(document, font)
    is_plain = document.entry(font, "/Encoding") in STANDARD_ENCODINGS
    return is_plain and str(document.entry(font, "/BaseFont")) in STANDARD_FONTS


def _descendants(document: Document, font: Entries) -> list[Value]:
    listed = document.array(font, "/DescendantFonts")
    return [document.follow(listed[0])] if len(listed) == 1 else [{}]


def _files(document: Document, font: Entries) -> set[str]:
    return document.dictionary(font, "/FontDescriptor").keys() & _KEYS_OF_FONT_FILES


def _is_embedded(document: Document, font: Entries) -> bool:
    """Return whether the font has one file, of its own kind."""
    files = _files(document, font)
    starts = FONT_FILES.get(str(document.entry(font, "/Subtype")), {})
    if len(files) != 1 or not files <= starts.keys():
        return False
    (key,) = files
    file = document.entry(document.dictionary(font, "/FontDescriptor"), key)
    return isinstance(file, Stream) and beginning(file).startswith(starts[key])
