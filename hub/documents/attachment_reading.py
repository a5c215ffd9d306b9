"""The child's part of `hub.documents.attachment_upload`: reads an uploaded photo or PDF, and refuses what is neither.

A photo is drawn anew: smaller, upright, and without what the phone wrote into it, such as where it was taken.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import pikepdf
from PIL import Image, ImageOps

from hub.documents.attachment_upload import JPEG, PDF
from hub.documents.child import serve

# Pixels of the longer side that are kept: a page of small print is still readable.
MAX_SIDE: Final = 2400
MAX_PIXELS: Final = 80_000_000
QUALITY: Final = 82
MAX_PAGES: Final = 30
# Names by which a PDF does something by itself, or brings other files along.
KINDS: Final = ("/S", "/Type", "/Subtype")
ACTIVE: Final = {"/JavaScript", "/Launch", "/EmbeddedFile", "/SubmitForm", "/ImportData", "/RichMedia", "/Movie"}
ACTIVE_KEYS: Final = {"/JS", "/EmbeddedFiles", "/XFA"}


def _answer(content: bytes) -> bytes:
    """Return the media type in a line, then the content as it is kept."""
    if content.startswith(b"%PDF-"):
        _check_pdf(content)
        return f"{PDF}\n".encode() + content
    return f"{JPEG}\n".encode() + _drawn_anew(content)


def _drawn_anew(content: bytes) -> bytes:
    with Image.open(BytesIO(content), formats=["JPEG", "PNG", "WEBP"]) as opened:
        if opened.width * opened.height > MAX_PIXELS:  # before anything is unpacked
            raise ValueError("the picture has too many pixels")
        opened.draft("RGB", (MAX_SIDE, MAX_SIDE))
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    plain = Image.new("RGB", picture.size)  # nothing but the pixels
    plain.paste(picture)
    written = BytesIO()
    plain.save(written, "JPEG", quality=QUALITY, optimize=True)
    return written.getvalue()


def _check_pdf(content: bytes) -> None:
    try:
        with pikepdf.open(BytesIO(content)) as document:
            if document.is_encrypted:
                raise ValueError("the PDF is protected by a password")
            if not 1 <= len(document.pages) <= MAX_PAGES:
                raise ValueError(f"a PDF has 1 to {MAX_PAGES} pages")
            if any(_is_active(each) for each in document.objects):
                raise ValueError("the PDF has programs or other files in it")
    except pikepdf.PasswordError:
        raise ValueError("the PDF is protected by a password") from None
    except pikepdf.PdfError:
        raise ValueError("the PDF is damaged") from None


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


if __name__ == "__main__":
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    serve(_answer, (ValueError,))
