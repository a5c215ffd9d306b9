"""A seal with soft keys, and files of somebody else in every form that a PDF may have."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pikepdf

from hub.documents.sealing.file_sealer import FileSealer, FileToSeal, LongTerm, SealInHand, SealOrder
from hub.documents.signing.signature import Evidence
from hub.documents.signing.stamps import seal_stamp
from hub.model.sealing.seal_fault import CannotSeal
from hub.timestamps.builtin import BuiltinTimestamps
from tests.documents.contract_samples import contract_pdf, minor
from tests.signing_parts import ORGANISATION, Pki, utc_now

KEYWORD_PAGES = ("Party A (seal here):", "page two", "sign below", "sign below")


@cache
def pki() -> Pki:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, Pki.make()).result()


def seal() -> SealInHand:
    return SealInHand(seal_stamp(ORGANISATION), pki().seal.chain, pki().seal_key)


@cache
def crl() -> bytes:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, pki().authority.revocation_list(())).result()


def long_term() -> LongTerm:
    timestamps: BuiltinTimestamps = pki().timestamps
    return LongTerm(timestamps, Evidence([*pki().seal.chain, *timestamps.certificates], [crl()]))


@dataclass
class Desk:
    """Seals files in a folder."""

    sealer: FileSealer
    folder: Path

    async def seal(self, pdf: bytes | Path, place: str, *, lasting: bool = False, named: str = "sealed.pdf") -> Path:
        source, target = self.folder / f"source-of-{named}", self.folder / named
        if isinstance(pdf, bytes):
            source.write_bytes(pdf)
        order = SealOrder(place, seal(), long_term() if lasting else None)
        (done,) = await self.sealer.seal(order, [FileToSeal(source if isinstance(pdf, bytes) else pdf, target)])
        if isinstance(done, CannotSeal):
            raise done
        assert done.size == target.stat().st_size
        return target


def desk(folder: Path) -> Desk:
    return Desk(FileSealer(utc_now, 1), folder)


@cache
def contract() -> bytes:
    return contract_pdf(minor(guardians=1), "zh")


def pages(*texts: str, rotate: int = 0, unit: float | None = None, box: str = "0 0 595 842") -> bytes:
    """Return a PDF with a page for each text, written by qpdf. Boxes and rotation stand in the tree, not in the
    pages."""
    document = pikepdf.new()
    font = document.make_indirect(
        pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    )
    for text in texts:
        content = f"BT /F 12 Tf 100 700 Td ({text.replace('(', chr(92) + '(').replace(')', chr(92) + ')')}) Tj ET"
        page = pikepdf.Dictionary(
            Type=pikepdf.Name.Page,
            Resources=pikepdf.Dictionary(Font=pikepdf.Dictionary(F=font)),
            Contents=document.make_stream(content.encode()),
        )
        if unit:
            page["/UserUnit"] = unit
        document.pages.append(pikepdf.Page(document.make_indirect(page)))
    tree = document.Root.Pages
    tree["/MediaBox"] = pikepdf.Array([float(number) for number in box.split()])
    tree["/Rotate"] = rotate  # last: whatever asks for the pages moves this into them
    return saved(document)


def saved(document: pikepdf.Pdf, **how: object) -> bytes:
    output = io.BytesIO()
    document.save(output, **how)  # type: ignore[arg-type]
    return output.getvalue()


def rewritten(pdf: bytes, change: Callable[[pikepdf.Pdf], object] = lambda _: None, **how: object) -> bytes:
    """Return the file as qpdf writes it, after a change."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        change(document)
        return saved(document, **how)
