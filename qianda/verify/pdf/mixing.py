"""Find graphics states and groups that programs understand in different ways, so that only some of them show a text.

Source: ISO 32000-2 8.4.5 (graphics states), 8.6 (colours), 11.3.5 (blend modes), 11.4.6 (groups), 11.5 (masks); how
pdfium, Poppler and MuPDF draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from qianda.pdf import Stream, Value
from qianda.verify.pdf.content_steps import PATTERN, UNKNOWN, Looks, are_usual_dashes
from qianda.verify.pdf.document import Document, Entries, references
from qianda.verify.pdf.images import count_colours

# Colours that some programs convert by a rule in the file, others by their own rule or not at all (8.6).
COLOURS: Final = {"/Separation", "/DeviceN", "/CalGray", "/CalRGB", "/Lab"}
_PLAIN_MODES: Final = {"/Normal", "/Compatible"}
# ColorDodge, Difference and Exclusion are missing: some programs draw them on white, or in the colours of the group, in
# another way.
_MODES: Final = _PLAIN_MODES | {
    *("/Multiply", "/Screen", "/Overlay", "/Darken", "/Lighten", "/ColorBurn", "/HardLight", "/SoftLight"),
    *("/Hue", "/Saturation", "/Color", "/Luminosity"),
}
_MASK_KINDS: Final = {"/Alpha", "/Luminosity"}
_SHAPES: Final = (0, 1, 2)  # of the ends of lines, and of their corners


def find_mixed_differently(document: Document, entries: Entries) -> Iterator[str]:
    """Yield the parts of a group, or of the graphics states in resources or a pattern, that programs mix differently.

    Only some programs let the parts of a group replace each other (`/K`): for them, one that is invisible erases.
    """
    group = document.entry(entries, "/Group")
    if isinstance(group, dict) and document.entry(group, "/K") not in (None, False):
        yield "/K"
    states = document.entry(entries, "/ExtGState")
    if isinstance(states, dict):
        for state in [states] if "/PatternType" in entries else [document.follow(each) for each in states.values()]:
            yield from _odd_entries(document, state) if isinstance(state, dict) else ["/ExtGState"]


def looks_of(document: Document, kinds: dict[str, Entries]) -> Looks:
    """Return what the names in these resources stand for. `kinds`: the resources by kind."""
    spaces = {name: _numbers(document, document.follow(each)) for name, each in kinds.get("/ColorSpace", {}).items()}
    states = {name: document.follow(each) for name, each in kinds.get("/ExtGState", {}).items()}
    forms = {name: document.follow(each) for name, each in kinds.get("/XObject", {}).items()}
    return Looks(
        spaces,
        blending={name for name, each in states.items() if isinstance(each, dict) and _is_blending(document, each)},
        ending={name for name, each in states.items() if isinstance(each, dict) and "/LC" in each},
        forms={name for name, each in forms.items() if isinstance(each, Stream) and is_form(document, each)},
    )


def blends_anew(document: Document, number: int) -> bool:
    """Return whether an XObject is a form that is no group and sets the blend mode or the mask, itself or in such a
    form inside. If it is drawn blended, some programs blend it as a whole, and others only what comes before that."""
    waiting, seen = [number], set[int]()
    while waiting:
        form = document.read(one := waiting.pop())
        if one in seen or not isinstance(form, Stream) or not is_form(document, form) or "/Group" in form.entries:
            continue
        seen.add(one)
        resources = document.dictionary(form.entries, "/Resources")
        states = [document.follow(each) for each in document.dictionary(resources, "/ExtGState").values()]
        if any(isinstance(each, dict) and {"/BM", "/SMask"} & each.keys() for each in states):
            return True
        waiting += [number for number in references([*document.dictionary(resources, "/XObject").values()]) if number]
    return False


def is_form(document: Document, stream: Stream) -> bool:
    return document.entry(stream.entries, "/Subtype") == "/Form"


def _is_blending(document: Document, state: Entries) -> bool:
    mode, mask = document.entry(state, "/BM"), document.entry(state, "/SMask")
    return mode not in (None, *_PLAIN_MODES) or mask not in (None, "/None")


def _numbers(document: Document, space: Value) -> int | None:
    """Return how many numbers a colour of this space has; None if programs may not know the space."""
    kind = document.follow(space[0]) if isinstance(space, list) and space else space
    if isinstance(kind, str) and kind in COLOURS:
        return UNKNOWN
    if kind == "/Indexed":  # a number may be that of no colour
        return None
    if kind == "/Pattern":
        return UNKNOWN if isinstance(space, list) and len(space) > 1 else PATTERN
    return count_colours(document, kind if isinstance(space, list) and len(space) == 1 else space)


def _odd_entries(document: Document, state: Entries) -> Iterator[str]:
    for name in state:
        if not _is_usual(document, name, document.entry(state, name)):
            yield name


def _is_usual(document: Document, name: str, value: Value) -> bool:
    match name, value:
        case "/BM", _:
            return isinstance(value, list) or value in _MODES  # lists are found elsewhere
        case "/CA" | "/ca", int() | float():
            return type(value) is not bool and 0 <= value <= 1
        case "/LW", int() | float():
            return type(value) is not bool and value >= 0
        case "/LC" | "/LJ", int():
            return type(value) is not bool and value in _SHAPES
        case "/D", [lengths, phase]:
            return _are_dashes(document, document.follow(lengths), document.follow(phase))
        case "/SMask", _:
            return value == "/None" or _is_usual_mask(document, value)
    return name not in ("/CA", "/ca", "/LW", "/LC", "/LJ", "/D")


def _is_usual_mask(document: Document, mask: Value) -> bool:
    if not isinstance(mask, dict) or document.entry(mask, "/S") not in _MASK_KINDS:
        return False
    form = document.entry(mask, "/G")
    if not isinstance(form, Stream) or not is_form(document, form):
        return False
    group = document.dictionary(form.entries, "/Group")
    backdrop = document.array(mask, "/BC")
    return not backdrop or len(backdrop) == count_colours(document, document.entry(group, "/CS"))


def _are_dashes(document: Document, lengths: Value, phase: Value) -> bool:
    listed = [*(document.follow(each) for each in lengths), phase] if isinstance(lengths, list) else []
    numbers = [float(each) for each in listed if isinstance(each, int | float) and not isinstance(each, bool)]
    if not numbers or len(numbers) < len(listed):
        return False
    return are_usual_dashes(numbers[:-1], numbers[-1]) and 0 not in numbers[:-1]
