"""Draw the common parts of contracts with the same layout only once; a part of the child of `hub.documents.pages`.

Such contracts differ only in the texts that `layout.typ` sets in the font's sister. Their pages are drawn in two steps:
first everything else, which is kept as an image, then these texts onto a copy of it. pdfium draws each operator of a
page once. An image is looked up by a hash of everything that it was drawn from (operators, fonts, colours), so it is
never used with another wording, layout or font. The two steps do not change how a page looks: a page is drawn as a
whole if anything that touches a text is drawn after it (a school's own layout may cover texts), or if it contains more
than plain texts and shapes. An image is used only after one contract has looked the same both ways.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pikepdf

# Images of common parts are kept up to this size. Those of three pages of A4 take 3.5 MB.
MAX_KEPT_BYTES = 32 << 20
# How many layouts are known, with and without images: a contract with its own wording is a layout that never recurs.
MAX_LAYOUTS = 256
_SISTER = "NotoSerifCJKtc-"
# PDF points around a text, for the blur of its edges (a pixel has 0.65 points), and for letters that are wider than the
# font says.
_MARGIN = 1.0
# A group that paints one plain text or shape and nothing else: pdfium makes one object of it. It holds no other group.
# Strings may hold parentheses in pairs. The pattern is unambiguous, so a failing match takes no longer than a
# successful one. Only sets are possessive, because Debian 12's Python reads possessive groups wrongly.
_CHARACTERS = rb"[^\\()]*+(?:\\.[^\\()]*+)*"
_STRING = rb"(?:\(%b(?:\(%b\)%b)*\)|<[0-9A-F]*+>)" % (_CHARACTERS, _CHARACTERS, _CHARACTERS)
_TEXT = rb"BT 0 Tr/\w++ [\d.]++ Tf[\d.\s-]*+Tm(?:%b|\[(?:%b|[\d.\s-]++)*\])T[Jj]\nET" % (_STRING, _STRING)
_SHAPE = rb"[\[\]\d.\s-]*+(?:(?:[wMJjdmlch]|re)\b[\[\]\d.\s-]*+)*[SfB]\*?"
_COLOUR = rb"/\w++ (?:cs[\d.\s-]*+scn|CS[\d.\s-]*+SCN)\s*+"
_GROUP = re.compile(rb"q [\d.\s-]*+cm(?:%b)*(?:%b|%b)\nQ\n" % (_COLOUR, _TEXT, _SHAPE), re.DOTALL)
# What may stand between such groups: marks of the logical structure, and groups that move or clip and paint nothing.
_MARK = re.compile(rb"/\w+<<[^()<>]*+(?:\([^()\\]*+\)[^()<>]*+)*>>BDC|EMC")
_PAINTS_NOTHING = re.compile(rb"[\d.\s-]*+(?:\b(?:[qQmlhWn]|re|cm)\b[\d.\s-]*+)*")
_TAIL, _TAIL_BYTES = re.compile(rb"startxref\n(\d+)\n%%EOF\s*\Z"), 64
_OF_ONE_CONTRACT = frozenset({"/Annots", "/Contents", "/Parent", "/Resources", "/StructParents"})


Bounds = tuple[float, float, float, float]  # left, bottom, right, top; PDF points


@dataclass
class SharedPages:
    """The common parts of contracts. `images`, and `bounds` of the objects on them, by page; no images if contracts
    cannot be drawn onto them. `is_proved`: one contract looked as if it had been drawn as a whole."""

    images: list[bytes]
    bounds: list[list[Bounds]]
    is_proved: bool = False


@dataclass(frozen=True)
class SplitPage:
    """The operators that contracts have in common, and this contract's own ones. Both have all clips.

    `groups`: the number of common groups. `places`: how many of them come before each of the contract's own ones.
    """

    common: bytes
    own: bytes
    places: list[int]
    groups: int


@dataclass(frozen=True)
class SplitContract:
    """A contract's file with only its own texts, and the images below them."""

    own: bytes
    pages: list[SplitPage]
    shared: SharedPages


