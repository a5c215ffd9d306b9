"""The child's part of `hub.documents.signing.attachment_upload`: read an uploaded photo or PDF, and refuse other files.

A photo is redrawn: smaller, upright, and without the data that the phone wrote into it, such as where it was taken.
"""

from __future__ import annotations

from io import BytesIO
from typing import Final

from PIL import Image, ImageOps

from hub.documents.child import serve
from hub.documents.contract.pdf_check import open_plain_pdf
from hub.documents.signing.attachment_upload import JPEG, PDF

# Pixels of the longer side that are kept: a page of small print is still readable.
MAX_SIDE: Final = 2400
MAX_PIXELS: Final = 80_000_000
QUALITY: Final = 82
MAX_PAGES: Final = 30


def _answer(content: bytes) -> bytes:
    """Return the media type in a line, then the content as it is kept."""
    if content.startswith(b"%PDF-"):
        open_plain_pdf(content, MAX_PAGES).close()
        return f"{PDF}\n".encode() + content
    return f"{JPEG}\n".encode() + _drawn_anew(content)


def _drawn_anew(content: bytes) -> bytes:
    with Image.open(BytesIO(content), formats=["JPEG", "PNG", "WEBP"]) as opened:
        if opened.width * opened.height > MAX_PIXELS:  # checked before the picture is unpacked
            raise ValueError("the picture has too many pixels")
        opened.draft("RGB", (MAX_SIDE, MAX_SIDE))
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    plain = Image.new("RGB", picture.size)  # nothing but the pixels
    plain.paste(picture)
    written = BytesIO()
    plain.save(written, "JPEG", quality=QUALITY, optimize=True)
    return written.getvalue()


if __name__ == "__main__":
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    serve(_answer, (ValueError,))
