"""Lay out a contract: from template and data to its PDF, its signature boxes and its text version.

The places of the boxes are computed here once and passed to Typst, which draws the boxes there, so the PDF fields and
the printed table cannot disagree. The same template, data and `issued_at` give the same bytes.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.documents.contract.clauses import Block, ClauseWriter, Heading, Paragraph, Table
from hub.documents.contract.contract_data import ContractData, SignerFacts
from hub.documents.contract.contract_templates import ContractTemplate, ContractTemplates
from hub.documents.fonts import ContractFont
from hub.documents.typst_child import TypstChild
from hub.errors import BadInput, TemplateFailed

if TYPE_CHECKING:
    from hub.documents.typesetting import ContractTypesetter

POINTS = 72 / 25.4  # a millimetre in PDF points
_SIDE, _BOTTOM, _WIDTH, _GAP = 22.0, 22.0, 166.0, 6.0  # mm: A4's margins, the text's width, the gap between columns
_CELL, _CAPTION, _ROW_GAP = 26.0, 8.0, 3.0  # mm: a signer's cell, its caption, the gap below it
_HEAD = 8.0  # mm: the line above the table; it names the contract if the page shows only the table
_SEAL, _SEAL_CELL = 42.0, 52.0  # mm: a company seal is 38 to 42 mm wide
MAX_SIGNERS = 4
SEAL_SIZE = _SEAL * POINTS  # PDF points: the side of the seal's square
# Marks a rehearsal: shown before the title and across each page.
REHEARSAL_TITLE = {"zh": "【演练】{title}", "en": "Rehearsal: {title}"}
REHEARSAL_MARK = {"zh": "演练", "en": "REHEARSAL"}
# Width and height in PDF points of every signer's box.
SIGNATURE_SIZE = (round(((_WIDTH - _GAP) / 2 - 2) * POINTS), round((_CELL - _CAPTION - 1) * POINTS))


@dataclass(frozen=True)
class Box:
    """The place of a signature field. `page` counts from 0; points from the page's lower left corner."""

    name: str
    page: int
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class LaidOut:
    """A contract after layout.

    `text` is the same contract as blocks, for screen readers and large type; `pages` is the number of pages.
    """

    pdf: bytes
    boxes: tuple[Box, ...]
    text: tuple[Block, ...]
    pages: int
    title: str


@dataclass(frozen=True)
class _Cell:
    """A party's place in the signature table, in mm from the table's upper left corner."""

    field: str
    caption: str
    name: str
    x: float
    y: float
    width: float
    height: float
    seal: bool = False


class ContractPrinter:
    """A printer that lays out contracts. One per process is enough; each thread gets its own Typst compiler."""

    def __init__(self, templates: ContractTemplates, writer: ClauseWriter, font: ContractFont) -> None:
        self.templates, self._writer, self._font = templates, writer, font
        self._local = threading.local()
        self._child = TypstChild()

    def lay_out(self, template_id: str, language: str, data: ContractData) -> LaidOut:
        """Lay out a contract from a template in the files. Raises as `lay_out_by` does, and BadInput if there is no
        such template."""
        return self.lay_out_by(self.templates.get(template_id, language), data)

    def close(self) -> None:
        """End the child that lays out unapproved texts. The next such text starts a new one."""
        self._child.close()

    def lay_out_by(self, template: ContractTemplate, data: ContractData, *, guarded: bool = False) -> LaidOut:
        """Lay out a contract. `guarded`: in a limited child, for a text that nobody has approved yet.

        Raises UndrawableText, TemplateFailed, or BadInput if the data lacks what the template needs.
        """
        blocks = self._fill_in(template, data)
        cells, height = _signature_table(data, template)
        described = _describe(template, data, blocks, (cells, height))
        pdf = (self._compile_guarded if guarded else self._compile)(template, described, data.issued_at)
        pages = _count_pages(pdf)
        boxes = tuple(_box(cell, height, pages - 1) for cell in cells)
        return LaidOut(pdf, boxes, (*blocks, *_signers_text(data, template)), pages, _title(template, data))

    def _fill_in(self, template: ContractTemplate, data: ContractData) -> tuple[Block, ...]:
        _check_complete(template, data)
        self._font.check(data.texts())
        blocks = self._writer.write(template.clauses, data.values(), template.language)
        self._font.check(block_texts(blocks), field="template")
        return blocks

    def _compile_guarded(self, template: ContractTemplate, described: str, issued_at: datetime) -> bytes:
        paths = {"layout": template.layout, "root": template.root, "fonts": self._font.folder}
        asked = {"contract": described, "issued_at": issued_at.isoformat()}
        return self._child.compile(asked | {name: str(path.absolute()) for name, path in paths.items()})

    def _compile(self, template: ContractTemplate, described: str, issued_at: datetime) -> bytes:
        try:
            return self._typesetter(template).typeset(described, issued_at)
        except (OSError, RuntimeError) as error:
            raise TemplateFailed(f"The contract could not be laid out: {error}") from error

    def _typesetter(self, template: ContractTemplate) -> ContractTypesetter:
        """Return the typesetter for this thread and layout."""
        # Imported only by processes that lay out contracts.
        from hub.documents.typesetting import ContractTypesetter

        typesetters: dict[Path, ContractTypesetter] = self._local.__dict__.setdefault("typesetters", {})
        if template.layout not in typesetters:
            typesetters[template.layout] = ContractTypesetter(template.layout, template.root, self._font.folder)
        return typesetters[template.layout]


