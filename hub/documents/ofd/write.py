"""Write a laid-out contract as an OFD: the same words, glyphs and places as its PDF.

Nothing is laid out a second time. The drawing operators of the PDF are read and written as OFD, in millimetres; the
fonts are the subsets that the PDF embeds. `docs/adr/0029-ofd-and-sm2.md` says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from itertools import count
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from hub.documents.ofd.package import write_package
from hub.documents.ofd.page_content import PageResources, page_xml
from hub.documents.ofd.pdf_fonts import write_font_file
from hub.documents.ofd.pdf_pages import PdfPage, read_page
from hub.errors import BadInput
from qianda.ofd.signature_parts import ROOT
from qianda.ofd.xml_part import NAMESPACE
from qianda.verify.ofd import NUMBER, SCHOOL

if TYPE_CHECKING:
    import pikepdf

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE: Final = f'xmlns:ofd="{NAMESPACE}"'
FOLDER: Final = "Doc_0"
MAX_PAGES: Final = 200


@dataclass(frozen=True)
class OfdFacts:
    """The file's metadata."""

    title: str
    number: str
    school: str
    created: datetime


def write_ofd(pdf: bytes, facts: OfdFacts) -> bytes:
    """Return the OFD of a laid-out PDF. The same PDF and facts give the same bytes.

    Raises BadInput for a PDF that our layout did not write, or that cannot be carried over.
    """
    import pikepdf  # takes 9 MB with its libraries; most processes write no OFD

    try:
        with pikepdf.open(BytesIO(pdf)) as document:
            if not 1 <= len(document.pages) <= MAX_PAGES:
                raise BadInput("The PDF has too many pages, or none.", field="document")
            pages = [read_page(page) for page in document.pages]
            return write_package(_members(pages, facts, hashlib.sha256(pdf).hexdigest()[:32]))
    except (pikepdf.PdfError, KeyError, IndexError, TypeError, ValueError) as error:
        raise BadInput("The PDF cannot be carried over to OFD.", field="document") from error


def page_id(index: int) -> str:
    """Return the ID of a page in our files; `index` counts from 0. A stamp refers to its page by this ID."""
    return str(index + 1)


def _members(pages: list[PdfPage], facts: OfdFacts, number: str) -> dict[str, bytes]:
    ids = count(len(pages) + 1)
    fonts = {name: font for page in pages for name, font in page.fonts.items()}
    images = {name: image for page in pages for name, image in page.images.items()}
    font_ids, image_ids = ({name: next(ids) for name in names} for names in (fonts, images))
    characters = {name: font.characters() for name, font in fonts.items()}
    resources = PageResources(font_ids, characters, image_ids, lambda: next(ids))
    contents = {
        f"{FOLDER}/Pages/Page_{index}/Content.xml": page_xml(page.width, page.height, page.drawn, resources)
        for index, page in enumerate(pages)
    }
    files = {f"font_{font_ids[name]}.ttf": write_font_file(font) for name, font in fonts.items()}
    pictures = {f"image_{image_ids[name]}.png": _png(image) for name, image in images.items()}
    families = {name: font.family for name, font in fonts.items()}
    return {
        ROOT: _ofd_xml(facts, number),
        f"{FOLDER}/Document.xml": _document_xml(pages, next(ids), with_images=bool(images)),
        f"{FOLDER}/PublicRes.xml": _fonts_xml(font_ids, families),
        **({f"{FOLDER}/DocumentRes.xml": _images_xml(image_ids.values())} if images else {}),
        **contents,
        **{f"{FOLDER}/Res/{name}": data for name, data in (files | pictures).items()},
    }


def _ofd_xml(facts: OfdFacts, number: str) -> bytes:
    values = {NUMBER: facts.number, SCHOOL: facts.school}
    custom = "".join(
        f"<ofd:CustomData Name={quoteattr(name)}>{escape(value)}</ofd:CustomData>" for name, value in values.items()
    )
    return _encoded(
        f'<ofd:OFD {_NAMESPACE} Version="1.0" DocType="OFD"><ofd:DocBody><ofd:DocInfo><ofd:DocID>{number}</ofd:DocID>'
        f"<ofd:Title>{escape(facts.title)}</ofd:Title><ofd:CreationDate>{facts.created:%Y-%m-%d}</ofd:CreationDate>"
        f"<ofd:Creator>Qianda</ofd:Creator><ofd:CustomDatas>{custom}</ofd:CustomDatas></ofd:DocInfo>"
        f"<ofd:DocRoot>{FOLDER}/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>"
    )


def _document_xml(pages: list[PdfPage], highest: int, *, with_images: bool) -> bytes:
    listed = "".join(
        f'<ofd:Page ID="{page_id(index)}" BaseLoc="Pages/Page_{index}/Content.xml"/>' for index in range(len(pages))
    )
    images = "<ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes>" if with_images else ""
    return _encoded(
        f"<ofd:Document {_NAMESPACE}><ofd:CommonData><ofd:MaxUnitID>{highest}</ofd:MaxUnitID><ofd:PageArea>"
        f"<ofd:PhysicalBox>0 0 {pages[0].width:.4f} {pages[0].height:.4f}</ofd:PhysicalBox></ofd:PageArea>"
        f"<ofd:PublicRes>PublicRes.xml</ofd:PublicRes>{images}</ofd:CommonData>"
        f"<ofd:Pages>{listed}</ofd:Pages></ofd:Document>"
    )


def _fonts_xml(numbers: Mapping[str, int], families: Mapping[str, str]) -> bytes:
    listed = "".join(
        f'<ofd:Font ID="{number}" FontName={quoteattr(families[name])} FamilyName={quoteattr(families[name])}>'
        f"<ofd:FontFile>font_{number}.ttf</ofd:FontFile></ofd:Font>"
        for name, number in numbers.items()
    )
    return _encoded(f'<ofd:Res {_NAMESPACE} BaseLoc="Res"><ofd:Fonts>{listed}</ofd:Fonts></ofd:Res>')


def _images_xml(numbers: Iterable[int]) -> bytes:
    listed = "".join(
        f'<ofd:MultiMedia ID="{number}" Type="Image" Format="PNG"><ofd:MediaFile>image_{number}.png</ofd:MediaFile>'
        "</ofd:MultiMedia>"
        for number in numbers
    )
    return _encoded(f'<ofd:Res {_NAMESPACE} BaseLoc="Res"><ofd:MultiMedias>{listed}</ofd:MultiMedias></ofd:Res>')


def _png(image: pikepdf.Object) -> bytes:
    """Return an image of the PDF as PNG, with its transparency."""
    import pikepdf

    if not isinstance(image, pikepdf.Stream):
        raise BadInput("The PDF has an image that is none.", field="document")
    picture = pikepdf.PdfImage(image).as_pil_image()
    mask = image.get("/SMask")
    if isinstance(mask, pikepdf.Stream):
        picture = picture.convert("RGB")
        picture.putalpha(pikepdf.PdfImage(mask).as_pil_image().convert("L").resize(picture.size))
    output = BytesIO()
    picture.save(output, "PNG")
    return output.getvalue()


def _encoded(text: str) -> bytes:
    return (_HEAD + text).encode()
