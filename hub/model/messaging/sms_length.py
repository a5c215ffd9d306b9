"""How long an SMS is, as providers count and bill it (3GPP TS 23.038 and 23.040). Pure."""

from __future__ import annotations

from dataclasses import dataclass

_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_TWO_UNITS = frozenset("\f^{}\\[~]|€")
GSM7, UCS2 = "GSM-7", "UCS-2"
_ALONE = {GSM7: 160, UCS2: 70}
# A text of several segments gives a part of each to the header that says which is which.
_EACH = {GSM7: 153, UCS2: 67}


@dataclass(frozen=True)
class Size:
    """`encoding` is GSM-7 or UCS-2; `units` are septets or UTF-16 units; `segments` is what providers bill."""

    encoding: str
    units: int
    segments: int


def size(text: str) -> Size:
    encoding = encoding_of(text)
    return Size(encoding, sum(_width(each, encoding) for each in text), len(segments(text)))


def encoding_of(text: str) -> str:
    """One character that GSM-7 does not have makes the whole text UCS-2."""
    return GSM7 if all(each in _GSM7 or each in _GSM7_TWO_UNITS for each in text) else UCS2


def segments(text: str) -> list[str]:
    """The pieces in which a text travels. What takes two units, a character of GSM-7's extension or a surrogate pair,
    is never divided, so a segment can have a unit to spare."""
    encoding = encoding_of(text)
    if sum(_width(each, encoding) for each in text) <= _ALONE[encoding]:
        return [text]
    pieces, begin, used = [], 0, 0
    for place, character in enumerate(text):
        width = _width(character, encoding)
        if used + width > _EACH[encoding]:
            pieces.append(text[begin:place])
            begin, used = place, 0
        used += width
    return [*pieces, text[begin:]]


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


def shortened(text: str, longest: int) -> str:
    """The text, or as much of it as `longest` UTF-16 units hold with dots at its end: three where an ellipsis would
    turn a GSM-7 text into UCS-2."""
    if utf16_units(text) <= longest:
        return text
    dots = "…" if encoding_of(text) == UCS2 else "..."
    kept, used = [], len(dots)
    for character in text:
        used += utf16_units(character)
        if used > longest:
            break
        kept.append(character)
    return ("".join(kept).rstrip() + dots)[:longest]


def _width(character: str, encoding: str) -> int:
    if encoding == UCS2:
        return utf16_units(character)
    return 2 if character in _GSM7_TWO_UNITS else 1
