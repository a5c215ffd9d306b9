"""Files of somebody else are sealed in every form that a PDF may have, and independent programs accept the result."""

from __future__ import annotations

import functools
import io
import math
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest
from PIL import ImageChops
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel, SuspiciousModification

from hub.documents.child import Limits
from hub.documents.sealing.file_sealer import FileSealer, FileToSeal, SealOrder
from hub.documents.sealing.sealed_files import SealedFile
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from tests.dying_child import die_over_question
from tests.judges import judge, judge_by_openssl, judge_by_qpdf, judge_integrity, program, run
from tests.pades.made import good
from tests.sealing.parts import KEYWORD_PAGES, contract, desk, long_term, pages, pki, rewritten, seal
from tests.signing_parts import SEAL, utc_now

FORMS: dict[str, Callable[[], bytes]] = {
    "typst": contract,
    "classic": lambda: pages(*KEYWORD_PAGES),
    "object streams": lambda: rewritten(contract(), object_stream_mode=pikepdf.ObjectStreamMode.generate),
    "linearised": lambda: rewritten(pages(*KEYWORD_PAGES), linearize=True),
    "linearised, object streams": lambda: rewritten(
        contract(), linearize=True, object_stream_mode=pikepdf.ObjectStreamMode.generate
    ),
    "form in the catalog": lambda: rewritten(
        pages("a", "b"), lambda pdf: pdf.Root.__setitem__("/AcroForm", pikepdf.Dictionary(Fields=pikepdf.Array()))
    ),
}

# The forms that every run of the tests seals: of the product itself, and the one that differs most from it.
QUICK = {"typst", "linearised, object streams"}

# The numbers that red ink has of red, of green and of blue.
RED = (range(121, 256), range(100), range(100))


def judged(file: Path, before: bytes) -> None:
    """qpdf, pdfsig, mutool and OpenSSL accept the file, and it begins with the original."""
    assert file.read_bytes().startswith(before)
    judge_by_qpdf(file)
    said = run(program("pdfsig"), "-nocert", file)
    signatures = [part for part in said.split("Signature #")[1:] if "document-timestamp" not in part]
    assert signatures
    assert all("Signature is Valid." in part for part in signatures)
    assert "Total document signed" in said.split("Signature #")[-1]
    assert "failed" not in run(program("mutool"), "sign", "-v", file).lower().replace("certificate", "")
    judge_by_openssl(file, pki().write_trust(file.parent / "trust.pem"))


@pytest.mark.parametrize(
    "form", [form if form in QUICK else pytest.param(form, marks=pytest.mark.real) for form in FORMS]
)
async def test_seal_any_form(tmp_path: Path, form: str) -> None:
    """Plain and B-LTA."""
    before, at = FORMS[form](), desk(tmp_path)
    judged(await at.seal(before, "across"), before)
    judged(await at.seal(before, "page:last,100,100", lasting=True, named="lasting.pdf"), before)


@pytest.mark.real
async def test_every_judge_accepts_a_sealed_file(tmp_path: Path) -> None:
    """pdfsig, qpdf, `openssl cms` and `ts`, pyHanko (B-LTA), mutool and PDFBox; across pages, and in one place."""
    for place in ("across", "page:last,100,100"):
        folder = tmp_path / place.partition(":")[0]
        folder.mkdir()
        sealed = await desk(folder).seal(contract(), place, lasting=True)
        judge(sealed, pki().write_trust(folder / "trust.pem"), ["Seal-1"])
        judge_integrity(sealed, ["Seal-1"], closed=True)


async def test_seal_twice(tmp_path: Path) -> None:
    """The first seal stays valid: pyHanko allows what was added."""
    at = desk(tmp_path)
    first = await at.seal(pages(*KEYWORD_PAGES), "page:1,60,60", lasting=True)
    second = await at.seal(first, "page:last,150,200", lasting=True, named="second.pdf")
    judged(second, first.read_bytes())
    assert checked_by_pyhanko(second) == ["Seal-1", "document-timestamp", "Seal-2", "document-timestamp-1"]


def checked_by_pyhanko(file: Path) -> list[str]:
    """Return the signed fields. pyHanko finds behind each signature nothing that it forbids."""
    signatures = PdfFileReader(io.BytesIO(file.read_bytes())).embedded_signatures
    for signature in signatures:
        signature.compute_integrity_info()
        assert not isinstance(signature.diff_result, SuspiciousModification)
        assert (
            signature.diff_result is None or signature.diff_result.modification_level <= ModificationLevel.FORM_FILLING
        )
    return [signature.field_name for signature in signatures]


