"""Check uploaded PDFs in a limited child. No PDF may have a password, programs or other files in it. A PDF that will be
signed must not contain anything that looks different on paper than on a screen."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

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
    printing (8.9.5.4) or from another file (8.10.4, 14.11.7), no colours of one device (10.5), and only links without
    an appearance of their own on the pages (12.5.3). Raises ValueError as `open_plain_pdf` does."""
    if "/OCProperties" in document.Root or any(map(_has_layers, document.objects)):
        raise ValueError("the PDF has layers, which may look different on paper: print it into a PDF first")
    if any(isinstance(each, pikepdf.Stream) and REPLACED_BY & each.stream_dict.keys() for each in document.objects):
        raise ValueError("the PDF has pictures that may look different on paper: print it into a PDF first")
    if any(map(_has_colour_functions, document.objects)):
        raise ValueError("the PDF has colours that may look different on paper: print it into a PDF first")
    for page in document.pages:
        laid_over = page.obj.get("/Annots", pikepdf.Array())
        if not isinstance(laid_over, pikepdf.Array) or not all(_is_plain_link(each) for each in laid_over):
            raise ValueError("the PDF has notes, stamps or fields on its pages: print it into a PDF first")


def _is_plain_link(found: Any) -> bool:
    if not isinstance(found, pikepdf.Dictionary) or found.get("/Subtype") != "/Link" or "/AP" in found:
        return False
    border, style = found.get("/Border"), found.get("/BS")
    widths = list(border)[2:3] if isinstance(border, pikepdf.Array) else []
    widths += [style["/W"]] if isinstance(style, pikepdf.Dictionary) and "/W" in style else []
    return all(isinstance(width, int | Decimal) and 0 <= width <= MAX_LINK_BORDER for width in widths)


def _has_layers(found: Any) -> bool:
    return any(KEYS_OF_LAYERS & entries.keys() or LAYERS & _kinds(entries) for entries in dictionaries(found))


def _has_colour_functions(found: Any) -> bool:
    named = (entries[name] for entries in dictionaries(found) for name in COLOUR_FUNCTIONS & entries.keys())
    return any(
        isinstance(value, pikepdf.Array)
        or (isinstance(value, pikepdf.Dictionary | pikepdf.Stream) and "/FunctionType" in value)
        for value in named
    )


def _is_active(found: Any) -> bool:
    """Return whether this object, or one inside it, runs by itself."""
    for entries in dictionaries(found):
        keys = ACTIVE_KEYS & entries.keys()
        if keys - NAMES_OF_FONTS or ACTIVE & _kinds(entries) or (keys and not all(map(_is_font, entries.values()))):
            return True
    return False


def dictionaries(found: Any) -> Iterator[dict[str, Any]]:
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
