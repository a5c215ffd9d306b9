"""Find composed fonts (ISO 32000-2 9.7) in which programs take different letters for the same code."""

from __future__ import annotations

from typing import Final

from qianda.pdf import Stream
from qianda.verify.pdf.document import Document, Entries, as_dictionary
from qianda.verify.pdf.unpacking import unpacked

# Names of the predefined tables (9.7.5.2), without the direction of writing (`-H` or `-V`).
_KNOWN: Final = frozenset(
    (
        *("Identity", "GB-EUC", "GBpc-EUC", "GBK-EUC", "GBKp-EUC", "GBK2K", "UniGB-UCS2", "UniGB-UTF16", "B5pc"),
        *("HKscs-B5", "ETen-B5", "ETenms-B5", "CNS-EUC", "UniCNS-UCS2", "UniCNS-UTF16", "83pv-RKSJ", "90ms-RKSJ"),
        *("90msp-RKSJ", "90pv-RKSJ", "Add-RKSJ", "EUC", "Ext-RKSJ", "UniJIS-UCS2", "UniJIS-UCS2-HW", "UniJIS-UTF16"),
        *("KSC-EUC", "KSCms-UHC", "KSCms-UHC-HW", "KSCpc-EUC", "UniKS-UCS2", "UniKS-UTF16"),
    )
)


def is_composed_alike(document: Document, font: Entries) -> bool:
    """Return whether all programs take the same letter for each code. If a table in the file continues another one
    (`/UseCMap`), only some programs read both."""
    encoding = document.entry(font, "/Encoding")
    if isinstance(encoding, str):
        name, _, direction = encoding[1:].rpartition("-")
        is_known = direction in ("H", "V") and (name in _KNOWN or not name)
    else:
        is_known = (
            isinstance(encoding, Stream) and "/UseCMap" not in encoding.entries and unpacked(encoding) is not None
        )
    descendants = (as_dictionary(each, "a font") for each in document.items(font, "/DescendantFonts"))
    return is_known and all(_has_known_letters(document, each) for each in descendants)


def _has_known_letters(document: Document, font: Entries) -> bool:
    """Return whether the numbers of the letters are clear. Only some programs use a table of them (`/CIDToGIDMap`) in a
    font of another kind than TrueType (9.7.4.3)."""
    letters = document.entry(font, "/CIDToGIDMap")
    is_used = document.entry(font, "/Subtype") == "/CIDFontType2"
    return letters in (None, "/Identity") or (is_used and unpacked(letters) is not None)
