"""Read the PDF files that Qianda writes, from the first byte to the last, and no others.

Other PDF readers repair what they do not understand, each in its own way, so one file can show two different texts.
Here nothing is repaired: bytes that Qianda would not have written are a reason to refuse the file
(`docs/file-format.md`).
"""

from qianda.pdf.objects import HexString, Name, NotOurForm, ObjectReader, Reference, Stream, Value, is_equal
from qianda.pdf.revisions import (
    MAX_OBJECTS,
    MAX_REVISIONS,
    Revision,
    TooComplex,
    WrittenObject,
    read_object,
    read_revisions,
)

__all__ = [
    "MAX_OBJECTS",
    "MAX_REVISIONS",
    "HexString",
    "Name",
    "NotOurForm",
    "ObjectReader",
    "Reference",
    "Revision",
    "Stream",
    "TooComplex",
    "Value",
    "WrittenObject",
    "is_equal",
    "read_object",
    "read_revisions",
]
