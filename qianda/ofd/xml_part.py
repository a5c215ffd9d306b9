"""Read the XML parts of an OFD, without document types and entities."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree

from qianda.ofd import NotAnOfd, OfdTooLarge

NAMESPACE: Final = "http://www.ofdspec.org/2016"
MAX_DEPTH: Final = 200
# Far more than a page or 10,000 references need. Small parts can make many elements, and a small file large parts.
MAX_XML_BYTES: Final = 8 << 20
# A signature's 10,000 references are 20,000. The time to read a part grows with its elements more than with its bytes.
MAX_XML_ELEMENTS: Final = 100_000


class _Builder(ElementTree.TreeBuilder):
    """A tree builder that refuses a document type (so there are no entities), deep nesting and too many elements."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._count = 0

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise NotAnOfd(f"含有文档类型声明（{name}、{pubid}、{system}）", f"a document type ({name}, {pubid}, {system})")

    def start(self, tag: str, attrs: dict[str, str], /) -> ElementTree.Element:
        self._depth += 1
        self._count += 1
        if self._count > MAX_XML_ELEMENTS:
            raise OfdTooLarge(f"XML 元素超过 {MAX_XML_ELEMENTS} 个", f"more than {MAX_XML_ELEMENTS} elements of XML")
        if self._depth > MAX_DEPTH:
            raise NotAnOfd("XML 嵌套过深", "XML that is nested too deep")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


def read_xml(data: bytes, name: str = "") -> ElementTree.Element:
    """Return the root element of a part. Raises NotAnOfd, OfdTooLarge; both name the part, if it is given."""
    try:
        return _read(data)
    except NotAnOfd as error:
        if not name:
            raise
        raise type(error)(f"{name}：{error.what.zh}", f"{name}: {error.what.en}") from error


def _read(data: bytes) -> ElementTree.Element:
    if len(data) > MAX_XML_BYTES:
        raise OfdTooLarge(f"XML 超过 {MAX_XML_BYTES >> 20} MiB", f"more than {MAX_XML_BYTES >> 20} MiB of XML")
    parser = ElementTree.XMLParser(target=_Builder())  # noqa: S314 - see the import
    try:
        parser.feed(data)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise NotAnOfd("XML 无法读取", "no XML that can be read") from error
    return root


def local_name(element: ElementTree.Element) -> str:
    """Return the name without its namespace, because some programs use another namespace, or none."""
    return element.tag.rpartition("}")[2]


def children(parent: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [child for child in parent if local_name(child) == name]


def only_child(parent: ElementTree.Element, name: str) -> ElementTree.Element | None:
    """Return the child with this name, or None. Raises NotAnOfd if there are two: readers would choose differently."""
    found = children(parent, name)
    if len(found) > 1:
        raise NotAnOfd(f"{name} 出现两次", f"{name} occurs twice")
    return found[0] if found else None


def text_of(parent: ElementTree.Element, name: str) -> str:
    """Return the text of the child with this name, without surrounding spaces; empty if there is none."""
    found = only_child(parent, name)
    return (found.text or "").strip() if found is not None else ""
