"""Distinguish a picture in dark ink from one that could replace the text below it without a trace.

The picture of a signature is added after others have signed the page. It may lie over text, as seals do; but a white
area would hide the text without a trace, and could show another text instead. So nothing in the picture may be light,
or make the page lighter. An area of a darker colour may still cover text, but people see that it is there.
Source: ISO 32000-2 8.6 (colours), 8.7 (patterns), 8.9 (pictures), 11.3.5 (blending).
"""

from __future__ import annotations

import hashlib
from typing import Final

from qianda.pdf import Reference, Stream, Value, is_equal
from qianda.verify.pdf.contents import colours_set
from qianda.verify.pdf.document import Document, Entries
from qianda.verify.pdf.unpacking import unpacked

# Of 1, which is white. An uploaded seal is darker than 215 of 255 (`hub.documents.sealing.picture_reading`).
MAX_LIGHTNESS: Final = 0.85
_SHARES: Final = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
# Blend modes that leave the page below as it is, or darken it.
_BLENDING: Final = (None, "/Normal", "/Compatible", "/Multiply", "/Darken")
# Patterns, and letters that are drawn in colours of their own.
_OTHER_COLOURS: Final = {"/PatternType", "/ShadingType", "/CharProcs"}
# Colour spaces in which small numbers may be light.
_OTHER_SPACES: Final = {
    *("/DeviceCMYK", "/Indexed", "/Separation", "/DeviceN", "/CalGray", "/CalRGB", "/Lab", "/Pattern"),
}
# A profile can map any numbers to any colour. This one (SHA-256) is sRGB as Typst writes it in the stamps.
_PROFILES: Final = {"c56e1685d888f5edb92fe07f2750f387f8fe8e91b32ff8fb0b56bfbbb9458353"}
_RANGE: Final[Value] = [0, 1, 0, 1, 0, 1]


def is_only_ink(document: Document, picture: Stream) -> bool:
    """Return whether nothing in the picture is light, or makes the page lighter."""
    waiting, seen = list[Value]([picture]), set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, Reference):
            waiting += [] if one.number in seen else [document.read(one.number)]
            seen.add(one.number)
        elif isinstance(one, list):
            if document.follow(one[0] if one else None) == "/ICCBased" and not _is_known(document, one):
                return False
            waiting += one
        elif isinstance(one, dict | Stream):
            entries = one.entries if isinstance(one, Stream) else one
            if not _adds_ink(document, one, entries):
                return False
            waiting += entries.values()
        elif one in _OTHER_SPACES:
            return False
    return True


def _adds_ink(document: Document, one: Value, entries: Entries) -> bool:
    if _OTHER_COLOURS & entries.keys() or document.entry(entries, "/BM") not in _BLENDING:
        return False
    if document.entry(entries, "/SMask") not in (None, "/None"):
        return False
    kind = document.entry(entries, "/Subtype") if isinstance(one, Stream) else None
    if kind == "/Image":
        return document.entry(entries, "/ImageMask") is True
    return kind != "/Form" or _is_dark(unpacked(one))


def _is_dark(content: bytes | None) -> bool:
    return content is not None and all(_lightness(*each) <= MAX_LIGHTNESS for each in colours_set(content))


def _lightness(operator: str, numbers: list[float]) -> float:
    """Return how light a colour is: 0 for black, 1 for white, and 1 if it is unknown.

    Programs take numbers outside of 0 to 1 for the nearest of the two (ISO 32000-2 8.6.4).
    """
    numbers = [min(max(number, 0.0), 1.0) for number in numbers]
    match operator.lower(), numbers:
        case "g", [grey]:
            return grey
        case "rg", [_, _, _]:
            return sum(share * part for share, part in zip(_SHARES, numbers, strict=True))
        case "k", [*colours, black] if len(colours) == len(_SHARES):
            return (1 - black) * sum(share * (1 - part) for share, part in zip(_SHARES, colours, strict=True))
        case "sc" | "scn", [_, *_]:  # programs interpret too many or too few numbers differently
            return max(numbers)
    return 1.0


def _is_known(document: Document, space: list[Value]) -> bool:
    profile = document.follow(space[1]) if len(space) == 2 else None
    if not isinstance(profile, Stream) or (data := unpacked(profile)) is None:
        return False
    limits = document.entry(profile.entries, "/Range")
    is_usual = profile.entries.get("/N") == 3 and (limits is None or is_equal(limits, _RANGE))
    return is_usual and hashlib.sha256(data).hexdigest() in _PROFILES
