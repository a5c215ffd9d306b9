"""Length of an SMS, as providers count and bill it (3GPP TS 23.038 and 23.040). Pure."""

from __future__ import annotations

from dataclasses import dataclass

_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_TWO_UNITS = frozenset("\f^{}\\[~]|€")
_ALL_GSM7 = _GSM7 | _GSM7_TWO_UNITS
GSM7, UCS2 = "GSM-7", "UCS-2"
_ALONE = {GSM7: 160, UCS2: 70}
# Each segment of a longer text loses some units to the header that numbers the segments.
_EACH = {GSM7: 153, UCS2: 67}


@dataclass(frozen=True)
class Size:
    """Size of a text. `units`: septets (GSM-7) or UTF-16 units (UCS-2). `segments`: the number that providers bill."""

    encoding: str
    units: int
    segments: int


def measure_text(text: str) -> Size:
    encoding = choose_encoding(text)
    return Size(encoding, _count_units(text, encoding), len(split_segments(text)))


def choose_encoding(text: str) -> str:
    """Return the encoding of a text: a single character outside GSM-7 makes the whole text UCS-2."""
    return GSM7 if _ALL_GSM7.issuperset(text) else UCS2


def split_segments(text: str) -> list[str]:
    """Split a text into its segments.

    A character of two units (GSM-7 extension, surrogate pair) is never divided, so a segment may end one unit early.
    """
    encoding = choose_encoding(text)
    if _count_units(text, encoding) <= _ALONE[encoding]:
        return [text]
    wide = _is_wide if encoding == UCS2 else _GSM7_TWO_UNITS.__contains__
    pieces, begin, used = [], 0, 0
    for place, character in enumerate(text):
        width = 2 if wide(character) else 1
        if used + width > _EACH[encoding]:
            pieces.append(text[begin:place])
            begin, used = place, 0
        used += width
    return [*pieces, text[begin:]]


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


def shorten_text(text: str, longest: int) -> str:
    """Return the text, shortened to `longest` UTF-16 units including an ellipsis if it is longer."""
    if utf16_units(text) <= longest:
        return text
    # The character … would turn a GSM-7 text into UCS-2.
    dots = "…" if choose_encoding(text) == UCS2 else "..."
    kept, used = [], len(dots)
    for character in text:
        used += utf16_units(character)
        if used > longest:
            break
        kept.append(character)
    return ("".join(kept).rstrip() + dots)[:longest]


def _is_wide(character: str) -> bool:
    """Return whether a character takes two units in UTF-16."""
    return character > "\uffff"


def _count_units(text: str, encoding: str) -> int:
    if encoding == UCS2:
        return utf16_units(text)
    return len(text) + sum(map(_GSM7_TWO_UNITS.__contains__, text))
