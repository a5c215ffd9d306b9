"""A page whose contents, resources and fonts a test replaces."""

from __future__ import annotations

import zlib

from tests.browser.update_files import (
    NEW,
    Objects,
    Revision,
    body_of,
    content_of,
    drawn,
    next_trailer,
    number_of,
    page_of,
)
from tests.signing_parts import sample_pdf

PDF = sample_pdf()
PAGE, CONTENT, TREE = page_of(PDF), content_of(PDF), number_of(PDF, rb"/Type /Pages")
FONT, RESOURCES = number_of(PDF, rb"/Type /Font"), number_of(PDF, rb"\A<< /Font")
TEXT = b"BT /F1 18 Tf 60 700 Td (CNY 1.00) Tj ET"
PACKED = zlib.compress(TEXT)
WHITE = b"<< /FunctionType 2 /N 1 /Domain [0 1] /C0 [1] /C1 [1] >>"
BLACK = WHITE.replace(b"[1]", b"[0]")
ONE_FORM = b"/XObject << /X %d 0 R >>" % NEW


def page(more: bytes = b"", box: bytes = b"[0 0 595 842]", contents: bytes = b"%d 0 R" % CONTENT) -> Objects:
    body = body_of(PDF, PAGE).replace(b"/Contents %d 0 R" % CONTENT, b"/Contents " + contents)
    return {PAGE: body.replace(b"[0 0 595 842]", box).replace(b"<<", b"<< " + more, 1)}


def streams(*contents: bytes) -> Objects:
    """Return a page with several streams of contents."""
    listed = b" ".join(b"%d 0 R" % (NEW + number) for number in range(len(contents)))
    return page(contents=b"[%b]" % listed) | {NEW + number: drawn(each) for number, each in enumerate(contents)}


def packed(entries: bytes, data: bytes) -> Objects:
    return {CONTENT: drawn(data).replace(b"<<", b"<< " + entries, 1)}


def coloured(space: bytes) -> Objects:
    resources = body_of(PDF, RESOURCES).replace(b"<<", b"<< /ColorSpace << /C %b >>" % space, 1)
    return {RESOURCES: resources, CONTENT: drawn(b"/C cs 1 scn " + TEXT)}


def font(more: bytes, kind: bytes = b"/Type1", descriptor: bytes = b"") -> Objects:
    body = b"<< /Type /Font /Subtype %b %b >>" % (kind, more)
    return {FONT: body, CONTENT: drawn(TEXT)} | ({NEW: descriptor} if descriptor else {})


def beside(more: bytes) -> Objects:
    return {RESOURCES: body_of(PDF, RESOURCES).replace(b"<<", b"<< " + more, 1), NEW: drawn(b"41>")}


def written(objects: Objects) -> bytes:
    return Revision(PDF, objects or {PAGE: body_of(PDF, PAGE)}, next_trailer(PDF)).write()
