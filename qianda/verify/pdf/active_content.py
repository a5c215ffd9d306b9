"""Find parts of a PDF that act by themselves, or may look different on paper than on a screen.

They may have been there before the first signature, so that nothing was changed afterwards. The signer still need not
have seen what a reader shows later. No document that Qianda issues has any. Source: ISO 32000-2 8.9 to 8.11, 12.5,
12.6, 14.11.7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from qianda.pdf import Stream, Value
from qianda.verify.pdf.document import Document, Entries, as_dictionary
from qianda.verify.pdf.pages import pages

# Names of actions, and of what holds other files, under these keys.
KINDS: Final = ("/S", "/Type", "/Subtype")
ACTIVE: Final = {
    "/JavaScript",
    "/Launch",
    "/EmbeddedFile",
    "/SubmitForm",
    "/ImportData",
    "/RichMedia",
    "/Movie",
    "/GoToR",
    "/GoToE",
    "/Hide",
}
# Keys that only such parts have.
ACTIVE_KEYS: Final = {"/JS", "/EmbeddedFiles", "/EF", "/XFA", "/AA"}
# Those that a list of fonts may have: a font can have any name, and what runs by itself is no font.
NAMES_OF_FONTS: Final = {"/AA"}
# Keys of a picture or form in place of which some programs show another one: an alternate for printing (8.9.5.4), a
# page of another file (8.10.4), a picture in another file (14.11.7).
REPLACED_BY: Final = {"/Alternates", "/Ref", "/OPI"}
_OF_THE_CATALOG: Final = ("/OpenAction", "/OCProperties", "/Collection")


def find_active(document: Document) -> list[str]:
    """Return the names of the active parts, in order."""
    found: set[str] = {name for name in _OF_THE_CATALOG if name in document.root}
    for value in document.objects.values():
        found |= set(_active(document, value))
    for page in pages(document):
        annotations = document.items(as_dictionary(document.read(page), "a page"), "/Annots")
        found |= {kind for item in annotations if (kind := _shown(document, item))}
    return sorted(found)


def _active(document: Document, value: Value) -> Iterator[str]:
    """Yield the active parts of an object, without those that it refers to."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict | Stream):
            entries = one.entries if isinstance(one, Stream) else one
            if found := ACTIVE_KEYS & entries.keys():
                yield from found - NAMES_OF_FONTS if _lists_fonts(document, entries) else found
            if isinstance(one, Stream):
                yield from REPLACED_BY & entries.keys()
            names = [document.entry(entries, kind) for kind in KINDS]
            yield from (name for name in names if isinstance(name, str) and name in ACTIVE)
            waiting += entries.values()


def _lists_fonts(document: Document, entries: Entries) -> bool:
    """Return whether all entries are fonts, as in the resources of a page (7.8.3)."""
    values = [document.entry(entries, name) for name in entries]
    return all(isinstance(value, dict) and document.entry(value, "/Type") == "/Font" for value in values)


def _shown(document: Document, item: Value) -> str:
    """Return the kind of an annotation that shows more than a field or a link does; empty for these."""
    annotation: Entries = as_dictionary(item, "an annotation")
    kind = document.entry(annotation, "/Subtype")
    return "" if kind == "/Widget" or (kind == "/Link" and "/AP" not in annotation) else f"/Annots {kind!s}"
