"""Check uploaded PDFs in a limited child. No PDF may have a password, programs or other files in it. A PDF that will be
signed must not contain anything that looks different on paper than on a screen."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from io import BytesIO
from itertools import accumulate, starmap
from typing import Any, Final

import pikepdf

from qianda.verify.pdf.active_content import (
    ACTIVE,
    ACTIVE_KEYS,
    COLOUR_FUNCTIONS,
    KEYS_OF_FILES,
    KEYS_OF_LAYERS,
    KINDS,
    LAYERS,
    MAX_LINK_BORDER,
    NAMES_OF_FONTS,
    REPLACED_BY,
)

# All operators of contents (ISO 32000-2, annex A), by how many operands they have. pikepdf makes one operator of each
# inline image.
_BY_OPERANDS: Final = {
    0: "b B b* B* BT EMC ET f F f* h n q Q s S T* W W*",
    1: "BMC CS cs Do g G gs i j J M MP ri sh Tc Tj TJ TL Tr Ts Tw Tz w '",
    2: "BDC d d0 DP l m Td TD Tf",
    3: 'RG rg "',
    4: "K k re v y",
    6: "c cm d1 Tm",
}
OPERATORS: Final = {name: count for count, names in _BY_OPERANDS.items() for name in names.split()} | {
    "INLINE IMAGE": 1
}
# Operators with as many operands as the colour space demands.
COLOUR_OPERATORS: Final = frozenset(("SC", "SCN", "sc", "scn"))
# The kinds of resources that the names after these operators are of (7.8.3), and the colour spaces that are in none.
NAMED_IN: Final = {
    "Tf": "/Font",
    "Do": "/XObject",
    "gs": "/ExtGState",
    "sh": "/Shading",
    **dict.fromkeys(("cs", "CS"), "/ColorSpace"),
    **dict.fromkeys(("scn", "SCN"), "/Pattern"),
}
NEEDS_NO_RESOURCE: Final = {"/DeviceGray", "/DeviceRGB", "/DeviceCMYK", "/Pattern"}
# How texts may be drawn (9.3.6). As a mask (7), some programs find no words in them; others are not known.
VISIBLE_MODES: Final = range(7)
# Some programs take greater integers for others.
MAX_INTEGER: Final = 2**31 - 1


def open_plain_pdf(content: bytes, max_pages: int) -> pikepdf.Pdf:
    """Open a PDF that runs no actions by itself and contains no other files. It may still have layers, notes and
    fields; `check_looks_alike` checks for them. Raises ValueError with the reason, which begins with `the PDF`."""
    try:
        document = pikepdf.open(BytesIO(content))
    except pikepdf.PasswordError:
        raise ValueError("the PDF is protected by a password") from None
    except pikepdf.PdfError:
        raise ValueError("the PDF is damaged") from None
    if document.is_encrypted:
        raise ValueError("the PDF is protected by a password")
    if not 1 <= len(document.pages) <= max_pages:
        raise ValueError("the PDF has no pages, or too many")
    if any(_is_active(each) for each in document.objects):
        raise ValueError("the PDF has programs or other files in it")
    return document


def check_looks_alike(document: pikepdf.Pdf) -> None:
    """Check that a printer prints what a signer sees: no layers (ISO 32000-2, 8.11), no pictures with an alternate for
    printing (8.9.5.4) or from another file (8.10.4, 14.11.7), no colours of one device (10.5), contents that all
    programs understand (annex A), and only links without an appearance of their own on the pages (12.5.3). Raises
    ValueError as `open_plain_pdf` does."""
    if "/OCProperties" in document.Root or any(map(_has_layers, document.objects)):
        raise ValueError("the PDF has layers, which may look different on paper: print it into a PDF first")
    if any(isinstance(each, pikepdf.Stream) and REPLACED_BY & each.stream_dict.keys() for each in document.objects):
        raise ValueError("the PDF has pictures that may look different on paper: print it into a PDF first")
    if any(map(_has_colour_functions, document.objects)):
        raise ValueError("the PDF has colours that may look different on paper: print it into a PDF first")
    if not all(starmap(_is_well_written, list_contents(document))):
        raise ValueError("the PDF has contents that programs show in different ways: print it into a PDF first")
    for page in document.pages:
        laid_over = page.obj.get("/Annots", pikepdf.Array())
        if not isinstance(laid_over, pikepdf.Array) or not all(_is_plain_link(each) for each in laid_over):
            raise ValueError("the PDF has notes, stamps or fields on its pages: print it into a PDF first")


def list_contents(document: pikepdf.Pdf) -> Iterator[tuple[Any, Any]]:
    """Yield the pages, and the forms, patterns and letters that they may draw, each with its own resources."""
    for page in document.pages:
        if "/Contents" in page:
            yield page, page.resources
    for each in document.objects:
        if isinstance(each, pikepdf.Stream) and (each.get("/Subtype") == "/Form" or "/PatternType" in each):
            yield each, each.get("/Resources", {})
        for font in _dictionaries(each):
            for letter in font.get("/CharProcs", {}).values():
                yield letter, font.get("/Resources", {})


def _is_well_written(contents: Any, resources: Any) -> bool:
    """Return whether contents can be unpacked, and have only operators of the standard with their operands, and no `Q`
    before its `q`, and name only what is in their resources.

    Programs make different things of others, and of a number with two signs or points, which is an operator here. They
    look in different places for what is missing.
    """
    try:
        acts = pikepdf.parse_content_stream(contents)
    except pikepdf.PdfError:
        return False
    operators = [str(each.operator) for each in acts]
    depths = accumulate((each == "q") - (each == "Q") for each in operators)
    fit = all(map(_fits, operators, (each.operands for each in acts))) and all(depth >= 0 for depth in depths)
    return fit and all(
        name in NEEDS_NO_RESOURCE or name in resources.get(NAMED_IN[operator], {})
        for operator, act in zip(operators, acts, strict=True)
        if operator in NAMED_IN
        for name in act.operands
        if isinstance(name, pikepdf.Name)
    )


def _fits(operator: str, operands: Collection[Any]) -> bool:
    if any(isinstance(each, int) and abs(each) > MAX_INTEGER for each in operands):
        return False
    if operator == "Tr" and not all(each in VISIBLE_MODES for each in operands):
        return False
    return operator in COLOUR_OPERATORS or OPERATORS.get(operator) == len(operands)


def _is_plain_link(found: Any) -> bool:
    if not isinstance(found, pikepdf.Dictionary) or found.get("/Subtype") != "/Link" or "/AP" in found:
        return False
    border, style = found.get("/Border"), found.get("/BS")
    widths = list(border)[2:3] if isinstance(border, pikepdf.Array) else []
    widths += [style["/W"]] if isinstance(style, pikepdf.Dictionary) and "/W" in style else []
    return all(isinstance(width, int | Decimal) and 0 <= width <= MAX_LINK_BORDER for width in widths)


def _has_layers(found: Any) -> bool:
    return any(KEYS_OF_LAYERS & entries.keys() or LAYERS & _kinds(entries) for entries in _dictionaries(found))


def _has_colour_functions(found: Any) -> bool:
    named = (entries[name] for entries in _dictionaries(found) for name in COLOUR_FUNCTIONS & entries.keys())
    return any(
        isinstance(value, pikepdf.Array)
        or (isinstance(value, pikepdf.Dictionary | pikepdf.Stream) and "/FunctionType" in value)
        for value in named
    )


def _is_active(found: Any) -> bool:
    """Return whether this object, or one inside it, runs by itself."""
    for entries in _dictionaries(found):
        keys = ACTIVE_KEYS & entries.keys()
        if keys - NAMES_OF_FONTS or ACTIVE & _kinds(entries) or (keys and not all(map(_is_font, entries.values()))):
            return True
    return False


def _dictionaries(found: Any) -> Iterator[dict[str, Any]]:
    """Yield the entries of each dictionary and stream in an object. Indirect objects are looked at on their own."""
    inside = [found]
    while inside:
        one = inside.pop()
        if isinstance(one, pikepdf.Stream):
            entries = dict(one.stream_dict.items())
        elif isinstance(one, pikepdf.Dictionary):
            entries = dict(one.items())
        else:
            inside += [] if not isinstance(one, pikepdf.Array) else [each for each in one if _is_direct(each)]
            continue
        yield entries
        inside += [each for each in entries.values() if _is_direct(each)]


def _kinds(entries: dict[str, Any]) -> set[str]:
    return {str(entries[key]) for key in KINDS if isinstance(entries.get(key), pikepdf.Name)}


def _is_font(found: Any) -> bool:
    is_font = isinstance(found, pikepdf.Dictionary) and found.get("/Type") == "/Font"
    return is_font and KEYS_OF_FILES.isdisjoint(found.keys())


def _is_direct(found: Any) -> bool:
    """Return whether an object is written where it is used. Indirect objects are checked on their own."""
    return isinstance(found, pikepdf.Object) and not found.is_indirect
