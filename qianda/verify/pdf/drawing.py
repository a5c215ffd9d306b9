"""Find parts of a PDF that programs draw in different ways, so that one reader sees another text than the signers saw.

No document that Qianda lays out has any, and a school's own PDF is written anew without them or refused. Source: ISO
32000-2 7.4 (filters), 7.7.3.3 (pages), 7.8.2 (contents), 8.6 (colours), 9.6 to 9.8 (fonts); how pdfium, Poppler and
MuPDF draw such parts.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Final

from qianda.pdf import Stream, Value
from qianda.verify.pdf.document import Document, Entries, as_dictionary, reference
from qianda.verify.pdf.pages import pages

# Colours that some programs convert by a rule of the file, some by one of their own, and some leave out (8.6).
COLOURS: Final = {"/Separation", "/DeviceN", "/CalGray", "/CalRGB", "/Lab"}
KEYS_OF_COLOURS: Final = {"/DefaultGray", "/DefaultRGB", "/DefaultCMYK"}
# Fonts that every program has, with the same letters in them (9.6.2.2).
STANDARD_FONTS: Final = {
    f"/{name}"
    for name in (
        *("Helvetica", "Helvetica-Bold", "Helvetica-Oblique", "Helvetica-BoldOblique"),
        *("Courier", "Courier-Bold", "Courier-Oblique", "Courier-BoldOblique"),
        *("Times-Roman", "Times-Bold", "Times-Italic", "Times-BoldItalic"),
    )
}
FONT_FILES: Final = ("/FontFile", "/FontFile2", "/FontFile3")
MAX_CONTENT_BYTES: Final = 64 << 20
_TEXT_OR_COMMENT = re.compile(rb"[(%]")
_IN_TEXT = re.compile(rb"\\.|[()]", re.DOTALL)
_LINE_END = re.compile(rb"[\r\n]")
_INLINE_IMAGE = re.compile(rb"\bBI\b")


def find_drawn_differently(document: Document) -> list[str]:
    """Return the names of such parts, in order."""
    found: set[str] = set()
    for number in pages(document):
        found |= set(_of_page(document, number))
    for value in document.objects.values():
        found |= set(_of_object(document, value))
    return sorted(found)


def _of_page(document: Document, number: int) -> Iterator[str]:
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
    if not _are_read_alike(document, page.get("/Contents")):
        yield "/Contents"


def _corners(document: Document, levels: list[Entries], name: str) -> list[float] | None:
    """Return the corners of a page's box, which may be inherited; no corners if it is empty. None: no box."""
    stated = next((document.items(level, name) for level in levels if name in level), None)
    if stated is None:
        return None
    corners = [float(each) for each in stated if isinstance(each, int | float) and not isinstance(each, bool)]
    spans = len(corners) == len(stated) == 4 and corners[0] != corners[2] and corners[1] != corners[3]
    return corners if spans else []


def _are_read_alike(document: Document, contents: Value) -> bool:
    """Return whether the contents of a page are streams that all programs unpack and join to the same text."""
    value = document.follow(contents)
    listed = value if isinstance(value, list) else [] if value is None else [contents]
    unpacked = [_unpacked(document.follow(each)) for each in listed]
    return all(
        each is not None and (number == len(unpacked) or not _is_open(each)) for number, each in enumerate(unpacked, 1)
    )


def _unpacked(stream: Value) -> bytes | None:
    """Return the bytes of a stream, if every program unpacks the same ones."""
    if not isinstance(stream, Stream) or "/DecodeParms" in stream.entries:
        return None
    used = stream.entries.get("/Filter")
    if used is None:
        return stream.data
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(stream.data, MAX_CONTENT_BYTES)
    except zlib.error:
        return None
    is_whole = unpacker.eof and not unpacker.unused_data.strip()
    return content if is_whole and used in ("/FlateDecode", ["/FlateDecode"]) else None


def _is_open(content: bytes) -> bool:
    """Return whether contents may end inside a text or a comment: what programs put between two streams would be in
    it. Pictures in contents may have any bytes, so nothing can be said after one."""
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


def _of_object(document: Document, value: Value) -> Iterator[str]:
    """Yield such parts of an object, without those that it refers to."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            yield from (name for name in map(document.follow, one[:1]) if isinstance(name, str) and name in COLOURS)
            waiting += one
        elif isinstance(one, dict | Stream):
            entries = one.entries if isinstance(one, Stream) else one
            yield from KEYS_OF_COLOURS & entries.keys()
            if "/Font" in entries:
                yield from _other_fonts(document, document.entry(entries, "/Font"))
            kind = document.entry(entries, "/Subtype")
            if isinstance(one, Stream) and (kind == "/Form" or "/PatternType" in entries) and _unpacked(one) is None:
                yield "/Filter"
            if kind == "/Widget" and document.dictionary(entries, "/AP").keys() - {"/N"}:
                yield "/AP"
            waiting += entries.values()


def _other_fonts(document: Document, listed: Value) -> Iterator[str]:
    """Yield the names of the fonts in resources, or in a graphics state, for which programs take one of their own."""
    fonts = listed[:1] if isinstance(listed, list) else as_dictionary(listed, "/Font").values()
    for font in (as_dictionary(document.follow(each), "a font") for each in fonts):
        if not _has_its_letters(document, font):
            name = document.entry(font, "/BaseFont")
            yield f"/Font {name}" if isinstance(name, str) else "/Font"


def _has_its_letters(document: Document, font: Entries) -> bool:
    if document.entry(font, "/Subtype") == "/Type3":
        return True
    if document.entry(font, "/Subtype") == "/Type0":
        return all(_is_embedded(document, as_dictionary(each, "a font")) for each in _descendants(document, font))
    is_plain = isinstance(document.entry(font, "/Encoding"), str | None)
    return _is_embedded(document, font) or (is_plain and document.entry(font, "/BaseFont") in STANDARD_FONTS)


def _descendants(document: Document, font: Entries) -> list[Value]:
    return document.items(font, "/DescendantFonts") or [{}]


def _is_embedded(document: Document, font: Entries) -> bool:
    descriptor = document.dictionary(font, "/FontDescriptor")
    return any(isinstance(document.entry(descriptor, name), Stream) for name in FONT_FILES)
