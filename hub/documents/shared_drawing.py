"""The child's part of `hub.documents.pages` that draws once what contracts of one layout have in common.

Such contracts differ only in the texts that `layout.typ` sets in the font's sister. Their pages are drawn in two turns:
first everything else, which is kept as an image, then these texts onto a copy of it. Each operator of a page is drawn
once, by pdfium, and an image is kept by all that it is drawn from: operators, fonts, colours. So a page looks as if it
had been drawn at once, and another wording, layout or font never meets an older image.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pikepdf

# Images of what contracts have in common are kept up to this size. Those of three pages of A4 take 3.5 MB.
MAX_KEPT_BYTES = 32 << 20
_SISTER = "NotoSerifCJKtc-"
# A group that paints and holds no other one. Strings may hold parentheses in pairs. Each text can be read in one way
# only, so that what does not match takes no longer than what does. Only sets are possessive: Debian 12's Python reads
# possessive groups wrongly.
_CHARACTERS = rb"[^\\()]*+(?:\\.[^\\()]*+)*"
_STRING = rb"(?:\(%b(?:\(%b\)%b)*\)|<[0-9A-F]*+>)" % (_CHARACTERS, _CHARACTERS, _CHARACTERS)
_GROUP = re.compile(rb"q [^()<>qQ]*+(?:%b[^()<>qQ]*+)*Q\n" % _STRING, re.DOTALL)
# What may stand between such groups: marks of the logical structure, and groups that move or clip and paint nothing.
_MARK = re.compile(rb"/\w+<<[^()<>]*+(?:\([^()\\]*+\)[^()<>]*+)*>>BDC|EMC")
_PAINTS_NOTHING = re.compile(rb"[\d.\s-]*+(?:\b(?:[qQmlhWn]|re|cm)\b[\d.\s-]*+)*")
_OF_ONE_CONTRACT = frozenset({"/Annots", "/Contents", "/Parent", "/Resources", "/StructParents"})


class SharedImages:
    """The images of what contracts have in common. `draw` returns one for each page, or none if a page has colours."""

    def __init__(self, draw: Callable[[bytes], list[bytes]]) -> None:
        self._draw = draw
        self._kept: OrderedDict[bytes, list[bytes] | None] = OrderedDict()

    def split(self, pdf: bytes) -> tuple[bytes, list[bytes]] | None:
        """Return the file with only its own texts, and the images of the rest; None if it has to be drawn as a whole.

        So has the first contract of a layout, because there may be no second one.
        """
        with pikepdf.open(BytesIO(pdf)) as document:
            pages = [_split_page(page.obj) for page in document.pages]
            texts = [text for text in pages if text is not None]
            if len(texts) < len(pages):
                return None
            key = _digest(document, [common for common, _ in texts])
            if key not in self._kept:
                self._keep(key, None)
                return None
            own = _with_contents(document, [own for _, own in texts])
            images = self._kept[key]
            if images is None:
                for page in document.pages:
                    page.obj.Annots = pikepdf.Array()
                images = self._draw(_with_contents(document, [common for common, _ in texts]))
            self._keep(key, images)
            return (own, images) if images else None

    def _keep(self, key: bytes, images: list[bytes] | None) -> None:
        self._kept[key] = images
        self._kept.move_to_end(key)
        while sum(len(image) for kept in self._kept.values() for image in kept or ()) > MAX_KEPT_BYTES:
            self._kept.popitem(last=False)


def _split_page(page: pikepdf.Object) -> tuple[bytes, bytes] | None:
    """Return the operators that contracts have in common, and this contract's own ones. Both have all clips."""
    contents, sisters = page.get("/Contents"), [name.encode() + b" " for name in _sister_fonts(page)]
    if not sisters or not isinstance(contents, pikepdf.Stream):
        return None
    operators = contents.read_bytes()
    common, own = list[bytes](), list[bytes]()
    end = 0
    for group in _GROUP.finditer(operators):
        between = _MARK.sub(b" ", operators[end : group.start()])
        if not _PAINTS_NOTHING.fullmatch(between):
            return None
        common.append(between)
        own.append(between)
        (own if any(name in group[0] for name in sisters) else common).append(group[0])
        end = group.end()
    rest = _MARK.sub(b" ", operators[end:])
    return (b"\n".join((*common, rest)), b"\n".join((*own, rest))) if _PAINTS_NOTHING.fullmatch(rest) else None


def _sister_fonts(page: pikepdf.Object) -> list[str]:
    fonts = page.get("/Resources", pikepdf.Dictionary()).get("/Font", pikepdf.Dictionary())
    return [name for name, font in fonts.items() if _SISTER in str(font.get("/BaseFont", ""))]


def _digest(document: pikepdf.Pdf, contents: list[bytes]) -> bytes:
    """Return the SHA-256 of all that these operators are drawn from."""
    digest, seen = hashlib.sha256(), dict[tuple[int, int], int]()
    for page, content in zip(document.pages, contents, strict=True):
        resources = {kind: value for kind, value in page.obj.Resources.items() if kind != "/Font"}
        sisters = _sister_fonts(page.obj)
        fonts = {name: font for name, font in page.obj.Resources.Font.items() if name not in sisters}
        facts = {name: value for name, value in page.obj.items() if name not in _OF_ONE_CONTRACT}
        for piece in _flatten([content, repr(page.mediabox).encode(), facts, resources, fonts], seen):
            digest.update(b"%d:%b" % (len(piece), piece))
    return digest.digest()


def _flatten(item: Any, seen: dict[tuple[int, int], int]) -> Iterator[bytes]:
    """Yield an object and all that it refers to. `seen`: the objects that came before, with their places."""
    if isinstance(item, pikepdf.Object) and item.is_indirect:
        place = seen.get(item.objgen)
        if place is not None:
            yield b"seen %d" % place
            return
        seen[item.objgen] = len(seen)
    if isinstance(item, pikepdf.Stream):
        yield item.read_raw_bytes()
    if isinstance(item, pikepdf.Array) and b" R" not in (numbers := item.unparse()):
        yield numbers
    elif isinstance(item, dict | pikepdf.Dictionary | pikepdf.Stream):
        yield b"<<"
        for name in sorted(item.keys()):
            yield name.encode()
            yield from _flatten(item[name], seen)
        yield b">>"
    elif isinstance(item, list | pikepdf.Array):
        yield b"["
        for part in item:
            yield from _flatten(part, seen)
        yield b"]"
    else:
        yield item if isinstance(item, bytes) else repr(item).encode()


def _with_contents(document: pikepdf.Pdf, contents: list[bytes]) -> bytes:
    """Return the file with these operators in place of its pages' own, and without its logical structure."""
    for page, content in zip(document.pages, contents, strict=True):
        page.obj.Contents.write(content)  # in its place: for a new object, qpdf would read all others first
    if "/StructTreeRoot" in document.Root:
        del document.Root.StructTreeRoot
    output = BytesIO()
    plain = pikepdf.StreamDecodeLevel.none
    document.save(output, compress_streams=False, stream_decode_level=plain, fix_metadata_version=False)
    return output.getvalue()
