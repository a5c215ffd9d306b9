"""Refuse ASN.1 that is small as a file and costly to read: millions of elements, or a long object identifier.

asn1crypto makes an object of every element of a part that it opens, and the time for an object identifier grows with
the square of its length.
"""

from __future__ import annotations

from typing import Final

from qianda.ofd import OfdTooLarge

# A value with 100 certificates has about 15,000.
MAX_ELEMENTS: Final = 20_000
MAX_OID_BYTES: Final = 128
_CONSTRUCTED, _LOW_TAG, _LONG_FORM = 0x20, 0x1F, 0x80
# [8] is the registeredID of a name (RFC 5280, 4.2.1.6).
_OID_TAGS: Final = (0x06, 0x88)


def check_elements(data: bytes) -> None:
    """Check the number of elements, at all depths, and the length of each object identifier. Raises OfdTooLarge.

    Malformed ASN.1 is left to its reader. Content that is longer than the element around it ends with that element, so
    that it cannot hide what follows.
    """
    at, count, ends = 0, 0, [len(data)]
    while at < len(data):
        while at >= ends[-1]:
            ends.pop()
        count += 1
        if count > MAX_ELEMENTS:
            raise OfdTooLarge(f"more than {MAX_ELEMENTS} elements of ASN.1")
        tag, start, length = _head(data, at)
        end = ends[-1] if length is None else min(start + length, ends[-1])
        if tag in _OID_TAGS and end - start > MAX_OID_BYTES:
            raise OfdTooLarge(f"an object identifier of more than {MAX_OID_BYTES} bytes")
        if tag & _CONSTRUCTED:
            ends.append(end)
            at = start
        else:
            at = end


def _head(data: bytes, at: int) -> tuple[int, int, int | None]:
    """Return the first byte of a tag, where the content begins, and its length; None if it is indefinite."""
    tag = data[at]
    at += 1
    if tag & _LOW_TAG == _LOW_TAG:
        while at < len(data) and data[at] & 0x80:
            at += 1
        at += 1
    length = data[at] if at < len(data) else 0
    at += 1
    if length < _LONG_FORM:
        return tag, at, length
    digits = length & ~_LONG_FORM
    return tag, at + digits, int.from_bytes(data[at : at + digits], "big") if digits else None