async def test_fill_the_field_of_a_certified_file(tmp_path: Path) -> None:
    """The guardian's certification allows the field that is there, and no other one; the field's lock is kept."""
    signed = good().revisions["guardian-1-validated"]
    with pytest.raises(CannotSeal) as raised:
        await desk(tmp_path).seal(signed, "page:1,60,60")
    assert raised.value.fault is SealFault.CERTIFIED
    sealed = await desk(tmp_path).seal(signed, f"field:{SEAL}", lasting=True)
    assert checked_by_pyhanko(sealed) == ["guardian-1", SEAL, "document-timestamp"]
    judge_by_qpdf(sealed)
    for place in ("page:1,60,60", f"field:{SEAL}"):
        with pytest.raises(CannotSeal) as raised:
            await desk(tmp_path).seal(sealed, place, named="again.pdf")
        assert raised.value.fault in {SealFault.LOCKED, SealFault.FIELD_NOT_EMPTY}


async def test_signed_file_takes_one_more_mark(tmp_path: Path) -> None:
    signed = await desk(tmp_path).seal(pages("a", "b"), "page:1,60,60")
    with pytest.raises(CannotSeal) as raised:
        await desk(tmp_path).seal(signed, "across", named="across.pdf")
    assert raised.value.fault is SealFault.SIGNED_ALREADY


async def test_keyword_is_covered(tmp_path: Path) -> None:
    """Each finding is in the middle of a mark: the field has the first, a stamp the second."""
    file = pages(*KEYWORD_PAGES)
    sealed = await desk(tmp_path).seal(file, "keyword#all:sign below")
    judged(sealed, file)
    with pikepdf.open(sealed) as document:
        shown: list[Any] = [list(page.obj.get("/Annots", ())) for page in document.pages]
        kinds = [[str(each.Subtype) for each in listed] for listed in shown]
        assert kinds == [[], [], ["/Widget"], ["/Stamp"]]
        left, bottom, right, top = (float(number) for number in next(iter(shown[2])).Rect)
        assert (left + right) / 2 == pytest.approx(128, abs=4)  # from 100 on, 57 wide
        assert (bottom + top) / 2 == pytest.approx(704, abs=4)


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
async def test_seal_stands_upright_where_asked(tmp_path: Path, turned: int) -> None:
    """The red ink of the seal has its middle at the place, and its text does not stand on its head."""
    box = "10 20 605 862"
    sealed = await desk(tmp_path).seal(pages("", rotate=turned, box=box), "page:1,60,90")
    with pypdfium2.PdfDocument(sealed) as document:
        document.init_forms()
        image = document[0].render(scale=2, draw_annots=True, may_draw_forms=True).to_pil().convert("RGB")
    parts = [
        part.point([255 * (number in those) for number in range(256)])
        for part, those in zip(image.split(), RED, strict=True)
    ]
    red = functools.reduce(ImageChops.darker, parts)
    left, top, right, bottom = red.getbbox() or pytest.fail("there is no seal")
    across, down = (left + right - 1) / 2, (top + bottom - 1) / 2
    per_mm = 2 * 72 / 25.4
    assert across / per_mm == pytest.approx(60, abs=0.7)
    assert down / per_mm == pytest.approx(90, abs=0.7)
    upper = red.crop((0, 0, red.width, math.ceil(down)))
    assert upper.histogram()[255] > red.histogram()[255] * 0.5  # the arched name stands above, the short purpose below


