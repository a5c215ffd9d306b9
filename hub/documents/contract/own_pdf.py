"""Read the school's own PDFs, which are signed as they are, in a limited child."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hub.documents.child import ChildFailed, LimitedChild, Limits
from hub.documents.contract.clauses import Block, Heading, Paragraph
from hub.documents.contract.layout import Box, LaidOut
from hub.errors import BadInput
from hub.model.contract.own_document import MAX_OWN_DOCUMENT_BYTES, OwnDocument

LIMITS: Final = Limits(memory_bytes=1024 * 1024 * 1024, cpu_seconds=20, seconds=40)
PAGE_WORDS: Final = {"zh": "第 {n} 页", "en": "Page {n}"}
_CHILD = "hub.documents.contract.own_pdf_reading"  # by its name: the hub itself does not import this module


@dataclass(frozen=True)
class AboutDocument:
    """The metadata of the file: the contract's number, and the school. `language`: the contract's."""

    number: str
    school: str
    language: str


class OwnPdfReader(LimitedChild):
    """A reader of PDFs in a warm child. One per process is enough; threads take turns."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        super().__init__(_CHILD, limits)

    def check(self, uploaded: bytes) -> bytes:
        """Return the PDF in the plain form in which it is signed. Raises BadInput (`document`) for a file that is no
        PDF, has too many pages, has a password, programs, fields or signatures, or may look different on paper."""
        if len(uploaded) > MAX_OWN_DOCUMENT_BYTES:
            raise BadInput("a PDF has up to 20 MB", field="document")
        return self._ask({"about": {}, "places": None}, uploaded, "document")

    def lay_out(self, pdf: bytes, document: OwnDocument, about: AboutDocument) -> LaidOut:
        """Return the PDF with the places of its fields, and its text if the file contains it. Raises BadInput
        (`places`) for a place that the PDF does not have."""
        said = {"Title": document.title, "Author": about.school, "Keywords": about.number}
        answer = self._ask({"about": said, "places": dict(document.places)}, pdf, "places")
        head, _, plain = answer.partition(b"\n")
        found: dict[str, Any] = json.loads(head)
        boxes = tuple(Box(*box) for box in found["boxes"])
        return LaidOut(plain, boxes, _blocks(found["text"], about.language), len(found["text"]), document.title)

    def _ask(self, asked: Mapping[str, Any], pdf: bytes, field: str) -> bytes:
        try:
            return self.ask(json.dumps(asked).encode() + b"\n" + pdf)
        except ChildFailed as error:
            raise BadInput(str(error), field=field) from None


def _blocks(pages: list[str], language: str) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for number, text in enumerate(pages, 1):
        lines = [" ".join(line.split()) for line in text.splitlines()]
        blocks.append(Heading("", PAGE_WORDS[language].format(n=number)))
        blocks += [Paragraph(line) for line in lines if line]
    return tuple(blocks)
