"""Find parts of a PDF that act by themselves, or may look different on paper than on a screen.

They may have been there before the first signature, so no later change gives them away. Still, the signer may have seen
something other than what a reader shows later. No document that Qianda issues has any. Source: ISO 32000-2 8.9 to 8.11,
10.5, 12.5, 12.6, 14.11.7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from qianda.pdf import Stream, Value
from qianda.verify.pdf.document import Document, Entries, as_dictionary
from qianda.verify.pdf.pages import pages

# Actions, and objects that contain other files, are named under these keys.
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
# Those of them that a list of fonts may have, because a font can have any name, and no program or embedded file is a
# font.
NAMES_OF_FONTS: Final = {"/AA", "/EF", "/JS"}
# Platform entries of an embedded file (7.11.4). No font has them, so no file can pass as a font.
KEYS_OF_FILES: Final = {"/F", "/UF", "/DOS", "/Mac", "/Unix"}
# Keys by which some programs replace a picture or form with another one: an alternate for printing (8.9.5.4), a
# page of another file (8.10.4), a picture in another file (14.11.7), a program for printers (ISO 32000-1 8.8.2).
REPLACED_BY: Final = {"/Alternates", "/Ref", "/OPI", "/Subtype2"}
# Layers, and conditions for showing them (8.11.4.4). Some programs hide layers on the screen or on paper although the
# catalog lists none (8.11.2).
LAYERS: Final = {"/OCG", "/OCMD"}
KEYS_OF_LAYERS: Final = {"/Usage"}
# Transfer functions, for the colours of one device (10.5): with them, only some programs turn black into white.
COLOUR_FUNCTIONS: Final = {"/TR", "/TR2"}
# Points. Some programs draw the border of a link, which could cover the text inside it; others draw none.
MAX_LINK_BORDER: Final = 2
# Flags of a field: printed; and invisible, hidden, not on the screen, or not there until it is touched.
_PRINTED: Final = 1 << 2
_HIDDEN: Final = 1 << 0 | 1 << 1 | 1 << 5 | 1 << 8
# Viewer preferences by which some programs show or print another part of the page, or not all pages (12.2).
_BOXES: Final = ("/ViewArea", "/ViewClip", "/PrintArea", "/PrintClip")
_WHOLE_PAGES: Final = (None, "/CropBox", "/MediaBox")
_OF_THE_CATALOG: Final = ("/OpenAction", "/OCProperties", "/Collection")


def find_active(document: Document) -> list[str]:
    """Return the names of the active parts, in order."""
    found: set[str] = {name for name in _OF_THE_CATALOG if name in document.root}
    preferences = document.dictionary(document.root, "/ViewerPreferences")
    found |= {name for name in _BOXES if document.entry(preferences, name) not in _WHOLE_PAGES}
    found |= {"/PrintPageRange"} & preferences.keys()
    for value in document.objects.values():
        found |= set(active_parts(document, value))
    for page in pages(document):
        annotations = document.items(as_dictionary(document.read(page), "a page"), "/Annots")
        found |= {kind for item in annotations if (kind := _shown(document, item))}
    return sorted(found)


def active_parts(document: Document, value: Value) -> Iterator[str]:
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
            yield from KEYS_OF_LAYERS & entries.keys()
            yield from (
                name for name in COLOUR_FUNCTIONS & entries.keys() if _is_function(document.entry(entries, name))
            )
            names = [document.entry(entries, kind) for kind in KINDS]
            yield from (name for name in names if isinstance(name, str) and name in ACTIVE | LAYERS)
            waiting += entries.values()


def _lists_fonts(document: Document, entries: Entries) -> bool:
    """Return whether all entries are fonts, as in the resources of a page (7.8.3)."""
    values = [document.entry(entries, name) for name in entries]
    return all(
        isinstance(value, dict) and document.entry(value, "/Type") == "/Font" and KEYS_OF_FILES.isdisjoint(value)
        for value in values
    )


def _is_function(value: Value) -> bool:
    """Return whether the value is a function (7.10) or a list of functions, and not the name of a standard function or
    a font."""
    entries = value.entries if isinstance(value, Stream) else value
    return isinstance(entries, list) or (isinstance(entries, dict) and "/FunctionType" in entries)


def _shown(document: Document, item: Value) -> str:
    """Return the kind of an annotation that shows more than a field or a plain link does; empty for these."""
    annotation: Entries = as_dictionary(item, "an annotation")
    kind = document.entry(annotation, "/Subtype")
    if kind == "/Widget" and not _is_shown_alike(document.entry(annotation, "/F")):
        return "/Annots /F"
    is_plain = kind == "/Widget" or (
        kind == "/Link" and "/AP" not in annotation and _has_thin_border(document, annotation)
    )
    return "" if is_plain else f"/Annots {kind!s}"


def can_be_hidden(flags: Value) -> bool:
    """Return whether a field with these flags (12.5.3) may be missing on the screen. Without flags, it is there."""
    return flags is not None and (type(flags) is not int or flags & _HIDDEN != 0)


def _is_shown_alike(flags: Value) -> bool:
    """Return whether a field with these flags (12.5.3) appears both on paper and on the screen, always."""
    return type(flags) is int and flags & _PRINTED != 0 and not can_be_hidden(flags)


def _has_thin_border(document: Document, link: Entries) -> bool:
    widths = [document.follow(width) for width in document.array(link, "/Border")[2:3]]
    widths += [document.dictionary(link, "/BS").get("/W", 0)]
    return all(isinstance(width, int | float) and 0 <= width <= MAX_LINK_BORDER for width in widths)
