"""What no uploaded PDF may have: a password, programs, other files. For limited children."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import pikepdf

# Names by which a PDF does something by itself, or brings other files along.
KINDS: Final = ("/S", "/Type", "/Subtype")
ACTIVE: Final = {"/JavaScript", "/Launch", "/EmbeddedFile", "/SubmitForm", "/ImportData", "/RichMedia", "/Movie"}
ACTIVE_KEYS: Final = {"/JS", "/EmbeddedFiles", "/XFA"}


def open_plain_pdf(content: bytes, max_pages: int) -> pikepdf.Pdf:
    """Open a PDF that is nothing but pages. Raises ValueError with the reason, which begins with `the PDF`."""
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


def _is_active(found: Any) -> bool:
    """Return whether this object does something by itself, or one that stands within it."""
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
        kinds = {str(entries[key]) for key in KINDS if isinstance(entries.get(key), pikepdf.Name)}
        if ACTIVE_KEYS & entries.keys() or ACTIVE & kinds:
            return True
        inside += [each for each in entries.values() if _is_direct(each)]
    return False


def _is_direct(found: Any) -> bool:
    """Return whether an object stands where it is used; others are looked at by themselves."""
    return isinstance(found, pikepdf.Object) and not found.is_indirect
