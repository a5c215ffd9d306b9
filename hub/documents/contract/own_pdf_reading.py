"""The child's part of `hub.documents.contract.own_pdf`: check a PDF of the school, and find places for fields in it."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any, Final, NamedTuple

import pikepdf
import pypdfium2

from hub.documents.child import serve
from hub.documents.contract.layout import SEAL_SIZE, SIGNATURE_SIZE
from hub.documents.contract.pdf_check import check_looks_alike, open_plain_pdf
from hub.documents.contract.plain_form import write_plain_form
from hub.documents.contract.plain_pages import SHOWN_DIFFERENTLY, make_pages_plain
from hub.documents.page_drawing import MAX_PAGES
from hub.documents.sealing.keyword_search import find_words
from hub.documents.sealing.marks import choose_findings
from hub.errors import BadInput
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_place import OnPage, OverKeyword, parse_seal_place
from hub.model.signing.signature_request import SEAL_FIELD
from qianda.pdf import NotOurForm, TooComplex
from qianda.pdf.revisions import MAX_DICTIONARIES, MAX_SEPARATORS_OUTSIDE_STREAMS, is_larger_outside_streams
from qianda.verify.findings import UnreadablePdf
from qianda.verify.pdf.document import as_dictionary, reference
from qianda.verify.pdf.drawing import find_drawn_differently
from qianda.verify.pdf.drawn_parts import MAX_CONTENT_SEPARATORS
from qianda.verify.pdf.pages import MAX_ANNOTATIONS, page_widgets, pages
from qianda.verify.pdf.signature_objects import NotSigning, check_apart
from qianda.verify.pdf.signed_file import MAX_FILE_BYTES, SignedFile

POINTS_PER_MM: Final = 72 / 25.4
# Points by which a place may extend beyond the edge, because page sizes are rounded.
EDGE: Final = 0.5

# Faults of a place. The name of the field follows on the next line.
NO_PLACE: Final = "a place is page:NUMBER,X,Y (in mm) or words of the PDF:"
FAULTS: Final = {
    SealFault.KEYWORD_MISSING: "these words are not in the PDF:",
    SealFault.KEYWORD_AMBIGUOUS: "these words are in the PDF several times; say which, like keyword#2:WORDS, at:",
    SealFault.KEYWORD_TOO_FEW: "these words occur fewer times in the PDF:",
}


class PdfLimits(NamedTuple):
    """What a PDF may have. `size`: in bytes; `content_separators`: of all contents together, unpacked."""

    size: int
    separators_outside_streams: int
    dictionaries: int
    annotations: int
    content_separators: int


VERIFIER_LIMITS: Final = PdfLimits(
    MAX_FILE_BYTES, MAX_SEPARATORS_OUTSIDE_STREAMS, MAX_DICTIONARIES, MAX_ANNOTATIONS, MAX_CONTENT_SEPARATORS
)
# Lower than the verifier's, because signatures are added later, and the hub's own check has 10 seconds of CPU time.
UPLOAD_LIMITS: Final = PdfLimits(56 << 20, 3 << 20, 200_000, 50_000, 4 << 20)


def _answer(question: bytes) -> bytes:
    """Return the PDF in its plain form; if places are asked for, a line of JSON with the findings comes first."""
    head, _, pdf = question.partition(b"\n")
    asked = json.loads(head)
    limits = UPLOAD_LIMITS if asked["places"] is None else VERIFIER_LIMITS
    plain = _written_anew(pdf, asked["about"])
    _check_readable(plain, limits)
    if asked["places"] is None:
        return plain
    return json.dumps(_read(plain, asked["places"])).encode() + b"\n" + plain


def _written_anew(pdf: bytes, about: dict[str, str]) -> bytes:
    with open_plain_pdf(pdf, MAX_PAGES) as document:
        try:
            form = document.Root.get("/AcroForm")
            if form is not None and len(form.get("/Fields", [])):
                raise ValueError("the PDF is a form, or is signed: print it into a PDF without fields first")
            if any(int(page.obj.get("/Rotate", 0)) % 360 or "/UserUnit" in page.obj for page in document.pages):
                raise ValueError("the PDF has turned or scaled pages: print it into a PDF first")
            check_looks_alike(document)
            make_pages_plain(document)
        except (AttributeError, KeyError, TypeError, pikepdf.PdfError):  # a value has the wrong type
            raise ValueError("the PDF is damaged") from None
        return write_plain_form(document, about)


def _check_readable(plain: bytes, limits: PdfLimits) -> None:
    """Raise ValueError unless a verifier reads the file and all programs draw it alike."""
    try:
        _check_size(plain, limits)  # before anything is read
        file = SignedFile(plain)
        # A page is written again with its fields, and once more with the place of the timestamp.
        _check_size(plain + 2 * _written_pages(file), limits)
        page_widgets(file.now, limits.annotations)
        odd = find_drawn_differently(file.now, limits.content_separators)
    except TooComplex:
        raise ValueError("the PDF is too complex: print it into a PDF with another program") from None
    except (NotOurForm, UnreadablePdf):
        raise ValueError("the PDF cannot be signed: print it into a PDF with another program") from None
    if any(part.startswith("/Font") for part in odd):
        raise ValueError("the PDF uses fonts that are not in it: embed all fonts, or print it into a PDF first")
    if "/XObject" in odd:
        raise ValueError("the PDF has pictures inside pictures, too many: print it into a PDF first")
    if odd:
        raise ValueError(SHOWN_DIFFERENTLY)


def _check_size(pdf: bytes, limits: PdfLimits) -> None:
    if len(pdf) > limits.size or is_larger_outside_streams(pdf, limits.separators_outside_streams, limits.dictionaries):
        raise TooComplex


def _written_pages(file: SignedFile) -> bytes:
    """Return the pages, with their lists of annotations, as the file contains them."""
    objects = file.revisions[0].objects
    numbers = list(pages(file.now))
    entries = [as_dictionary(file.now.read(number), "a page") for number in numbers]
    numbers += [list_number for page in entries if (list_number := reference(page, "/Annots")) is not None]
    return b"".join(file.pdf[objects[number].start : objects[number].end] for number in numbers)


def _read(pdf: bytes, places: dict[str, str]) -> dict[str, Any]:
    with pypdfium2.PdfDocument(pdf) as document:
        text = [document[number].get_textpage().get_text_range() for number in range(len(document))]
        frames = [document[number].get_cropbox() for number in range(len(document))]
    boxes = [_box(pdf, frames, name, place) for name, place in places.items()]
    _check_apart(boxes)
    return {"text": text, "boxes": boxes}


def _check_apart(boxes: list[list[Any]]) -> None:
    """Raise ValueError if two fields overlap: the verifier's rule, so nobody could sign the second one."""
    for (_, page, *corners), (name, other, *others) in combinations(boxes, 2):
        try:
            check_apart(corners, [others] if page == other else [])
        except NotSigning:
            raise ValueError(f"the place overlaps another one:\n{name}") from None


