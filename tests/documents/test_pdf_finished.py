"""Finished contracts (PAdES B-LTA), judged by independent programs, today and years later."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from pathlib import Path

import pypdfium2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pyhanko.pdf_utils.reader import PdfFileReader

from hub.documents.signing.signature import NewSignature, embed, verified_der
from hub.documents.signing.stamps import SignerStamp, seal_stamp, signature_stamp
from tests.judges import (
    VALIDATOR,
    judge_by_openssl,
    judge_by_pdfsig,
    judge_by_pyhanko,
    judge_by_qpdf,
    program,
    run,
)
from tests.pdf_steps import prepare, with_signature_fields
from tests.signing_parts import FinishedParts, Pki, boxes_for, finished_contract, sample_pdf

ONE = ("guardian-1",)
TWO = ("guardian-1", "student-1")


@pytest.fixture(params=[ONE, TWO], ids=["two-parties", "three-parties"])
async def finished(request: pytest.FixtureRequest, tmp_path: Path) -> FinishedParts:
    return await finished_contract(tmp_path, signers=request.param)


@pytest.fixture
def file(finished: FinishedParts, tmp_path: Path) -> Path:
    path = tmp_path / "final.pdf"
    path.write_bytes(finished.final)
    return path


def test_pdfsig_finds_every_signature_valid_and_the_last_over_everything(finished: FinishedParts, file: Path) -> None:
    judge_by_pdfsig(file, [*finished.signers, "seal"])


def test_the_seal_covers_everything_before_the_timestamp(finished: FinishedParts, tmp_path: Path) -> None:
    sealed = tmp_path / "sealed.pdf"
    sealed.write_bytes(finished.revisions["seal-signed"])
    last = run(program("pdfsig"), "-nocert", sealed).split("Signature #")[-1]
    assert "Signature Field Name: seal\n" in last
    assert "Total document signed" in last
    assert "Signature is Valid." in last


def test_qpdf_finds_nothing_wrong(file: Path) -> None:
    judge_by_qpdf(file)


def test_openssl_verifies_every_signature_and_timestamp(finished: FinishedParts, file: Path) -> None:
    judge_by_openssl(file, finished.trust_pem)


def test_each_revision_begins_with_the_one_before(finished: FinishedParts) -> None:
    revisions = list(finished.revisions.values())
    for earlier, later in itertools.pairwise(revisions):
        assert later.startswith(earlier)


def test_the_first_signature_certifies_and_the_seal_locks(finished: FinishedParts) -> None:
    first, *others = PdfFileReader(io.BytesIO(finished.final)).embedded_regular_signatures
    reader = PdfFileReader(io.BytesIO(finished.final))
    assert reader.root["/Perms"]["/DocMDP"]["/ByteRange"] == list(first.byte_range)
    references = {signature.field_name: signature.sig_object.get("/Reference", []) for signature in [first, *others]}
    methods = {
        name: [(one["/TransformMethod"], one["/TransformParams"].get("/P")) for one in references[name]]
        for name in references
    }
    assert methods["guardian-1"] == [("/DocMDP", 2)]
    assert ("/FieldMDP", 1) in methods["seal"]
    if "student-1" in methods:
        assert methods["student-1"] == []


def accepted(clock: str, file: Path, finished: FinishedParts) -> None:
    judge_by_pyhanko(file, finished.trust_pem, [*finished.signers, "seal"], clock)


def test_pyhanko_accepts_it_after_400_days(file: Path, finished: FinishedParts) -> None:
    accepted("+400d", file, finished)


@pytest.mark.real
@pytest.mark.parametrize("clock", ["+0", "+20m", "+2d", "+400d", "+5y"])
def test_pyhanko_accepts_it_now_and_for_years(clock: str, file: Path, finished: FinishedParts) -> None:
    accepted(clock, file, finished)


async def test_stamps_and_seal_show_in_their_fields(tmp_path: Path) -> None:
    drawn = {
        "guardian-1": signature_stamp(
            SignerStamp("王小明", [[(0.1, 0.1), (0.9, 0.9)]], "2026-11-24 15:48 (UTC+8)", "zh"), (160.0, 62.0)
        ),
        "seal": seal_stamp("示范学校"),
    }
    finished = await finished_contract(tmp_path, signers=TWO, appearances=drawn)
    opened = pypdfium2.PdfDocument(finished.final)
    opened.init_forms()  # otherwise the fields stay empty
    shown = opened[0].render(scale=1).to_pil().convert("RGB")
    for box in boxes_for(TWO):
        part = shown.crop((round(box.x1), round(842 - box.y2), round(box.x2), round(842 - box.y1)))
        colours = {colour for _, colour in part.getcolors(100_000)}
        assert (len(colours) > 1) == (box.name in drawn), box.name
    (tmp_path / "final.pdf").write_bytes(finished.final)
    accepted("+2d", tmp_path / "final.pdf", finished)


async def test_a_signer_may_bring_an_rsa_key(tmp_path: Path) -> None:
    pki = await Pki.make()
    private = rsa.generate_private_key(65537, 2048)
    spki = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    chain = (await pki.authority.enrol(spki, "王小明", "P1")).chain
    document = with_signature_fields(sample_pdf(), boxes_for(ONE))
    prepared = await prepare(document, NewSignature("guardian-1", certify=True, final=False, appearance=None), chain)
    value = private.sign(prepared.to_be_signed, padding.PKCS1v15(), hashes.SHA256())
    der = verified_der(spki, prepared.to_be_signed, value)
    signed = await embed(prepared, chain, der, pki.timestamps)
    (tmp_path / "signed.pdf").write_bytes(signed)
    assert "Signature is Valid." in run(program("pdfsig"), "-nocert", tmp_path / "signed.pdf")


async def test_pyhanko_refuses_a_revoked_signer(tmp_path: Path) -> None:
    finished = await finished_contract(tmp_path, revoked=ONE)
    (tmp_path / "final.pdf").write_bytes(finished.final)
    command = [sys.executable, VALIDATOR, tmp_path / "final.pdf", finished.trust_pem, "guardian-1", "seal"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    guardian, seal = done.stdout.splitlines()
    assert guardian.startswith("guardian-1: AdES")
    assert seal == "seal: accepted"


async def test_pyhanko_refuses_a_changed_amount(finished: FinishedParts, tmp_path: Path) -> None:
    changed = finished.final.replace(b"12,800", b"92,800")
    assert changed != finished.final
    (tmp_path / "changed.pdf").write_bytes(changed)
    command = [sys.executable, VALIDATOR, tmp_path / "changed.pdf", finished.trust_pem, *finished.signers, "seal"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "accepted" not in done.stdout
    with pytest.raises(AssertionError, match=r"INTEGRITY_FAILURE|HASH_FAILURE"):
        judge_by_pyhanko(tmp_path / "changed.pdf", finished.trust_pem, [*finished.signers, "seal"])
