"""The new objects of a signature: its value, its picture, and the place that the picture may cover."""

from __future__ import annotations

from typing import Any

from pyhanko.pdf_utils.generic import DictionaryObject, NumberObject, Reference, StreamObject
from pyhanko.pdf_utils.generic import FloatObject as RealObject

from qianda.verify.mentions import mentioned
from qianda.verify.objects import Snapshot, plain

# Points. A signature's picture covers what is below it, so its place must not be one that could hide much.
LARGEST_SIDE, LARGEST_AREA = 300, 25_000

_KINDS = {"/Sig": "/ETSI.CAdES.detached", "/DocTimeStamp": "/ETSI.RFC3161"}  # its format, by its type
_VALUE_ENTRIES = {"/Type", "/Filter", "/SubFilter", "/Contents", "/ByteRange", "/M", "/Name", "/Reference"}
_PICTURE_ENTRIES = {"/Type", "/Subtype", "/FormType", "/BBox", "/Resources", "/Group", "/Length", "/Filter"}
_TIMESTAMP_ENTRIES = {"/FT", "/T", "/TU", "/V", "/Type", "/Subtype", "/F", "/P", "/Rect"}


class NotSigning(Exception):
    """Something that signing does not do; the message names it."""


def allow(changed: set[str], allowed: set[str], where: str) -> None:
    if not changed <= allowed:
        raise NotSigning(f"{where}: {', '.join(sorted(changed - allowed))}")


def check_signature(value: Any, kind: str, root: Reference | None) -> None:
    """`kind` is /Sig or /DocTimeStamp; of the document's objects it may refer to the catalog only."""
    if not isinstance(value, DictionaryObject) or isinstance(value, StreamObject) or not set(value) <= _VALUE_ENTRIES:
        raise NotSigning("a signature with other entries")
    if (plain(value).get("/Type"), plain(value).get("/SubFilter")) != (kind, _KINDS[kind]):
        raise NotSigning("a signature of another kind")
    if any(at != root for at in mentioned(value)):
        raise NotSigning("a signature that refers to other objects")


def check_box(corners: list[Any]) -> None:
    """The /Rect of a field that is signed, its items as read."""
    width, height = _extent(corners)
    if max(width, height) > LARGEST_SIDE or width * height > LARGEST_AREA:
        raise NotSigning("a field too large for a signature")


def check_picture(picture: Any, document: Snapshot) -> None:
    """A reader fits /BBox into the field's /Rect and cuts off what lies outside (ISO 32000-2 12.5.5 and 8.10.1).

    With no area there is nothing to fit, and readers differ. A /Matrix is not needed, and so not allowed.
    """
    if not isinstance(picture, StreamObject) or not set(picture) <= _PICTURE_ENTRIES:
        raise NotSigning("a picture with other entries")
    if document.entry(picture, "/Subtype") != "/Form" or 0 in _extent(document.items(picture, "/BBox")):
        raise NotSigning("a picture that has no bounds")


def is_timestamp_field(field: Any, document: Snapshot) -> bool:
    """An invisible field for a document timestamp."""
    if (
        not isinstance(field, DictionaryObject)
        or isinstance(field, StreamObject)
        or not set(field) <= _TIMESTAMP_ENTRIES
    ):
        return False
    kind = (document.entry(field, "/FT"), document.entry(field, "/Subtype"))
    return kind == ("/Sig", "/Widget") and plain(document.array(field, "/Rect")) in ([], [0, 0, 0, 0])


def _extent(corners: list[Any]) -> tuple[Any, Any]:
    if len(corners) != 4 or not all(isinstance(number, NumberObject | RealObject) for number in corners):
        raise NotSigning("a place without four corners")
    left, bottom, right, top = (float(number) for number in corners)
    return abs(right - left), abs(top - bottom)
