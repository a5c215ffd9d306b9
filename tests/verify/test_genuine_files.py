"""What the product makes is accepted by us and by independent programs, which all show what was signed."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pikepdf
import pytest
from pikepdf import Pdf

from hub.documents.signing.stamps import SignerStamp, signature_stamp
from qianda.update import check_update
from qianda.verify import verify_bytes
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Word
from qianda.verify.pdf.structure import check_finished
from qianda.verify.trust import Trust
from tests.judges import judge, judge_by_mutool
from tests.verify.genuine_files import KINDS, SIZE, Genuine, genuine
from tests.verify.readers import READERS, Shown, differences, filled_in, picture_in
from tests.verify.reading import words

Make = Callable[[str], Genuine]
Look = Callable[[str, bytes], Shown]


def another_picture(pdf: Pdf) -> None:
    fields = fields_of(pdf)
    fields["guardian-1"].AP = fields["student-1"].AP


def another_stroke(pdf: Pdf) -> None:
    drawn = signature_stamp(SignerStamp("李雷", [[(0.1, 0.2), (0.5, 0.8), (0.9, 0.3)]], "2026-12-02", "zh"), SIZE)
    fields_of(pdf)["student-1"].AP.N = picture_in(pdf, drawn)


def no_seal(pdf: Pdf) -> None:
    fields_of(pdf)["seal"].AP.N = picture_in(pdf, None)


def a_bar_over_the_text(pdf: Pdf) -> None:
    pdf.pages[1].contents_add(b"q 0 g 100 500 60 8 re f Q")


def pages_in_another_order(pdf: Pdf) -> None:
    pages = [pdf.pages[number] for number in (0, 2, 1, 3)]
    pdf.Root.Pages.Kids = pikepdf.Array([page.obj for page in pages])


def fields_of(pdf: Pdf) -> dict[str, pikepdf.Object]:
    return {str(field.T): field for page in pdf.pages for field in page.get("/Annots", [])}


# Changes of a finished file, and the differences that should be noticed. ("in fields": pdfium extracts no words from
# them.)
CHANGES: dict[Callable[[Pdf], None], list[str]] = {
    another_picture: ["text in fields", "page 1"],
    another_stroke: ["page 1"],
    no_seal: ["text in fields", "page 1"],
    a_bar_over_the_text: ["page 2"],
    pages_in_another_order: ["text", "page 2", "page 3"],
}


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    @cache
    def made(kind: str) -> Genuine:
        return asyncio.run(genuine(kind, tmp_path_factory.mktemp("genuine")))

    return made


@pytest.mark.parametrize("kind", KINDS)
def test_we_accept_it(make: Make, kind: str) -> None:
    """The hub, the verifier and the client accept it; for the page see `tests/browser/test_genuine_files.py`."""
    made = make(kind)
    assert check_finished(made.parts.final, made.fields) == []
    trust = Trust.load([made.parts.trust_pem])
    report = verify_bytes(made.parts.final, trust, Expectation(tuple(made.fields), number="HF-2026-000001"))
    assert Word.FAILED not in words(report).values()
    for case in made.cases:
        check_update(case.shown, case.prepared)


@pytest.fixture
def look(tmp_path: Path) -> Look:
    def looked(reader: str, pdf: bytes) -> Shown:
        file = tmp_path / f"{hashlib.sha256(pdf).hexdigest()}.pdf"
        file.write_bytes(pdf)
        return READERS[reader](file)

    return looked


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_reader_shows_what_was_signed(make: Make, look: Look, kind: str, reader: str) -> None:
    """They show exactly the document that the signers saw, in words and pixels, with their pictures in its fields."""
    made = make(kind)
    right, shown = look(reader, filled_in(made.shown, made.pictures)), look(reader, made.parts.final)
    assert len("".join(right.words)) > 1000 and len(right.pages) > 1
    assert differences(right, shown) == []


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_is_seen(make: Make, look: Look, change: Callable[[Pdf], None], reader: str) -> None:
    """Each reader shows the change, by the comparison above."""
    made = make("pictures")
    with pikepdf.open(io.BytesIO(made.parts.final)) as pdf:
        change(pdf)
        changed = io.BytesIO()
        pdf.save(changed)
    right, shown = look(reader, filled_in(made.shown, made.pictures)), look(reader, changed.getvalue())
    seen = [each for each in CHANGES[change] if (reader, each) != ("pdfium", "text in fields")]
    assert differences(right, shown) == [each.removesuffix(" in fields") for each in seen]


@pytest.mark.real
@pytest.mark.parametrize("kind", KINDS)
def test_outside_judges_accept_it(make: Make, tmp_path: Path, kind: str) -> None:
    made = make(kind)
    (tmp_path / "final.pdf").write_bytes(made.parts.final)
    judge(tmp_path / "final.pdf", made.parts.trust_pem, made.fields)
    judge_by_mutool(tmp_path / "final.pdf", len(made.fields))
