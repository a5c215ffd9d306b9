"""Check the new objects of a signature: its value, its picture, and the area that the picture may cover."""

from __future__ import annotations

from collections.abc import Iterable

from qianda.pdf import Stream, Value, is_equal
from qianda.verify.pdf.back_references import referred
from qianda.verify.pdf.document import Document, Entries
from qianda.verify.pdf.ink import is_only_ink
from qianda.verify.pdf.unpacking import unpacked

# Points. A signature's picture lies over what is below it, so its area must be too small to hide much.
MAX_SIDE, MAX_AREA = 300, 25_000

_FORMATS = {"/Sig": "/ETSI.CAdES.detached", "/DocTimeStamp": "/ETSI.RFC3161"}  # by the type of the value
_VALUE_ENTRIES = {"/Type", "/Filter", "/SubFilter", "/Contents", "/ByteRange", "/M", "/Name", "/Reference"}
_PICTURE_ENTRIES = {"/Type", "/Subtype", "/FormType", "/BBox", "/Resources", "/Group", "/Length", "/Filter"}
_TIMESTAMP_ENTRIES = {"/FT", "/T", "/TU", "/V", "/Type", "/Subtype", "/F", "/P", "/Rect"}


class NotSigning(Exception):
    """A change that signing does not make; the message names it."""


def allow(changed: set[str], allowed: set[str], where: str) -> None:
    """Raise NotSigning if entries other than the allowed ones changed."""
    if not changed <= allowed:
        raise NotSigning(f"{where}: {', '.join(sorted(changed - allowed))}")


def check_signature(value: Value, kind: str, root_number: int) -> None:
    """Check a signature's value, which may refer to no object except the catalog. `kind`: /Sig or /DocTimeStamp.

    Raises NotSigning.
    """
    if not isinstance(value, dict) or not set(value) <= _VALUE_ENTRIES:
        raise NotSigning("a signature with other entries")
    if (value.get("/Type"), value.get("/SubFilter")) != (kind, _FORMATS[kind]):
        raise NotSigning("a signature of another kind")
    if any(number != root_number for number in referred(value)):
        raise NotSigning("a signature that refers to other objects")


def check_box(corners: list[Value]) -> None:
    """Check the size of a signed field. `corners` are the items of its /Rect. Raises NotSigning."""
    width, height = _extent(corners)
    if max(width, height) > MAX_SIDE or width * height > MAX_AREA:
        raise NotSigning("a field too large for a signature")


def check_apart(corners: list[Value], others: Iterable[list[Value]]) -> None:
    """Check that a field's rectangle overlaps no other field's. Otherwise one picture could be the ground on which
    another shows a text, and both would cover what is below. Raises NotSigning."""
    left, bottom, right, top = _sorted_corners(corners)
    for other in others:
        from_left, from_bottom, to_right, to_top = _sorted_corners(other)
        if left < to_right and from_left < right and bottom < to_top and from_bottom < top:
            raise NotSigning("a field over another one")


def check_was_empty(field: Entries, document: Document) -> None:
    """Check that a field showed nothing before its signature. Otherwise the signature would replace a picture that
    earlier signers had seen. Raises NotSigning."""
    for picture in document.dictionary(field, "/AP").values():
        content = unpacked(document.follow(picture))
        if content is None or content.strip():
            raise NotSigning("a field that showed something before it was signed")


def check_picture(picture: Value, document: Document) -> None:
    """Check the picture of a signature. Raises NotSigning.

    A reader fits /BBox into the field's /Rect and cuts off what is outside (ISO 32000-2 12.5.5 and 8.10.1). If /BBox
    has no area, there is nothing to fit, and readers differ. A /Matrix is not needed, and therefore not allowed.
    """
    if not isinstance(picture, Stream) or not set(picture.entries) <= _PICTURE_ENTRIES:
        raise NotSigning("a picture with other entries")
    corners = document.items(picture.entries, "/BBox")
    if document.entry(picture.entries, "/Subtype") != "/Form" or 0 in _extent(corners):
        raise NotSigning("a picture that has no bounds")
    if not is_only_ink(document, picture):
        raise NotSigning("a picture that could hide what is below it")


def is_timestamp_field(field: Value, document: Document) -> bool:
    """Return whether this is an invisible field for a document timestamp. It must have a /Rect, of no size: without
    one, MuPDF paints the whole page black."""
    if not isinstance(field, dict) or not set(field) <= _TIMESTAMP_ENTRIES:
        return False
    kind = (document.entry(field, "/FT"), document.entry(field, "/Subtype"))
    return kind == ("/Sig", "/Widget") and is_equal(document.entry(field, "/Rect"), [0, 0, 0, 0])


def written_list(parent: Entries, name: str) -> list[Value]:
    """Return the list if it is written in the dictionary itself, otherwise an empty list."""
    value = parent.get(name)
    return value if isinstance(value, list) else []


def _extent(corners: list[Value]) -> tuple[float, float]:
    left, bottom, right, top = _sorted_corners(corners)
    return right - left, top - bottom


def _sorted_corners(corners: list[Value]) -> tuple[float, float, float, float]:
    """Return left, bottom, right and top. Raises NotSigning for anything but four numbers."""
    numbers = [corner for corner in corners if isinstance(corner, int | float) and not isinstance(corner, bool)]
    if len(corners) != 4 or len(numbers) != 4:
        raise NotSigning("a place without four corners")
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