def _box(pdf: bytes, frames: list[Any], name: str, text: str) -> list[Any]:
    """Return name, page and corners of a field. Raises ValueError, which names the field on its second line."""
    size = (SEAL_SIZE, SEAL_SIZE) if name == SEAL_FIELD else SIGNATURE_SIZE
    page, x, y = _middle(pdf, frames, name, text)
    left, bottom, right, top = frames[page]
    box = (x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2)
    if box[0] < left - EDGE or box[1] < bottom - EDGE or box[2] > right + EDGE or box[3] > top + EDGE:
        raise ValueError(f"the place reaches over the edge of the page:\n{name}")
    return [name, page, *(round(value, 2) for value in box)]


def _middle(pdf: bytes, frames: list[Any], name: str, text: str) -> tuple[int, float, float]:
    """Return the page, counted from 0, and the centre in the page's own coordinates."""
    try:
        place = parse_seal_place(text)
    except BadInput:
        raise ValueError(f"{NO_PLACE}\n{name}") from None
    if isinstance(place, OnPage):
        page = len(frames) - 1 if place.page is None else place.page - 1
        if page >= len(frames):
            raise ValueError(f"the PDF has no such page:\n{name}")
        left, _, _, top = frames[page]
        return page, left + place.x * POINTS_PER_MM, top - place.y * POINTS_PER_MM
    if not isinstance(place, OverKeyword):
        raise ValueError(f"{NO_PLACE}\n{name}")
    try:
        found = find_words(pdf, place.words)
        return found[choose_findings(place, len(found))[0]]
    except CannotSeal as error:
        raise ValueError(f"{FAULTS.get(error.fault, NO_PLACE)}\n{name}") from None


if __name__ == "__main__":
    serve(_answer, (ValueError,))
