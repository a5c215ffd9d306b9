"""Prepare a seal in an OFD from an unknown source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hub.documents.ofd.places import StampPlace, across_pages
from hub.documents.ofd.sign import PreparedOfd, prepare_seal
from hub.documents.sealing.marks import EDGE, runs_of_pages
from hub.errors import BadInput
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_place import AcrossPages, OnPage, SealPlace
from qianda.ofd import NotAnOfd, OfdTooLarge
from qianda.ofd.container import MAX_FILE_BYTES, OfdContainer
from qianda.ofd.page_list import OfdPage, list_pages
from qianda.ofd.signature_parts import read_document
from qianda.verify.ofd.coverage import coverage_faults

ZIP_HEAD = b"PK\3\4"


@dataclass(frozen=True)
class OfdOrder:
    """`seal`: the SESeal in DER; `certificate`: that of the SM2 key that seals; `size`: that of the picture, in mm."""

    path: Path
    place: SealPlace
    seal: bytes
    certificate: bytes
    size: tuple[float, float]
    at: datetime


def prepare_ofd(order: OfdOrder) -> PreparedOfd:
    """Prepare a seal (GB/T 38540). Raises CannotSeal."""
    if order.path.stat().st_size > MAX_FILE_BYTES:
        raise CannotSeal(SealFault.TOO_LARGE)
    file = order.path.read_bytes()
    try:
        places = _places(order, _checked_pages(file))
        return prepare_seal(file, order.seal, order.certificate, order.at, places)
    except OfdTooLarge as error:
        raise CannotSeal(SealFault.TOO_LARGE) from error
    except NotAnOfd as error:
        raise CannotSeal(SealFault.DAMAGED) from error
    except BadInput as error:
        raise CannotSeal(SealFault.OUTSIDE_PAGE if error.field == "places" else SealFault.DAMAGED) from error


def _checked_pages(file: bytes) -> tuple[OfdPage, ...]:
    """Return the pages. Raises CannotSeal if an earlier signature is broken, or covers the list of signatures."""
    container = OfdContainer(file)
    document = read_document(container)
    for part in document.signatures:
        if any(one.member == document.signatures_member for one in part.references):
            raise CannotSeal(SealFault.LOCKED)
        if next(coverage_faults(container, document, part), None) is not None:
            raise CannotSeal(SealFault.DAMAGED)
    return list_pages(container, document.root)


def _places(order: OfdOrder, pages: tuple[OfdPage, ...]) -> list[StampPlace]:
    width, height = order.size
    if isinstance(order.place, OnPage):
        number = len(pages) if order.place.page is None else order.place.page
        if not 0 < number <= len(pages):
            raise CannotSeal(SealFault.NO_PAGE)
        box = (order.place.x - width / 2, order.place.y - height / 2, width, height)
        return [StampPlace(pages[number - 1].number, box)]
    if isinstance(order.place, AcrossPages):
        return _across(pages, order.size, order.place.y)
    raise CannotSeal(SealFault.NOT_FOR_OFD)


def _across(pages: tuple[OfdPage, ...], size: tuple[float, float], middle: float | None) -> list[StampPlace]:
    if len(pages) < 2:
        raise CannotSeal(SealFault.ONE_PAGE)
    lowest = min(page.height for page in pages)
    top = (lowest / 2 if middle is None else middle) - size[1] / 2
    if top < -EDGE or top + size[1] > lowest + EDGE:
        raise CannotSeal(SealFault.OUTSIDE_PAGE)
    runs = [pages[run.start : run.stop] for run in runs_of_pages(len(pages))]
    return [place for run in runs for place in across_pages(run, size, top)]
