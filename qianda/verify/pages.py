"""The pages of a PDF and the form fields that stand on them."""

from __future__ import annotations

from collections.abc import Iterator

from pyhanko.pdf_utils.generic import Reference

from qianda.verify.objects import Snapshot, reference, references


def page_widgets(document: Snapshot) -> set[Reference | None]:
    """The form fields that stand on pages; one that is no object of its own counts as None."""
    found: set[Reference | None] = set()
    for page in pages(document):
        annotations = document.array(document.read(page), "/Annots")
        for index, at in enumerate(references(annotations)):
            annotation = document.follow(annotations.raw_get(index))
            if document.entry(annotation, "/Subtype") == "/Widget":
                found.add(at)
    return found


def pages(document: Snapshot) -> Iterator[Reference]:
    """The pages, from the tree in the catalog; every node is visited once at most."""
    waiting, seen = [reference(document.root, "/Pages")], set[Reference]()
    while waiting:
        at = waiting.pop()
        if at is None or at in seen:
            continue
        seen.add(at)
        node = document.read(at)
        if "/Kids" in node:
            waiting.extend(references(document.array(node, "/Kids")))
        else:
            yield at
