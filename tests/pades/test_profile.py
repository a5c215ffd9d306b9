"""What our own engine accepts, what it leaves to pyHanko as a whole step, and what no engine signs."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from pikepdf import Dictionary, Name, ObjectStreamMode, Pdf, Stream

from hub.documents.pades.picture import Picture
from hub.documents.pades.plan import CannotUpdate
from hub.documents.pades.profile import check_chain
from hub.documents.pades.source import read_plan
from hub.documents.pades.update import Update, format_date, stream
from hub.documents.signing.engine import OwnEngine, PyhankoEngine
from hub.documents.signing.signature import Evidence, FieldBox, NewSignature, Prepared
from hub.documents.signing.stamps import SignerStamp, signature_stamp
from hub.errors import WrongDocument
from hub.tokens.softkey import SoftKey
from qianda.pdf import read_revisions
from tests.judges import judge_by_qpdf, program, run
from tests.pades.contracts import contract, laid_out
from tests.pdf_steps import OWN, OWN_ALONE, prepare, utc_now, with_signature_fields
from tests.signing_parts import Pki, boxes_for, raw_signature, sample_pdf, sign

FIRST = "guardian-1"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class GeneralWay(Exception):
    """A step was left to pyHanko."""


class Watched(PyhankoEngine):
    def prepare(self, document: bytes, signature: NewSignature, chain: Sequence[bytes]) -> Prepared:
        raise GeneralWay

    def with_signature_fields(self, pdf: bytes, boxes: Sequence[FieldBox]) -> bytes:
        raise GeneralWay


WATCHED = OwnEngine(utc_now, Watched())


def saved(pdf: bytes, **how: Any) -> bytes:
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        document.save(written, **how)
    return written.getvalue()


# ---- files of other producers


FOREIGN: dict[str, Callable[[], bytes]] = {
    "a table": sample_pdf,
    "no line end": lambda: sample_pdf().rstrip(b"\n"),
    "object streams": lambda: saved(sample_pdf(), object_stream_mode=ObjectStreamMode.generate),
    "linearized": lambda: saved(sample_pdf(), linearize=True),
    "laid out": lambda: laid_out(1),
}


@pytest.mark.parametrize("kind", FOREIGN)
async def test_any_valid_file_is_signed_by_the_own_engine(kind: str, tmp_path: Path) -> None:
    pki, pdf = await Pki.make(), FOREIGN[kind]()
    issued = with_signature_fields(pdf, boxes_for([FIRST]), engine=OWN_ALONE)
    assert issued.startswith(pdf)
    key = SoftKey.generate(FIRST)
    chain = (await pki.authority.enrol(key.spki, "王小明", "P1")).chain
    signed = await sign(issued, FIRST, key, chain, pki, certify=True, engine=OWN_ALONE)
    file = tmp_path / "signed.pdf"
    file.write_bytes(signed)
    judge_by_qpdf(file)
    said = run(program("pdfsig"), "-nocert", file)
    assert "Signature is Valid." in said and "Total document signed" in said


REFUSED: dict[str, Callable[[], bytes]] = {
    "encrypted": lambda: saved(sample_pdf(), encryption=pikepdf.Encryption(owner="a", user="", R=6)),
    "a table of both kinds": lambda: sample_pdf().replace(b"trailer\n<< ", b"trailer\n<< /XRefStm 9 "),
    "damaged": lambda: sample_pdf().replace(b"0000000015", b"0000000016"),
    "no end": lambda: sample_pdf()[:-8],
    "no PDF": lambda: b"contract",
    "empty": lambda: b"",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_files_have_no_plan(kind: str) -> None:
    with pytest.raises(CannotUpdate):
        read_plan(REFUSED[kind]())


def test_a_file_without_a_plan_takes_the_general_way() -> None:
    with pytest.raises(GeneralWay):
        WATCHED.with_signature_fields(REFUSED["encrypted"](), boxes_for([FIRST]))


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-3, minutes=-30))])
def test_a_date_is_written_in_utc(zone: timezone) -> None:
    at = datetime(2027, 1, 1, 2, 3, 4, 999_999, tzinfo=UTC).astimezone(zone)
    assert format_date(at) == "(D:20270101020304Z)"


# ---- keys


def certificate(key: Key, name: str = "Li Lei") -> bytes:
    above, own = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in ("Authority", name))
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(above, own, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.DER
    )


@pytest.mark.parametrize(
    "make", [lambda: ec.generate_private_key(ec.SECP256R1()), lambda: rsa.generate_private_key(65537, 2048)]
)
def test_the_profile_has_p256_and_rsa(make: Callable[[], Key]) -> None:
    check_chain((certificate(make()),))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ec.generate_private_key(ec.SECP256K1()),
        lambda: rsa.generate_private_key(65537, 1024),
    ],
)
def test_another_key_takes_the_general_way(make: Callable[[], Key]) -> None:
    issued = with_signature_fields(sample_pdf(), boxes_for([FIRST]))
    signature = NewSignature(FIRST, certify=True, final=False, appearance=None)
    with pytest.raises(GeneralWay):
        WATCHED.prepare(issued, signature, [certificate(make())])


async def test_a_long_chain_gets_more_room_and_a_very_long_one_is_refused_at_once(tmp_path: Path) -> None:
    pki, key = await Pki.make(), SoftKey.generate(FIRST)
    own = (await pki.authority.enrol(key.spki, "王小明", "P1")).chain
    large = rsa.generate_private_key(65537, 4096)
    above = [certificate(large, "Authority" * number) for number in (1, 2, 3, 4, 5)]
    issued = with_signature_fields(sample_pdf(), boxes_for([FIRST]))
    signed = await sign(issued, FIRST, key, [*own, *above], pki, certify=True, engine=OWN_ALONE)
    (tmp_path / "signed.pdf").write_bytes(signed)
    assert "Signature is Valid." in run(program("pdfsig"), "-nocert", tmp_path / "signed.pdf")
    with pytest.raises(WrongDocument, match="bytes"):
        await prepare(issued, NewSignature(FIRST, certify=True, final=False, appearance=None), [*own, *above * 10])


# ---- pictures


def see_through() -> bytes:
    """Return a stamp with a soft mask, as made from a PNG with alpha."""
    with Pdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(100, 40))
        mask = Stream(pdf, bytes(16), Type=Name.XObject, Subtype=Name.Image, Width=4, Height=4)
        mask.ColorSpace, mask.BitsPerComponent = Name.DeviceGray, 8
        image = Stream(pdf, bytes(16), Type=Name.XObject, Subtype=Name.Image, Width=4, Height=4, SMask=mask)
        image.ColorSpace, image.BitsPerComponent = Name.DeviceGray, 8
        page.Resources = Dictionary(XObject=Dictionary(I=image))
        page.Contents = Stream(pdf, b"q 100 0 0 40 0 0 cm /I Do Q")
        written = io.BytesIO()
        pdf.save(written)
        return written.getvalue()


@pytest.mark.parametrize("picture", [see_through(), b"no picture", b""], ids=["alpha", "no picture", "empty"])
def test_a_picture_that_does_not_fit_takes_the_general_way(picture: bytes) -> None:
    issued = with_signature_fields(sample_pdf(), boxes_for([FIRST]))
    signature = NewSignature(FIRST, certify=True, final=False, appearance=picture)
    chain = [certificate(ec.generate_private_key(ec.SECP256R1()))]
    with pytest.raises(GeneralWay):
        WATCHED.prepare(issued, signature, chain)


async def test_a_see_through_picture_shows_by_the_general_way() -> None:
    issued = with_signature_fields(sample_pdf(), boxes_for([FIRST]))
    signature = NewSignature(FIRST, certify=True, final=False, appearance=see_through())
    made = await prepare(issued, signature, [certificate(ec.generate_private_key(ec.SECP256R1()))])
    assert b"/SMask" in made.file[len(issued) :] and b"pyHanko" in made.file


def test_one_picture_is_written_as_often_as_wanted() -> None:
    drawn = Picture.read(signature_stamp(SignerStamp("王小明", None, "2026-12-01", "zh"), (160.0, 62.0)))
    update = Update(read_plan(sample_pdf()))
    first, second = drawn.write(update), drawn.write(update)
    file = sample_pdf() + update.finish()[0]
    with pikepdf.open(io.BytesIO(file)) as pdf:
        one, other = (pdf.get_object(number, 0) for number in (first, second))
        assert one.objgen != other.objgen and one.read_bytes() == other.read_bytes()
        assert list(one.Resources.keys()) == list(other.Resources.keys())
    assert len(read_revisions(file)) == 2


# ---- order


def test_nothing_is_signed_behind_the_seal_and_no_field_twice() -> None:
    made = contract("one signer", "own")
    chain = made.signers[FIRST].chain
    again = NewSignature(FIRST, certify=False, final=False, appearance=None)
    for file in (made.revisions[f"{FIRST}-signed"], made.final):
        with pytest.raises(WrongDocument):
            OWN_ALONE.prepare(file, again, chain)
    with pytest.raises(WrongDocument):
        with_signature_fields(made.revisions[f"{FIRST}-signed"], boxes_for(["student-1"]), engine=OWN_ALONE)


async def test_a_field_left_empty_cannot_be_signed_once_the_seal_is_there() -> None:
    made = contract("one signer", "own")
    issued = with_signature_fields(sample_pdf(), boxes_for([FIRST, "student-1"]), engine=OWN_ALONE)
    chain, key = made.signers[FIRST].chain, made.signer_keys[FIRST]
    signed = await sign(issued, FIRST, key, chain, made.pki, certify=True, engine=OWN_ALONE)
    sealed = await sign(signed, "seal", made.pki.seal_key, made.pki.seal.chain, made.pki, final=True, engine=OWN_ALONE)
    with pytest.raises(WrongDocument, match="locked"):
        OWN_ALONE.prepare(sealed, NewSignature("student-1", certify=False, final=False, appearance=None), chain)


def test_only_the_first_signature_certifies() -> None:
    issued = contract("three signers, pictures", "own")
    later = issued.revisions[f"{FIRST}-validated"]
    with pytest.raises(WrongDocument, match="first"):
        OWN_ALONE.prepare(
            later, NewSignature("student-1", certify=True, final=False, appearance=None), issued.signers[FIRST].chain
        )


def test_what_is_in_the_store_is_not_written_again() -> None:
    made = contract("one signer", "own")
    signed = made.revisions[f"{FIRST}-signed"]
    evidence = Evidence([b"one", b"two"], [b"list"])
    once = OWN_ALONE.with_validation_data(signed, FIRST, evidence)
    twice = OWN_ALONE.with_validation_data(once, FIRST, evidence)
    assert twice[len(once) :].count(b"stream\n") == 0 and once[len(signed) :].count(b"\nendstream") == 3


def test_evidence_that_looks_like_structure_is_packed() -> None:
    made = contract("one signer", "own")
    hostile = b"x endobj 7 0 obj %%EOF"
    file = OWN_ALONE.with_validation_data(made.revisions[f"{FIRST}-signed"], FIRST, Evidence([hostile], []))
    assert read_revisions(file) and hostile not in file
    with pikepdf.open(io.BytesIO(file)) as pdf:
        assert [each.read_bytes() for each in pdf.Root.DSS.Certs] == [hostile]


def test_an_object_that_looks_like_two_is_not_written() -> None:
    with pytest.raises(CannotUpdate):
        Update(read_plan(sample_pdf())).add(stream(b"endobj\n7 0 obj\n"))


async def test_a_file_begun_by_pyhanko_is_finished_by_the_own_engine() -> None:
    """As after an upgrade: contracts that were issued and signed before it."""
    made = contract("three signers, pictures", "pyhanko")
    signed = made.revisions[f"{FIRST}-validated"]
    chain, key = made.signers["guardian-2"].chain, made.signer_keys["guardian-2"]
    signature = NewSignature("guardian-2", certify=False, final=False, appearance=None)
    prepared = await prepare(signed, signature, chain, engine=OWN_ALONE)
    assert await raw_signature(key, prepared.to_be_signed)
    file = OWN_ALONE.with_validation_data(made.revisions["seal-signed"], "seal", Evidence([b"c"], [b"l"]))
    assert read_revisions(file)
    closed = OWN.reserve_timestamp(made.revisions["seal-signed"], Evidence([b"c"], [b"l"]))
    assert read_revisions(closed.file)
