"""Find words on the pages of a PDF with pdfium, which sees text as a reader shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pypdfium2

from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_place import MAX_FINDING

MAX_PAGES_SEARCHED: Final = 2_000

Finding = tuple[int, float, float]  # page, counted from 0, and the middle of the words in the page's own coordinates


def find_words(pdf: Path | bytes, words: str) -> list[Finding]:
    """Return where the words are, page by page. Raises CannotSeal for a file that pdfium cannot read, or one with too
    many pages or findings."""
    findings: list[Finding] = []
    try:
        with pypdfium2.PdfDocument(pdf) as document:
            if len(document) > MAX_PAGES_SEARCHED:
                raise CannotSeal(SealFault.TOO_LARGE)
            for number in range(len(document)):
                page = document[number]
                findings += [(number, *middle) for middle in _on_page(page, words)]
                page.close()
                if len(findings) > MAX_FINDING:
                    raise CannotSeal(SealFault.KEYWORD_AMBIGUOUS)
    except pypdfium2.PdfiumError as error:
        raise CannotSeal(SealFault.DAMAGED) from error
    return findings


def _on_page(page: pypdfium2.PdfPage, words: str) -> list[tuple[float, float]]:
    text = page.get_textpage()
    searcher = text.search(words, match_case=True)
    found: list[tuple[float, float]] = []
    while (occurrence := searcher.get_next()) is not None and len(found) <= MAX_FINDING:
        index, count = occurrence
        boxes = [text.get_charbox(each) for each in range(index, index + count)]
        left, bottom = min(box[0] for box in boxes), min(box[1] for box in boxes)
        right, top = max(box[2] for box in boxes), max(box[3] for box in boxes)
        found.append(((left + right) / 2, (bottom + top) / 2))
    searcher.close()
    text.close()
    return found
