"""List the pages of a PDF and the form fields on them."""

from __future__ import annotations

from collections.abc import Iterator

from qianda.pdf import NotOurForm, TooComplex
from qianda.verify.pdf.document import Document, as_dictionary, references

MAX_PAGES = 1000


def page_widgets(document: Document) -> set[int | None]:
    """Return the object numbers of the form fields on the pages; None for a field that is not an indirect object."""
    found: set[int | None] = set()
    for page in pages(document):
        annotations = document.array(as_dictionary(document.read(page), "a page"), "/Annots")
        for item, number in zip(annotations, references(annotations), strict=True):
            annotation = as_dictionary(document.follow(item), "an annotation")
            if document.entry(annotation, "/Subtype") == "/Widget":
                found.add(number)
    return found


def pages(document: Document) -> Iterator[int]:
    """Yield the object numbers of the pages, from the tree in the catalog.

    Raises TooComplex for too many, and NotOurForm for a malformed tree, which readers show in different ways.
    """
    waiting, seen = references([document.root.get("/Pages")]), set[int]()
    while waiting:
        number = waiting.pop()
        if number is None or number in seen:
            raise NotOurForm("a page is in more than one place, or in none")
        seen.add(number)
        if len(seen) > MAX_PAGES:
            raise TooComplex
        node = as_dictionary(document.read(number), "a page")
        kind = node.get("/Type")
        if kind == "/Pages" and "/Kids" in node:
            waiting.extend(references(document.array(node, "/Kids")))
        elif kind == "/Page" and "/Kids" not in node:
            yield number
        else:
            raise NotOurForm(f"object {number} is neither a page nor a list of pages")
