"""Read the small part of DER that the checks before a signature need.

It accepts only part of what DER allows (one-byte tags, lengths up to 64 KiB, no indefinite lengths), and nothing that
DER forbids, so every other reader understands the data in the same way. Source: ITU-T X.690, 8.1 and 10 to 11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

INTEGER, OCTET_STRING, NULL, OID, SEQUENCE, SET = 0x02, 0x04, 0x05, 0x06, 0x30, 0x31
MAX_LENGTH_BYTES = 2  # number of bytes that a length in the long form may have


class NotDer(ValueError):
    """The bytes are not the DER that is expected here."""


class DerElement(NamedTuple):
    """One value: its tag byte, its content, and its whole encoding as in the data."""

    tag: int
    content: bytes
    whole: bytes

    def children(self, tag: int) -> list[DerElement]:
        """Return the parts of a constructed value, which must have the tag `tag`. Raises NotDer."""
        if self.tag != tag:
            raise NotDer(f"tag {tag:#04x} expected, found {self.tag:#04x}")
        return list(_elements(self.content))


def read(data: bytes) -> DerElement:
    """Return the one element that fills `data` to its last byte. Raises NotDer."""
    element, end = _element(data, 0)
    if end != len(data):
        raise NotDer("something follows the value")
    return element


def read_padded(data: bytes) -> DerElement:
    """Return the element at the beginning of `data`. Raises NotDer if anything except zeros follows it."""
    element, end = _element(data, 0)
    if data[end:].strip(b"\0"):
        raise NotDer("something follows the value")
    return element


def encode(tag: int, content: bytes) -> bytes:
    """Return the value in DER."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + content


def only(elements: list[DerElement]) -> DerElement:
    """Return the single element of the list. Raises NotDer if there are more or none."""
    if len(elements) != 1:
        raise NotDer(f"one value expected, found {len(elements)}")
    return elements[0]


def _elements(data: bytes) -> Iterator[DerElement]:
    at = 0
    while at < len(data):
        element, at = _element(data, at)
        yield element


def _element(data: bytes, at: int) -> tuple[DerElement, int]:
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        raise NotDer("cut short, or a tag of several bytes")
    length, start = data[at + 1], at + 2
    if length >= 0x80:
        length, start = _length(data, at + 1)
    end = start + length
    if end > len(data):
        raise NotDer("cut short")
    return DerElement(data[at], data[start:end], data[at:end]), end


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return a length in the long form, and the offset of the content."""
    count = data[at] & 0x7F
    digits = data[at + 1 : at + 1 + count]
    if not 1 <= count <= MAX_LENGTH_BYTES or len(digits) != count:
        raise NotDer("a length that is indefinite, too long or cut short")
    length = int.from_bytes(digits, "big")
    if length < 0x80 or digits[0] == 0:
        raise NotDer("a length that is not written in its shortest form")
    return length, at + 1 + count
