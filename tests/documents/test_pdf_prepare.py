"""What a client is given to sign, and what is refused when it comes back."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import asn1crypto.tsp  # noqa: F401 - registers signing-certificate-v2 with asn1crypto.cms
import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pyhanko.pdf_utils.reader import PdfFileReader

from hub.documents.signing.signature import NewSignature, Prepared, embed, verified_der
from hub.errors import TimestampUnavailable, WrongDocument, WrongSignature
from hub.tokens.softkey import SoftKey
from tests.pdf_steps import prepare, with_signature_fields, with_validation_data
from tests.signing_parts import Pki, boxes_for, raw_signature, sample_pdf

SIGNERS = ("guardian-1", "student-1")


@pytest.fixture
async def pki() -> Pki:
    return await Pki.make()


@pytest.fixture
def document() -> bytes:
    return with_signature_fields(sample_pdf(), boxes_for(SIGNERS))


@pytest.fixture
def key() -> SoftKey:
    return SoftKey.generate("guardian-1")


@pytest.fixture
async def chain(pki: Pki, key: SoftKey) -> tuple[bytes, ...]:
    return (await pki.authority.enrol(key.spki, "王小明", "P1")).chain


@pytest.fixture
async def prepared(document: bytes, chain: tuple[bytes, ...]) -> Prepared:
    return await prepare(document, NewSignature("guardian-1", certify=True, final=False, appearance=None), chain)


def test_the_fields_are_there_and_empty_and_nothing_can_be_filled_in(document: bytes) -> None:
    reader = PdfFileReader(io.BytesIO(document))
    form = reader.root["/AcroForm"]
    names = [field.get_object()["/T"] for field in form["/Fields"]]
    assert names == [*SIGNERS, "seal"]
    for field in form["/Fields"]:
        assert field.get_object()["/FT"] == "/Sig"
        assert "/V" not in field.get_object()
    lock = form["/Fields"][2].get_object()["/Lock"]
    assert (lock["/Action"], lock["/P"]) == ("/All", 1)
    assert document.startswith(sample_pdf())


def test_the_prepared_file_passes_the_checks_that_a_client_makes(
    document: bytes, prepared: Prepared, chain: tuple[bytes, ...]
) -> None:
    assert prepared.file.startswith(document)
    start, gap_at, resume_at, tail = prepared.byte_range
    assert start == 0
    assert gap_at >= len(document)
    assert resume_at + tail == len(prepared.file)
    gap = prepared.file[gap_at:resume_at]
    assert gap == b"<" + b"0" * (len(gap) - 2) + b">"
    assert b"/ByteRange [0 %d %d %d]" % (gap_at, resume_at, tail) in prepared.file
    attributes = cms.CMSAttributes.load(prepared.to_be_signed, strict=True)
    assert prepared.to_be_signed[0] == 0x31
    values = {attribute["type"].native: attribute["values"] for attribute in attributes}
    assert sorted(values) == ["content_type", "message_digest", "signing_certificate_v2"]
    assert all(len(value) == 1 for value in values.values())
    digest = hashlib.sha256(prepared.file[:gap_at] + prepared.file[resume_at:]).digest()
    assert values["message_digest"][0].native == digest == prepared.document_digest
    (reference,) = values["signing_certificate_v2"][0]["certs"]
    assert reference["cert_hash"].native == hashlib.sha256(chain[0]).digest()


async def test_a_field_that_is_not_there_cannot_be_signed(document: bytes, chain: tuple[bytes, ...]) -> None:
    with pytest.raises(WrongDocument):
        await prepare(document, NewSignature("stranger", certify=True, final=False, appearance=None), chain)


async def test_a_field_is_signed_once(
    document: bytes, prepared: Prepared, pki: Pki, key: SoftKey, chain: tuple[bytes, ...]
) -> None:
    signed = await embedded(prepared, pki, key, chain)
    with pytest.raises(WrongDocument):
        await prepare(signed, NewSignature("guardian-1", certify=False, final=False, appearance=None), chain)


async def embedded(prepared: Prepared, pki: Pki, key: SoftKey, chain: tuple[bytes, ...]) -> bytes:
    der = verified_der(key.spki, prepared.to_be_signed, await raw_signature(key, prepared.to_be_signed))
    return await embed(prepared, chain, der, pki.timestamps)


async def test_only_the_gap_changes_when_the_signature_goes_in(
    prepared: Prepared, pki: Pki, key: SoftKey, chain: tuple[bytes, ...]
) -> None:
    signed = await embedded(prepared, pki, key, chain)
    start, end = prepared.gap
    assert (signed[:start], signed[end:]) == (prepared.file[:start], prepared.file[end:])
    assert signed[start:end] != prepared.file[start:end]


async def test_another_file_than_the_prepared_one_is_refused(
    prepared: Prepared, pki: Pki, key: SoftKey, chain: tuple[bytes, ...]
) -> None:
    start, end = prepared.gap
    other_amount = prepared.file.replace(b"12,800", b"92,800")
    assert other_amount != prepared.file
    for wrong in (
        replace(prepared, file=other_amount),
        replace(prepared, gap=(start - 1, end)),
        replace(prepared, gap=(start, end + 1)),
        replace(prepared, document_digest=bytes(32)),
        replace(prepared, file=await embedded(prepared, pki, key, chain)),
    ):
        with pytest.raises(WrongDocument):
            await embedded(wrong, pki, key, chain)


class NoTimestamps:
    async def timestamp(self, digest: bytes) -> bytes:
        raise TimestampUnavailable("away")


async def test_without_a_timestamp_nothing_is_embedded(
    prepared: Prepared, key: SoftKey, chain: tuple[bytes, ...]
) -> None:
    der = await key.sign(prepared.to_be_signed)
    with pytest.raises(TimestampUnavailable):
        await embed(prepared, chain, der, NoTimestamps())


async def test_a_signature_that_does_not_fit_is_refused(key: SoftKey) -> None:
    raw = await raw_signature(key, b"message")
    der = verified_der(key.spki, b"message", raw)
    assert der[0] == 0x30
    wrong_values = [b"", raw[:-1], raw + b"\0", bytes(64), b"\xff" * 64, der, raw[32:] + raw[:32]]
    for wrong in wrong_values:
        with pytest.raises(WrongSignature):
            verified_der(key.spki, b"message", wrong)
    with pytest.raises(WrongSignature):
        verified_der(key.spki, b"other message", raw)
    with pytest.raises(WrongSignature):
        verified_der(SoftKey.generate("other").spki, b"message", raw)
    with pytest.raises(WrongSignature):
        verified_der(b"no key", b"message", raw)


def test_an_rsa_signature_stays_as_it_is() -> None:
    private = rsa.generate_private_key(65537, 2048)
    spki = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signature = private.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
    assert verified_der(spki, b"message", signature) == signature
    with pytest.raises(WrongSignature):
        verified_der(spki, b"other", signature)


def test_validation_data_belong_to_a_signature(document: bytes) -> None:
    with pytest.raises(WrongDocument):
        with_validation_data(document, "guardian-1", [], [])
