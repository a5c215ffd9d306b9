"""List the pages of an OFD: their IDs, by which stamps refer to them, and their sizes (GB/T 33190, 7.4 and 7.7)."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from qianda.ofd import NotAnOfd, OfdTooLarge
from qianda.ofd.container import OfdContainer
from qianda.ofd.locations import resolve
from qianda.ofd.xml_part import children, only_child, read_xml, text_of

MAX_PAGES = 5_000
_MAX_SIDE = 10_000.0  # mm


@dataclass(frozen=True)
class OfdPage:
    """A page, with its size in millimetres."""

    number: str
    width: float
    height: float


def list_pages(container: OfdContainer, root: str) -> tuple[OfdPage, ...]:
    """Return the pages in their order. `root`: the member with the document. Raises NotAnOfd, OfdTooLarge."""
    document = read_xml(container.read(root), root)
    common, listed = only_child(document, "CommonData"), only_child(document, "Pages")
    entries = children(listed, "Page") if listed is not None else []
    if len(entries) > MAX_PAGES:
        raise OfdTooLarge(f"页数超过 {MAX_PAGES}", f"it has more than {MAX_PAGES} pages")
    usual = _size(only_child(common, "PageArea")) if common is not None else None
    pages = []
    for entry in entries:
        member = resolve(entry.get("BaseLoc", ""), root, container)
        size = _size(only_child(read_xml(container.read(member), member), "Area")) or usual
        if size is None:
            raise NotAnOfd(f"{member}：页面没有尺寸", f"{member}: a page without a size")
        pages.append(OfdPage(entry.get("ID", ""), *size))
    return tuple(pages)


def _size(area: Element | None) -> tuple[float, float] | None:
    """Return width and height of a physical box; None if it has none."""
    box = text_of(area, "PhysicalBox").split() if area is not None else []
    try:
        _, _, width, height = (float(part) for part in box)
    except ValueError:
        return None
    return (width, height) if 0 < width < _MAX_SIDE and 0 < height < _MAX_SIDE else None
