"""The peer in a JVM signs the contract that we sign, and what it writes is a signature."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.pieces.pdfbox import missing, warm_pdfbox
from bench.pieces.school import BenchSchool, issued_contract, private_der
from bench.pieces.stock import SEAL
from tests.judges import pdfsig

pytestmark = pytest.mark.real


async def test_pdfbox_signs_the_seals_field(tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(reason)
    school, signed = await BenchSchool.make(), tmp_path / "signed.pdf"
    with warm_pdfbox(issued_contract(), SEAL, private_der(school.seal_private_key), school.seal.chain) as pdfbox:
        assert pdfbox.write(str(signed)).cpu_s > 0
        assert (await pdfbox.sign()).cpu_s > 0
    assert "Signature is Valid." in pdfsig(signed)
    assert signed.stat().st_size > 200_000


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "libpdfbox2-java" in missing(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "default-jdk-headless" in missing()
