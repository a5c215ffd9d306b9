"""List the pages of a PDF and the form fields on them."""

from __future__ import annotations

from collections.abc import Iterator

from qianda.pdf import NotOurForm, Reference, TooComplex, is_equal
from qianda.verify.pdf.document import Document, as_dictionary, reference, references

MAX_PAGES = 1000
MAX_ANNOTATIONS = 100_000


def page_widgets(document: Document, max_annotations: int = MAX_ANNOTATIONS) -> set[int | None]:
    """Return the object numbers of the form fields on the pages; None for a field that is not an indirect object.

    Raises TooComplex for too many annotations, which many pages can share.
    """
    found, seen = set[int | None](), 0
    for page in pages(document):
        annotations = document.array(as_dictionary(document.read(page), "a page"), "/Annots")
        seen += len(annotations)
        if seen > max_annotations:
            raise TooComplex
        for item, number in zip(annotations, references(annotations), strict=True):
            annotation = as_dictionary(document.follow(item), "an annotation")
            if document.entry(annotation, "/Subtype") == "/Widget":
                found.add(number)
    return found


def pages(document: Document) -> Iterator[int]:
    """Yield the object numbers of the pages, from the tree in the catalog.

    Raises TooComplex for too many, and NotOurForm for a malformed tree, which readers show in different ways: some walk
    through it, some skip as many pages as a list says that it has, and some look for inherited entries above a page's
    own `/Parent`.
    """
    waiting: list[tuple[int | None, list[int]]] = [(reference(document.root, "/Pages"), [])]
    seen, counted = set[int](), dict[int, int]()
    while waiting:
        number, above = waiting.pop()
        if number is None or number in seen:
            raise NotOurForm("a page is in more than one place, or in none")
        seen.add(number)
        node = as_dictionary(document.read(number), "a page")
        kind = node.get("/Type")
        if node.get("/Parent") != (Reference(above[-1]) if above else None):
            raise NotOurForm(f"object {number} is in another list of pages than its /Parent")
        if kind == "/Pages" and "/Kids" in node:
            counted[number] = 0
            kids = references(document.array(node, "/Kids"))
            if len(seen) + len(waiting) + len(kids) > MAX_PAGES:
                raise TooComplex
            waiting.extend((kid, [*above, number]) for kid in kids)
        elif kind == "/Page" and "/Kids" not in node:
            counted.update({each: counted[each] + 1 for each in above})
            yield number
        else:
            raise NotOurForm(f"object {number} is neither a page nor a list of pages")
    for number, count in counted.items():
        if not is_equal(as_dictionary(document.read(number), "a page").get("/Count"), count):
            raise NotOurForm(f"object {number} does not say how many pages are in it")