def faults() -> dict[str, tuple[bytes, str, SealFault]]:
    simple = pages(*KEYWORD_PAGES)
    encrypted = rewritten(simple, encryption=pikepdf.Encryption(owner="o", user=""))
    shut = rewritten(simple, encryption=pikepdf.Encryption(owner="o", user="u"))
    at = "page:1,60,60"
    return {
        "encrypted": (encrypted, at, SealFault.ENCRYPTED),
        "with a password": (shut, at, SealFault.ENCRYPTED),
        "cut off": (simple[: len(simple) // 2], at, SealFault.DAMAGED),
        "wrong table": (simple.replace(b"\n0000000", b"\n0000001", 3), at, SealFault.DAMAGED),
        "no document": (b"GIF89a and more", at, SealFault.NOT_A_DOCUMENT),
        "empty": (b"", at, SealFault.NOT_A_DOCUMENT),
        "hybrid": (simple.replace(b"trailer <<", b"trailer << /XRefStm 15", 1), at, SealFault.HYBRID),
        "no page": (simple, "page:9,60,60", SealFault.NO_PAGE),
        "over the edge": (simple, "page:1,5,60", SealFault.OUTSIDE_PAGE),
        "one page": (pages("a"), "across", SealFault.ONE_PAGE),
        "no field": (simple, "field:Nothing", SealFault.NO_FIELD),
        "keyword missing": (simple, "keyword:nowhere", SealFault.KEYWORD_MISSING),
        "keyword twice": (simple, "keyword:sign below", SealFault.KEYWORD_AMBIGUOUS),
        "third of two": (simple, "keyword#3:sign below", SealFault.KEYWORD_TOO_FEW),
        "XFA": (rewritten(simple, _with_xfa), at, SealFault.XFA_FORM),
    }


def _with_xfa(pdf: pikepdf.Pdf) -> None:
    pdf.Root.AcroForm = pdf.make_indirect(pikepdf.Dictionary(Fields=pikepdf.Array(), XFA=pikepdf.String("x")))


@pytest.mark.parametrize("name", faults())
async def test_refuse_with_the_reason(tmp_path: Path, name: str) -> None:
    file, place, fault = faults()[name]
    with pytest.raises(CannotSeal) as raised:
        await desk(tmp_path).seal(file, place)
    assert raised.value.fault is fault
    assert [each.name for each in tmp_path.iterdir()] == ["source-of-sealed.pdf"]


async def test_refuse_another_file_than_the_one_that_was_counted(tmp_path: Path) -> None:
    source = tmp_path / "source.pdf"
    source.write_bytes(pages("a"))
    file = FileToSeal(source, tmp_path / "sealed.pdf", sha256="0" * 64)
    (refused,) = await desk(tmp_path).sealer.seal(SealOrder("page:1,60,60", seal()), [file])
    assert isinstance(refused, CannotSeal) and refused.fault is SealFault.SOURCE_CHANGED
    assert not (tmp_path / "sealed.pdf").exists()


async def test_files_whose_child_dies_are_sealed(tmp_path: Path) -> None:
    sealer = FileSealer(utc_now, 1)
    order, files = SealOrder("page:1,60,60", seal()), []
    for name, content in (("a", pages("a")), ("b", pages("b")), ("none", b"GIF89a")):
        (tmp_path / name).write_bytes(content)
        files.append(FileToSeal(tmp_path / name, tmp_path / f"{name}.sealed"))

    of_others = _sealing_children()
    await sealer.seal(order, files[:1])  # starts the child
    for some, faults in ((files, [None, None, SealFault.NOT_A_DOCUMENT]), (files[1:2], [None])):
        (child,) = _sealing_children() - of_others
        results = await die_over_question(child, sealer.seal(order, some))
        assert [result.fault if isinstance(result, CannotSeal) else None for result in results] == faults
    for path in tmp_path.glob("*.sealed"):
        judge_by_qpdf(path)
    sealer.close()


@dataclass
class DeadlyKey:
    """The seal's key, whose first use takes so long that the children are killed meanwhile."""

    of_others: set[int]
    uses: int = 0

    async def sign(self, message: bytes) -> bytes:
        return await pki().seal_key.sign(message)

    async def sign_all(self, messages: Sequence[bytes]) -> list[bytes]:
        self.uses += 1
        for child in _sealing_children() - self.of_others if self.uses == 1 else ():
            os.kill(child, signal.SIGKILL)
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        return await pki().seal_key.sign_all(messages)


async def test_a_file_whose_child_dies_between_two_questions_is_sealed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pages("a"))
    sealer, key = FileSealer(utc_now, 1), DeadlyKey(_sealing_children())
    order = SealOrder("page:1,60,60", replace(seal(), key=key), long_term())
    (sealed,) = await sealer.seal(order, [FileToSeal(tmp_path / "a", tmp_path / "a.sealed")])
    assert (isinstance(sealed, SealedFile), key.uses) == (True, 2)
    judge_by_qpdf(tmp_path / "a.sealed")
    sealer.close()


async def test_files_over_which_every_child_dies_are_hostile(tmp_path: Path) -> None:
    sealer = FileSealer(utc_now, 1, Limits(memory_bytes=1 << 20, cpu_seconds=20, seconds=60))
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(pages(name))
    files = [FileToSeal(tmp_path / name, tmp_path / f"{name}.sealed") for name in ("a", "b")]
    results = await sealer.seal(SealOrder("page:1,60,60", seal()), files)
    assert [result.fault for result in results if isinstance(result, CannotSeal)] == [SealFault.HOSTILE] * 2
    sealer.close()


def _sealing_children() -> set[int]:
    """Return the processes of ours that prepare files."""
    ours = [pid for threads in Path("/proc/self/task").glob("*/children") for pid in threads.read_text().split()]
    return {int(pid) for pid in ours if b"sealing_child" in Path(f"/proc/{pid}/cmdline").read_bytes()}