def _describe(
    template: ContractTemplate, data: ContractData, blocks: tuple[Block, ...], table: tuple[list[_Cell], float]
) -> str:
    """Return what the Typst file prints, as JSON. `table`: the cells of the signature table, and its height."""
    cells, height = table
    contract = {
        "language": template.language,
        "title": _title(template, data),
        "mark": REHEARSAL_MARK[template.language] if data.rehearsal else "",
        "number": data.number,
        "school": data.school.name,
        "words": dict(template.words),
        "personal": _personal_pattern(data, (*block_texts(blocks), *(cell.name for cell in cells))),
        "blocks": [{"kind": type(block).__name__.lower(), **vars(block)} for block in blocks],
        "signing": {"height": height, "caption": _CAPTION, "seal": _SEAL, "cells": [vars(cell) for cell in cells]},
    }
    return json.dumps(contract, ensure_ascii=False)


def _personal_pattern(data: ContractData, printed: Sequence[str]) -> str:
    """Return a regular expression that finds the personal texts among those that are printed.

    The others are left out because Typst refuses an expression that is too long, and a caller may send any number of
    texts for the template. An empty expression would match everything.
    """
    whole = "\n".join(printed)
    found = [text for text in data.personal_texts() if text in whole]
    return "|".join(map(re.escape, found or [data.number]))


def block_texts(blocks: tuple[Block, ...]) -> list[str]:
    """Return every text of the blocks, in reading order."""
    texts: list[str] = []
    for block in blocks:
        match block:
            case Heading(number, text) | Paragraph(text, number):
                texts += [number, text]
            case Table(rows, caption):
                texts += [caption, *(cell for row in rows for cell in row)]
    return texts


def _title(template: ContractTemplate, data: ContractData) -> str:
    return REHEARSAL_TITLE[template.language].format(title=template.title) if data.rehearsal else template.title


def _check_complete(template: ContractTemplate, data: ContractData) -> None:
    for name in template.requires:
        value: Any = getattr(data, name, None) or data.extra.get(name)
        if not value:
            raise BadInput(f"The contract template needs: {name}", field=name)
    if not 1 <= len(data.signers) <= MAX_SIGNERS:
        raise BadInput(f"A contract has one to {MAX_SIGNERS} signers.", field="signers")
    if len({signer.field for signer in data.signers}) < len(data.signers):
        raise BadInput("Two signers have the same signature field.", field="signers")


def _signature_table(data: ContractData, template: ContractTemplate) -> tuple[list[_Cell], float]:
    """Return the cells of the signature table, and its height in mm.

    Party A is on the left: the seal, then the representatives. Party B is on the right.
    """
    column = (_WIDTH - _GAP) / 2
    cells = [_Cell("seal", template.words["party_a_seal"], data.school.name, 0, _HEAD, column, _SEAL_CELL, seal=True)]
    bottoms = {0: _HEAD + _SEAL_CELL + _ROW_GAP, 1: _HEAD}
    for signer in data.signers:
        side = 0 if signer.field.startswith("representative") else 1
        caption = _caption(signer, template)
        cells.append(_Cell(signer.field, caption, signer.name, side * (column + _GAP), bottoms[side], column, _CELL))
        bottoms[side] += _CELL + _ROW_GAP
    return cells, max(bottoms.values()) - _ROW_GAP


def _caption(signer: SignerFacts, template: ContractTemplate) -> str:
    """Return the party and the role, for example 乙方（监护人签名）."""
    party = "party_a_signs" if signer.field.startswith("representative") else "party_b_signs"
    return template.words[party].replace("{role}", signer.role)


def _box(cell: _Cell, height: float, page: int) -> Box:
    """Return the part of a cell that remains for the signature, or the square of the seal at the cell's right."""
    top = _BOTTOM + height - cell.y
    left, right, bottom = _SIDE + cell.x, _SIDE + cell.x + cell.width, top - cell.height
    if cell.seal:
        inset = 1.0
        area = (right - _SEAL - inset, bottom + inset, right - inset, bottom + inset + _SEAL)
    else:
        area = (left + 1, bottom + 1, right - 1, top - _CAPTION)
    return Box(cell.field, page, *(round(value * POINTS, 2) for value in area))


def _signers_text(data: ContractData, template: ContractTemplate) -> tuple[Block, ...]:
    words = template.words
    rows = [
        (words["party_a_seal"], data.school.name),
        *((_caption(signer, template), signer.name) for signer in data.signers),
    ]
    return (Heading("", words["signing"]), Table(tuple(rows)))


def _count_pages(pdf: bytes) -> int:
    import pikepdf  # takes 9 MB with its libraries; most processes lay out no contract

    with pikepdf.open(BytesIO(pdf)) as document:
        return len(document.pages)
