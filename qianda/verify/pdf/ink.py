"""Distinguish a picture that only adds ink from one that could replace the text below it.

The picture of a signature is added after others have signed the page. It may lie over text, as seals do; but it must
not put another text in its place. So nothing in it may be light or make the page lighter, and either

- all of it is multiplied with the page (11.3.5.2), so that the text below shows through; or
- it has one colour, so that no light text can be put on a dark area. Files up to version 0.3.0 have such pictures.

A dark area may still cover text, and have letters cut out of it: what is inside the field can be blacked out.

Source: ISO 32000-2 8.6 (colours), 8.7 (patterns), 8.9 (pictures), 11.3.5 (blending), 11.6.6 (groups).
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from qianda.pdf import Reference, Stream, Value, is_equal
from qianda.verify.pdf.contents import colours_used, names_drawn
from qianda.verify.pdf.document import Document, Entries
from qianda.verify.pdf.unpacking import FLATE, unpacked

# Of 1, which is white. An uploaded seal is darker than 215 of 255 (`hub.documents.sealing.picture_reading`).
MAX_LIGHTNESS: Final = 0.85
# Of the contents of all forms of a picture together, unpacked, and the kinds of their resources. It takes about a
# second to follow one MiB.
MAX_CONTENT_BYTES: Final = 2 << 20
_SHARES: Final = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
# Blend modes that leave the page below as it is.
_PLAIN: Final[set[Value]] = {None, "/Normal", "/Compatible"}
_MULTIPLY: Final = "/Multiply"
# A picture that does nothing but draw one form in certain graphics states.
_FRAME = re.compile(rb"(?:q |/[A-Za-z]+ gs |(?:-?\d+(?:\.\d+)? ){6}cm )+/[A-Za-z]+ Do(?: Q)*")
_STATE = re.compile(rb"(/[A-Za-z]+) gs ")
# Patterns, letters that are drawn in colours of their own, and functions that make dark colours light (10.5).
_OTHER_COLOURS: Final = {"/PatternType", "/ShadingType", "/CharProcs", "/TR", "/TR2"}
# Colour spaces in which small numbers may be light.
_OTHER_SPACES: Final = {
    *("/DeviceCMYK", "/Indexed", "/Separation", "/DeviceN", "/CalGray", "/CalRGB", "/Lab", "/Pattern")
}
# A profile can map any numbers to any colour. This one (SHA-256) is sRGB as Typst writes it in the stamps.
_PROFILES: Final = {"c56e1685d888f5edb92fe07f2750f387f8fe8e91b32ff8fb0b56bfbbb9458353"}
_RANGE: Final[Value] = [0, 1, 0, 1, 0, 1]


def is_only_ink(document: Document, picture: Stream) -> bool:
    """Return whether the picture cannot put another text in place of one below it."""
    waiting, seen, inks = list[Value]([picture]), set[int](), _Inks()
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
            if not _adds_ink(document, one, entries) or not inks.add(document, one, entries):
                return False
            waiting += entries.values()
        elif one in _OTHER_SPACES:
            return False
    if inks.modes <= _PLAIN:
        return len(inks.colours) <= 1
    return inks.modes <= {None, _MULTIPLY} and not inks.has_groups and _is_multiplied(document, picture)


class _Inks:
    """The colours and blend modes in the parts of a picture, and whether one part is a group. What a group draws is
    first mixed with the rest of the group, not with the page."""

    def __init__(self) -> None:
        self.colours = set[tuple[str, tuple[float, ...]]]()
        self.modes = set[Value]()
        self.has_groups = False
        self._size = 0

    def add(self, document: Document, one: Value, entries: Entries) -> bool:
        """Add a part of the picture. Return False if it could be light, or programs could draw it in different ways."""
        mode = document.entry(entries, "/BM")
        if not isinstance(mode, str | None):
            return False
        self.modes.add(mode)
        self.has_groups = self.has_groups or "/Group" in entries
        if not isinstance(one, Stream) or document.entry(entries, "/Subtype") != "/Form":
            return True
        content, resources = unpacked(one), document.dictionary(entries, "/Resources")
        self._size += len(content or b"") + len(resources)
        if self._size > MAX_CONTENT_BYTES:
            return False
        kinds = {kind: document.dictionary(resources, kind) for kind in resources if kind != "/ProcSet"}
        if content is None or (names := names_drawn(content, kinds)) is None:
            return False
        objects = kinds.get("/XObject", {})
        stencils = {name for name in names if _subtype(document, document.entry(objects, name)) == "/Image"}
        colours = list(colours_used(content, stencils))
        self.colours |= {(operator, tuple(numbers)) for operator, numbers in colours}
        return all(_lightness(*each) <= MAX_LIGHTNESS for each in colours)


def _adds_ink(document: Document, one: Value, entries: Entries) -> bool:
    if _OTHER_COLOURS & entries.keys() or document.entry(entries, "/SMask") not in (None, "/None"):
        return False
    if isinstance(one, Stream) and document.entry(entries, "/Subtype") == "/Image":
        # Of damaged data of other filters, programs draw different parts.
        is_readable = document.entry(entries, "/Filter") in (None, FLATE, [FLATE])
        return document.entry(entries, "/ImageMask") is True and is_readable
    return True


def _is_multiplied(document: Document, picture: Stream) -> bool:
    """Return whether the picture does nothing but draw one form, in a graphics state that multiplies it with the page.
    Whether something in the form sets another blend mode, the caller checks."""
    content = unpacked(picture) or b""
    states = document.dictionary(document.dictionary(picture.entries, "/Resources"), "/ExtGState")
    named = [document.dictionary(states, name.decode("ascii")) for name in _STATE.findall(content)]
    return _FRAME.fullmatch(content) is not None and any(document.entry(each, "/BM") == _MULTIPLY for each in named)


def _subtype(document: Document, value: Value) -> Value:
    return document.entry(value.entries, "/Subtype") if isinstance(value, Stream) else None


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
