"""Convert a drawn one-page PDF to a form XObject. It is read once and can be written many times, with other numbers."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import lru_cache

import pikepdf
from pikepdf import Array, Dictionary, Object, PdfError, Stream

from hub.documents.pades.plan import CannotUpdate
from hub.documents.pades.update import Update

_REFERENCE = re.compile(rb"(?<![\d.])(\d+) (\d+) R\b")
_REFERENCE_IN_STRING = re.compile(rb"\([^()]*\d+ \d+ R\b")
_TRANSPARENT = ("/SMask", "/Mask")
MAX_OBJECTS = 500  # a stamp of ours has about 12
PICTURES_KEPT = 8  # the school's seal is needed for each contract
# A picture is multiplied with the page (ISO 32000-2 11.3.5.2), so that text below it can be read. The verifier accepts
# only pictures that cannot cover a text with another one (`qianda.verify.pdf.ink`).
MULTIPLIED = "/ExtGState <</Multiply <</BM /Multiply>>>>"


@dataclass(frozen=True)
class _PictureObject:
    """The bytes of an object in pieces. Between two pieces goes the number of another object; `targets` has its place
    in `Picture.objects`."""

    pieces: tuple[bytes, ...]
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Picture:
    """A form XObject, which is the last of `objects`, with the objects that it needs. Width and height in points."""

    objects: tuple[_PictureObject, ...]
    width: float
    height: float

    @classmethod
    @lru_cache(PICTURES_KEPT)
    def read(cls, pdf: bytes, *, transparent: bool = False) -> Picture:
        """Read the first page. Raises CannotUpdate for data that is no PDF, is transparent (unless `transparent` is
        true), or is not a plain drawing."""
        try:
            with pikepdf.open(io.BytesIO(pdf), attempt_recovery=False) as document:
                page = document.pages[0]
                left, bottom, right, top = (float(value) for value in page.MediaBox)
                order: list[Object] = []
                known: dict[tuple[int, int], int] = {}
                _collect(page.as_form_xobject(), order, known, transparent=transparent)
                objects = tuple(_split(item, known) for item in order)
        except (PdfError, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
            raise CannotUpdate(f"the picture: {error}") from error
        if right <= left or top <= bottom:
            raise CannotUpdate("the picture has no area")
        return cls(objects, right - left, top - bottom)

    def write(self, update: Update) -> int:
        """Write all objects. Return the number of the form XObject."""
        first = update.number(len(self.objects))
        for place, item in enumerate(self.objects):
            body = [item.pieces[0]]
            for target, piece in zip(item.targets, item.pieces[1:], strict=True):
                body += [b"%d 0 R" % (first + target), piece]
            update.put(first + place, b"".join(body))
        return first + len(self.objects) - 1


def _collect(item: object, order: list[Object], known: dict[tuple[int, int], int], *, transparent: bool) -> None:
    """Collect depth first, so that an object comes after those that it refers to. A cycle raises RecursionError."""
    if not isinstance(item, Object) or (item.is_indirect and item.objgen in known):
        return
    if isinstance(item, Dictionary | Stream):
        if not transparent and any(name in item and item[name] != "/None" for name in _TRANSPARENT):
            raise CannotUpdate("the picture is transparent")
        for _, value in item.items():
            _collect(value, order, known, transparent=transparent)
    elif isinstance(item, Array):
        for each in item:
            _collect(each, order, known, transparent=transparent)
    if item.is_indirect:
        if len(order) >= MAX_OBJECTS:
            raise CannotUpdate("the picture is too complex")
        known[item.objgen] = len(order)
        order.append(item)


def _split(item: Object, known: dict[tuple[int, int], int]) -> _PictureObject:
    tail = b""
    if isinstance(item, Stream):
        raw = item.read_raw_bytes()
        entries = {name: value for name, value in item.items() if name != "/Length"}
        head = Dictionary(entries).unparse(resolved=False)
        head = head.rstrip().removesuffix(b">>") + b"/Length %d >>" % len(raw)
        tail = b"\nstream\n" + raw + b"\nendstream"
    else:
        head = item.unparse(resolved=True)
    if _REFERENCE_IN_STRING.search(head):
        raise CannotUpdate("a text in the picture looks like a reference")
    pieces, targets, done = list[bytes](), list[int](), 0
    for found in _REFERENCE.finditer(head):
        pieces.append(head[done : found.start()])
        targets.append(known[int(found[1]), int(found[2])])
        done = found.end()
    pieces.append(head[done:] + tail)
    return _PictureObject(tuple(pieces), tuple(targets))
