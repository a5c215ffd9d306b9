"""Find graphics states and groups that programs understand in different ways, so that only some of them show a text.

Source: ISO 32000-2 8.4.5 (graphics states), 8.6 (colours), 11.3.5 (blend modes), 11.4.6 (groups), 11.5 (masks); how
pdfium, Poppler and MuPDF draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from qianda.pdf import Stream, Value
from qianda.verify.pdf.content_steps import PATTERN, UNKNOWN, ColourSpace, NamedResources, are_usual_dashes
from qianda.verify.pdf.document import Document, Entries
from qianda.verify.pdf.images import MAX_PARTS_OF_A_SPACE, count_colours

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
# Of dashes and gaps. Many states may refer to the same list.
MAX_DASHES: Final = 100
# The entries of a graphics state that this module knows.
_STATED: Final = {"/BM", "/CA", "/ca", "/LW", "/LC", "/LJ", "/D", "/SMask"}
_SHAPES: Final = (0, 1, 2)  # kinds of line ends (/LC) and of corners (/LJ)


def find_mixed_differently(document: Document, entries: Entries) -> Iterator[str]:
    """Yield the parts of a group, or of the graphics states in resources or a pattern, that programs mix differently.

    Only some programs let the parts of a group replace each other (`/K`); in these programs, an invisible part erases
    the parts below it.
    """
    group = document.entry(entries, "/Group")
    if isinstance(group, dict) and document.entry(group, "/K") not in (None, False):
        yield "/K"
    states = document.entry(entries, "/ExtGState")
    if isinstance(states, dict):
        for state in [states] if "/PatternType" in entries else [document.follow(each) for each in states.values()]:
            yield from _odd_entries(document, state) if isinstance(state, dict) else ["/ExtGState"]


def named_resources(document: Document, kinds: dict[str, Entries]) -> NamedResources:
    """Return the objects that the names in these resources stand for. `kinds`: the resources by kind."""

    def having(kind: str, key: str, value: Value) -> set[str]:
        listed = ((name, document.follow(each)) for name, each in kinds.get(kind, {}).items())
        entries = ((name, each.entries if isinstance(each, Stream) else each) for name, each in listed)
        return {name for name, each in entries if isinstance(each, dict) and document.entry(each, key) == value}

    spaces = {name: _space(document, document.follow(each)) for name, each in kinds.get("/ColorSpace", {}).items()}
    states = {name: document.follow(each) for name, each in kinds.get("/ExtGState", {}).items()}
    return NamedResources(
        spaces,
        {name: list(_operators(document, each)) for name, each in states.items() if isinstance(each, dict)},
        stencils=having("/Pattern", "/PaintType", 2),
        masks=having("/XObject", "/ImageMask", True),
        letters=having("/Font", "/Subtype", "/Type3"),
    )


def is_form(document: Document, stream: Stream) -> bool:
    return document.entry(stream.entries, "/Subtype") == "/Form"


def _operators(document: Document, state: Entries) -> Iterator[tuple[str, list[float]]]:
    """Yield the operators with the effect of this graphics state, as far as `content_steps` follows them."""
    for name in _STATED & state.keys():
        value = document.entry(state, name)
        if not _is_usual(document, name, value):  # `find_mixed_differently` reports it
            continue
        match name, value:
            case "/LW" | "/LC", int() | float():
                yield "w" if name == "/LW" else "J", [value]
            case "/D", [lengths, phase]:
                yield "d", _numbers(document, lengths, phase)
            case "/BM", str():
                yield "BM", [value not in _PLAIN_MODES]
            case "/SMask", _:
                yield "SMask", [value != "/None"]


def _space(document: Document, space: Value) -> ColourSpace | None:
    """Return how a colour of this space is stated; None if some programs may not know the space."""
    if isinstance(space, list) and len(space) > MAX_PARTS_OF_A_SPACE:
        return None
    kind, *parts = [document.follow(each) for each in space] if isinstance(space, list) and space else [space]
    if isinstance(kind, str) and kind in COLOURS:
        return UNKNOWN
    if kind == "/Pattern":
        base = _space(document, parts[0]) if parts else None
        return PATTERN if not parts else replace(base, is_pattern=True) if base and not base.is_pattern else None
    count = count_colours(document, space if parts else kind)
    if count is not None and kind == "/Indexed" and isinstance(parts[1], int):
        return ColourSpace(count, highest=parts[1])
    return None if count is None else ColourSpace(count)


def _odd_entries(document: Document, state: Entries) -> Iterator[str]:
    for name in _STATED & state.keys():
        if not _is_usual(document, name, document.entry(state, name)):
            yield name


def _is_usual(document: Document, name: str, value: Value) -> bool:
    match name, value:
        case "/BM", _:
            return value in _MODES if isinstance(value, str) else isinstance(value, list)  # lists are found elsewhere
        case "/CA" | "/ca", int() | float():
            return type(value) is not bool and 0 <= value <= 1
        case "/LW", int() | float():
            return type(value) is not bool and value >= 0
        case "/LC" | "/LJ", int():
            return type(value) is not bool and value in _SHAPES
        case "/D", [lengths, phase]:
            return _are_dashes(document, lengths, phase)
        case "/SMask", _:
            return value == "/None" or _is_usual_mask(document, value)
    return False


def _is_usual_mask(document: Document, mask: Value) -> bool:
    if not isinstance(mask, dict):
        return False
    kind, form = document.entry(mask, "/S"), document.entry(mask, "/G")
    if not isinstance(kind, str) or kind not in _MASK_KINDS:
        return False
    if not isinstance(form, Stream) or not is_form(document, form):
        return False
    group = document.dictionary(form.entries, "/Group")
    backdrop = document.array(mask, "/BC")
    return not backdrop or len(backdrop) == count_colours(document, document.entry(group, "/CS"))


def _are_dashes(document: Document, lengths: Value, phase: Value) -> bool:
    numbers = _numbers(document, lengths, phase)
    return bool(numbers) and are_usual_dashes(numbers[:-1], numbers[-1]) and 0 not in numbers[:-1]


def _numbers(document: Document, lengths: Value, phase: Value) -> list[float]:
    """Return the lengths of dashes and their phase; nothing if they are no numbers, or too many."""
    stated = document.follow(lengths)
    if not isinstance(stated, list) or len(stated) > MAX_DASHES:
        return []
    listed = [document.follow(each) for each in [*stated, phase]]
    numbers = [float(each) for each in listed if isinstance(each, int | float) and not isinstance(each, bool)]
    return numbers if len(numbers) == len(listed) else []
