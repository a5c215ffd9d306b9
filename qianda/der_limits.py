"""Refuse ASN.1 that is small as a file and costly to read: millions of elements, deep nesting, long identifiers.

asn1crypto makes an object of every element of a part that it opens, and the time for an object identifier grows with
the square of its length.
"""

from __future__ import annotations

from typing import Final

# A value with 200 certificates has about 30,000, a revocation list with 5,000 entries about 35,000.
MAX_ELEMENTS: Final = 100_000
MAX_DEPTH: Final = 100
MAX_OID_BYTES: Final = 128
_CONSTRUCTED, _LOW_TAG, _LONG_FORM = 0x20, 0x1F, 0x80
# [8] is the registeredID of a name (RFC 5280, 4.2.1.6).
_OID_TAGS: Final = (0x06, 0x88)


class CostlyAsn1(ValueError):
    """The ASN.1 would take too long to read."""


def check_elements(data: bytes) -> None:
    """Check the number of elements, their depth, and the length of each object identifier. Raises CostlyAsn1.

    Malformed ASN.1 is left to its reader. Whatever is longer than the element around it ends with that element, so that
    it cannot hide what follows.
    """
    at, count, ends = 0, 0, [len(data)]
    while at < len(data):
        while at >= ends[-1]:
            ends.pop()
        count += 1
        if count > MAX_ELEMENTS or len(ends) > MAX_DEPTH:
            raise CostlyAsn1(f"more than {MAX_ELEMENTS} elements of ASN.1, or {MAX_DEPTH} in each other")
        tag, start, end = _head(data, at, ends[-1])
        if tag in _OID_TAGS and end - start > MAX_OID_BYTES:
            raise CostlyAsn1(f"an object identifier of more than {MAX_OID_BYTES} bytes")
        if tag & _CONSTRUCTED:
            ends.append(end)
            at = start
        else:
            at = end


def _head(data: bytes, at: int, limit: int) -> tuple[int, int, int]:
    """Return the first byte of a tag, and where its content begins and ends: at `limit` if the length is indefinite."""
    tag = data[at]
    at += 1
    if tag & _LOW_TAG == _LOW_TAG:
        while at < limit and data[at] & 0x80:
            at += 1
        at += 1
    if at >= limit:
        return tag, limit, limit
    length = data[at]
    at += 1
    if length >= _LONG_FORM:
        digits = length & ~_LONG_FORM
        length = int.from_bytes(data[at : at + digits], "big") if digits else limit
        at += digits
    return tag, min(at, limit), min(at + length, limit)
