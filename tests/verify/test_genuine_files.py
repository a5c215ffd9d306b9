"""What the product makes is accepted, by us and by programs that nobody here wrote, and shows them all one text."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pypdfium2
import pytest

from qianda.update import check_update
from qianda.verify import verify_bytes
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Word
from qianda.verify.structure import check_finished
from qianda.verify.trust import Trust
from tests.judges import judge, judge_by_mutool, program
from tests.verify.genuine_files import KINDS, Genuine, genuine
from tests.verify.reading import words

Make = Callable[[str], Genuine]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    @cache
    def made(kind: str) -> Genuine:
        return asyncio.run(genuine(kind, tmp_path_factory.mktemp("genuine")))

    return made


def by_pdfium(file: Path) -> str:
    document = pypdfium2.PdfDocument(file)
    return "\n".join(page.get_textpage().get_text_bounded() for page in document)


def by_poppler(file: Path) -> str:
    return _said("pdftotext", "-layout", str(file), "-")


def by_mupdf(file: Path) -> str:
    return _said("mutool", "draw", "-q", "-F", "txt", "-o", "-", str(file))


READERS = {"pdfium": by_pdfium, "poppler": by_poppler, "mupdf": by_mupdf}


def _said(name: str, *arguments: str) -> str:
    done = subprocess.run([program(name), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_we_accept_it(make: Make, kind: str) -> None:
    """The hub, the verifier and the client; the page does in `tests/browser/test_genuine_files.py`."""
    made = make(kind)
    assert check_finished(made.services.final, made.fields) == []
    trust = Trust.load([made.services.trust_pem])
    report = verify_bytes(made.services.final, trust, Expectation(tuple(made.fields), number="HF-2026-000001"))
    assert Word.FAILED not in words(report).values()
    for case in made.cases:
        check_update(case.shown, case.prepared)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "pictures"])
def test_every_reader_shows_the_text_that_was_signed(make: Make, tmp_path: Path, kind: str, reader: str) -> None:
    """Word for word as in the document that the signers saw. (With pictures there is more to read in the fields.)

    MuPDF writes a word of its own into empty fields, so it reads that document as it was before it had fields.
    """
    made = make(kind)
    shown, final = tmp_path / "shown.pdf", tmp_path / "final.pdf"
    shown.write_bytes(made.laid_out if reader == "mupdf" else made.shown)
    final.write_bytes(made.services.final)
    before, after = (READERS[reader](file).split() for file in (shown, final))
    assert len("".join(before)) > 1000
    assert after == before


@pytest.mark.real
@pytest.mark.parametrize("kind", KINDS)
def test_outside_judges_accept_it(make: Make, tmp_path: Path, kind: str) -> None:
    made = make(kind)
    (tmp_path / "final.pdf").write_bytes(made.services.final)
    judge(tmp_path / "final.pdf", made.services.trust_pem, made.fields)
    judge_by_mutool(tmp_path / "final.pdf", len(made.fields))
