"""Stamps that lie over a text: it can be read in every program, and none of them shows another text in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hub.documents.pades import steps
from hub.documents.pades.check import check_finished_file
from hub.documents.pades.picture import MULTIPLIED
from hub.documents.pades.update import stream
from hub.documents.signing.signature import FieldBox
from hub.documents.signing.stamps import SignerStamp, seal_stamp, signature_stamp
from qianda.verify import verify_bytes
from qianda.verify.findings import Element
from qianda.verify.trust import Trust
from tests.browser.update_files import drawn
from tests.pades.expected import expected_of
from tests.signing_parts import SEAL, FinishedParts, boxes_for, finished_contract
from tests.verify.readers import READERS
from tests.verify.reading import SIGNERS, complaints, failed
from tests.verify.sample_page import CONTENT, page, written
from tests.verify.test_ink import uploaded_seal


@pytest.fixture
def as_in_version_0_3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write pictures as version 0.3.0 did, which are not multiplied with the page."""

    def plain(content: bytes, entries: dict[str, str] | None = None) -> bytes:
        kept = {name: value.replace(MULTIPLIED, "") for name, value in (entries or {}).items()}
        return stream(content.replace(b"/Multiply gs ", b""), kept)

    monkeypatch.setattr(steps, "stream", plain)


@pytest.mark.usefixtures("as_in_version_0_3")
async def test_what_version_0_3_drew_is_ink(tmp_path: Path) -> None:
    """A contract of that time stays valid, and one under way can be completed."""
    stroke = [[(0.1, 0.2), (0.5, 0.8), (0.9, 0.3)]]
    stamps = [
        signature_stamp(SignerStamp("王小明", drawing, "2026-12-02", "zh"), (160.0, 62.0)) for drawing in (stroke, None)
    ]
    for seal in (seal_stamp("示范学校"), uploaded_seal()):
        shown = dict(zip(SIGNERS, stamps, strict=False)) | {SEAL: seal}
        made = await finished_contract(tmp_path, signers=SIGNERS, appearances=shown)
        assert b"/Multiply" not in made.final and b"/Stamp Do" in made.final
        report = await asyncio.to_thread(verify_bytes, made.final, Trust.load([made.trust_pem]))
        assert failed(report) == set(), complaints(report)
        check_finished_file(made.final, expected_of(made))


@pytest.mark.usefixtures("as_in_version_0_3")
async def test_a_stamp_cannot_show_another_price_on_a_dark_area(tmp_path: Path) -> None:
    made = await priced(tmp_path, {SIGNERS[1]: b"0.8 g 0 0 150 60 re f 0 g BT /F1 9 Tf 2 30 Td (CNY 99,999.00) Tj ET"})
    report = await asyncio.to_thread(verify_bytes, made.final, Trust.load([made.trust_pem]))
    assert failed(report) == {Element.TEXT} and "could hide what is below it" in complaints(report)


@pytest.mark.usefixtures("as_in_version_0_3")
async def test_two_stamps_cannot_show_another_price_together(tmp_path: Path) -> None:
    """The picture of one field is the ground on which that of another shows the price."""
    boxes = [replace(box, x1=60, x2=210) for box in boxes_for(SIGNERS)]
    price = b"0 g BT /F1 9 Tf 2 30 Td (CNY 99,999.00) Tj ET"
    made = await priced(tmp_path, {SIGNERS[0]: b"0.8 g 0 0 150 60 re f", SIGNERS[1]: price}, boxes=boxes)
    report = await asyncio.to_thread(verify_bytes, made.final, Trust.load([made.trust_pem]))
    assert failed(report) == {Element.TEXT} and "a field over another one" in complaints(report)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("group", [b"", b"/Group << /S /Transparency /I true /K true /CS /DeviceRGB >> "])
async def test_text_below_a_stamp_shows_through(tmp_path: Path, group: bytes, reader: str) -> None:
    """What the hub writes multiplies every picture with the page, also where the page is a group of its own."""
    made = await priced(tmp_path, {SIGNERS[1]: b"0.8 0.1 0.1 rg 0 0 150 60 re f 0 g 0 50 5 5 re f"}, group)
    file = tmp_path / "final.pdf"
    file.write_bytes(made.final)
    drawing = READERS[reader](file).pages[0].crop((232, 842 - 118, 378, 842 - 62))
    red = drawing.convert("RGB").getchannel("R").crop((10, 10, 146, 56)).tobytes()
    assert min(red) < 60 and 190 < max(red) < 220  # black letters on red


async def priced(
    folder: Path, drawings: dict[str, bytes], group: bytes = b"", boxes: Sequence[FieldBox] | None = None
) -> FinishedParts:
    """Return a finished contract with a price below the second signer's field."""
    issued = written(page(group) | {CONTENT: drawn(b"BT /F1 9 Tf 240 82 Td (CNY 12,800.00) Tj ET")})
    stamps = {
        name: written(page(box=b"[0 0 150 60]") | {CONTENT: drawn(drawing)}) for name, drawing in drawings.items()
    }
    return await finished_contract(folder, signers=SIGNERS, document=issued, boxes=boxes, appearances=stamps)