class SharedImages:
    """The common parts of contracts, drawn by `draw`, which gets a file and the number of groups on each of its pages.
    `most`: how many layouts are known."""

    def __init__(self, draw: Callable[[bytes, list[int]], SharedPages], most: int = MAX_LAYOUTS) -> None:
        self._draw, self._most = draw, most
        self._kept: OrderedDict[bytes, SharedPages | None] = OrderedDict()

    def split(self, pdf: bytes) -> SplitContract | None:
        """Split a file; return None if it has to be drawn as a whole.

        The first contract of a layout is drawn as a whole too, because there may be no second one.
        """
        with pikepdf.open(BytesIO(pdf)) as document:
            split = [_split_page(page.obj) for page in document.pages]
            pages = [page for page in split if page is not None]
            if len(pages) < len(split):
                return None
            key = _digest(document, [page.common for page in pages])
            if key not in self._kept:
                self._keep(key, None)
                return None
            shared = self._kept[key]
            if shared is not None and not shared.images:
                return None
            own = _append_contents(pdf, document, [page.own for page in pages])
            if shared is None:
                for page in document.pages:
                    page.obj.Annots = pikepdf.Array()
                common = _with_contents(document, [page.common for page in pages])
                shared = self._draw(common, [page.groups for page in pages])
            self._keep(key, shared)
            return SplitContract(own, pages, shared) if shared.images else None

    def _keep(self, key: bytes, shared: SharedPages | None) -> None:
        self._kept[key] = shared
        self._kept.move_to_end(key)
        while len(self._kept) > self._most or self._size() > MAX_KEPT_BYTES:
            self._kept.popitem(last=False)

    def _size(self) -> int:
        return sum(len(image) for kept in self._kept.values() if kept for image in kept.images)


def is_covered(places: Sequence[int], own: Sequence[Bounds], common: Sequence[Bounds]) -> bool:
    """Return whether a common part that is drawn after one of the contract's own texts may touch it. `places`: as in
    `SplitPage`."""
    return any(
        left - _MARGIN < other[2]
        and other[0] < right + _MARGIN
        and low - _MARGIN < other[3]
        and other[1] < high + _MARGIN
        for place, (left, low, right, high) in zip(places, own, strict=True)
        for other in common[place:]
    )


def _split_page(page: pikepdf.Object) -> SplitPage | None:
    contents, sisters = page.get("/Contents"), [re.escape(name.encode() + b" ") for name in _sister_fonts(page)]
    if not sisters or not isinstance(contents, pikepdf.Stream):
        return None
    operators, in_sister = contents.read_bytes(), re.compile(b"|".join(sisters))
    common, own, places = list[bytes](), list[bytes](), list[int]()
    end = groups = 0
    for group in _GROUP.finditer(operators):
        between = _MARK.sub(b" ", operators[end : group.start()])
        if not _PAINTS_NOTHING.fullmatch(between):
            return None
        if between.strip():
            common.append(between)
            own.append(between)
        if in_sister.search(operators, *group.span()):
            own.append(group[0])
            places.append(groups)
        else:
            common.append(group[0])
            groups += 1
        end = group.end()
    rest = _MARK.sub(b" ", operators[end:])
    if not _PAINTS_NOTHING.fullmatch(rest):
        return None
    return SplitPage(b"\n".join((*common, rest)), b"\n".join((*own, rest)), places, groups)


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
    if isinstance(item, pikepdf.Array | pikepdf.Dictionary) and b" R" not in (whole := item.unparse(resolved=True)):
        yield whole  # it refers to nothing
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


def _append_contents(pdf: bytes, document: pikepdf.Pdf, contents: list[bytes]) -> bytes:
    """Return the file with these operators in place of its pages' own, as a further revision (ISO 32000-2, 7.5.6).

    qpdf would rewrite all of its objects, most of which are fonts. Raises ValueError.
    """
    parts, rows, end = [pdf], dict[int, bytes](), len(pdf)
    for page, content in zip(document.pages, contents, strict=True):
        number, generation = page.obj.Contents.objgen
        rows[number] = b"%d 1\n%010d %05d n \n" % (number, end, generation)
        parts.append(
            b"%d %d obj\n<</Length %d>>stream\n%b\nendstream\nendobj\n" % (number, generation, len(content), content)
        )
        end += len(parts[-1])
    tail, root = _TAIL.search(pdf, len(pdf) - _TAIL_BYTES), document.Root.objgen
    if tail is None:
        raise ValueError("it does not end as our files end")
    last = int(document.trailer.Size), *root, int(tail[1]), end
    parts += [b"xref\n", *(row for _, row in sorted(rows.items()))]
    parts.append(b"trailer\n<</Size %d/Root %d %d R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n" % last)
    return b"".join(parts)


def _with_contents(document: pikepdf.Pdf, contents: list[bytes]) -> bytes:
    """Return the file with these operators in place of its pages' own, and without its logical structure."""
    for page, content in zip(document.pages, contents, strict=True):
        page.obj.Contents.write(content)  # overwritten: to add a new object, qpdf would first read all others
    if "/StructTreeRoot" in document.Root:
        del document.Root.StructTreeRoot
    output = BytesIO()
    plain = pikepdf.StreamDecodeLevel.none
    document.save(output, compress_streams=False, stream_decode_level=plain, fix_metadata_version=False)
    return output.getvalue()
