"""A small PDF to be hidden in archives, and what a reader of PDF makes of them."""

from __future__ import annotations

import struct

import pypdfium2

_TEXT = b"BT /F1 40 Tf 60 700 Td (CNY 1.00) Tj ET"
PDF = (
    b"%%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
    b"2 0 obj\n<</Type/Pages/Count 1/Kids[3 0 R]>>\nendobj\n"
    b"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
    b"/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>\nendobj\n"
    b"4 0 obj\n<</Length %d>>\nstream\n%b\nendstream\nendobj\n"
    b"trailer\n<</Root 1 0 R>>\n%%%%EOF\n"
) % (len(_TEXT), _TEXT)
# An extra field of a ZIP member, of a kind that no program knows.
EXTRA = struct.pack("<2H", 0xBEEF, len(PDF)) + PDF


def words_shown(file: bytes) -> list[str]:
    """Return the words that pdfium shows of the file."""
    with pypdfium2.PdfDocument(file) as document:
        return [word for page in document for word in page.get_textpage().get_text_bounded().split()]
