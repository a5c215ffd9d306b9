"""Certificates and CRLs of the built-in authority, read by `cryptography` and OpenSSL, which we did not write."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from hub.authorities import Issued, Revoked
from hub.authorities.builtin import BuiltinAuthority, make_root
from hub.errors import BadInput
from hub.tokens.softkey import SoftKey
from qianda.trust_marks import SEAL_POLICY_OID, TRIAL_POLICY_OID

ORIGIN = "https://sign.school.example"
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")


def now() -> datetime:
    return datetime.now(UTC)


async def authority(organisation: str = "示范学校") -> BuiltinAuthority:
    key = SoftKey.generate("root")
    return BuiltinAuthority(key, await make_root(key, now, organisation), now, organisation, ORIGIN)


@dataclass
class Files:
    folder: Path

    def pem(self, name: str, der: bytes, kind: str = "x509") -> Path:
        path = self.folder / name
        subprocess.run(["openssl", kind, "-inform", "DER", "-out", path], input=der, check=True, capture_output=True)
        return path

    def openssl(self, *arguments: str | Path) -> str:
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def read(issued: Issued) -> x509.Certificate:
    return x509.load_der_x509_certificate(issued.certificate)


async def test_openssl_accepts_every_certificate_for_its_purpose(files: Files) -> None:
    made = await authority()
    root = files.pem("root.pem", made.root)
    signer = await made.enrol(SoftKey.generate("s").spki, "王小明", "P-1")
    seal = await made.enrol_seal(SoftKey.generate("s").spki, "示范学校")
    timestamp = await made.enrol_timestamp(SoftKey.generate("t").spki)
    for issued, purpose in ((signer, "smimesign"), (seal, "smimesign"), (timestamp, "timestampsign")):
        leaf = files.pem("leaf.pem", issued.certificate)
        said = files.openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", root, leaf)
        assert said.endswith("leaf.pem: OK\n"), said
    wrong = files.openssl(
        "verify", "-purpose", "timestampsign", "-CAfile", root, files.pem("s.pem", signer.certificate)
    )
    assert "unsuitable certificate purpose" in wrong


async def test_a_signers_certificate_says_who_for_how_long_and_for_what() -> None:
    made = await authority()
    issued = await made.enrol(SoftKey.generate("s").spki, "欧阳㛃𠮷", "P-7KQ2")
    certificate = read(issued)
    subject = {attribute.oid: attribute.value for attribute in certificate.subject}
    assert subject == {
        NameOID.COMMON_NAME: "欧阳㛃𠮷",
        NameOID.SERIAL_NUMBER: "P-7KQ2",
        NameOID.ORGANIZATION_NAME: "示范学校 (trial and internal use only)",
    }
    extensions = certificate.extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert not usage.value.key_cert_sign
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(purposes) == {DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION}
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name == [x509.UniformResourceIdentifier(f"{ORIGIN}/authority/revoked.crl")]
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert {each.access_method: each.access_location.value for each in access} == {
        AuthorityInformationAccessOID.OCSP: f"{ORIGIN}/authority/ocsp",
        AuthorityInformationAccessOID.CA_ISSUERS: f"{ORIGIN}/authority/root.cer",
    }
    assert issued.not_after - now() < timedelta(days=30)
    assert timedelta(minutes=4) < now() - issued.not_before < timedelta(minutes=6)
    assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (issued.not_before, issued.not_after)
    assert certificate.serial_number == issued.serial
    assert issued.serial.bit_length() <= 159
    assert issued.chain == (issued.certificate, made.root)


async def test_every_certificate_says_that_it_is_for_trial() -> None:
    made = await authority()
    key = SoftKey.generate("s")
    issued = [
        await made.enrol(key.spki, "A", "1"),
        await made.enrol_seal(key.spki, "B"),
        await made.enrol_timestamp(key.spki),
    ]
    for der in [made.root, *(one.certificate for one in issued)]:
        certificate = x509.load_der_x509_certificate(der)
        for name in (certificate.subject, certificate.issuer):
            (organisation,) = name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
            assert str(organisation.value).endswith("(trial and internal use only)")
        assert policies_in(certificate)[0] == TRIAL_POLICY_OID


async def test_a_seal_alone_says_that_it_is_one() -> None:
    made, spki = await authority(), SoftKey.generate("s").spki
    for issued in (await made.enrol(spki, "示范学校", "1"), await made.enrol_timestamp(spki)):
        assert policies_in(read(issued)) == [TRIAL_POLICY_OID]
    assert policies_in(read(await made.enrol_seal(spki, "示范学校"))) == [TRIAL_POLICY_OID, SEAL_POLICY_OID]


def policies_in(certificate: x509.Certificate) -> list[str]:
    policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    return [policy.policy_identifier.dotted_string for policy in policies]


async def test_the_timestamp_certificate_serves_timestamps_alone() -> None:
    certificate = read(await (await authority()).enrol_timestamp(SoftKey.generate("t").spki))
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert purposes.critical
    assert list(purposes.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


async def test_the_root_lives_twenty_years_and_signs_certificates_only() -> None:
    root = x509.load_der_x509_certificate((await authority()).root)
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert root.not_valid_after_utc - now() > timedelta(days=20 * 365 - 1)
    root.verify_directly_issued_by(root)


async def test_a_root_of_another_key_is_refused() -> None:
    made = await authority()
    with pytest.raises(ValueError, match="not for this key"):
        BuiltinAuthority(SoftKey.generate("other"), made.root, now, "示范学校", ORIGIN)


async def test_openssl_reads_the_revocation_list_and_refuses_who_is_on_it(files: Files) -> None:
    made = await authority()
    good = await made.enrol(SoftKey.generate("a").spki, "A", "1")
    bad = await made.enrol(SoftKey.generate("b").spki, "B", "2")
    der = await made.revocation_list([Revoked(bad.serial, now(), "key_compromise"), Revoked(5, now(), "unspecified")])
    root, listed = files.pem("root.pem", made.root), files.pem("list.pem", der, "crl")
    text = files.openssl("crl", "-in", listed, "-CAfile", root, "-text", "-noout")
    assert "verify OK" in text
    assert "Key Compromise" in text
    for issued, expected in ((good, "OK"), (bad, "certificate revoked")):
        leaf = files.pem("leaf.pem", issued.certificate)
        assert expected in files.openssl("verify", "-crl_check", "-CAfile", root, "-CRLfile", listed, leaf)


async def test_a_revocation_list_ends_before_the_certificates_it_speaks_for() -> None:
    made = await authority()
    issued = await made.enrol(SoftKey.generate("a").spki, "A", "1")
    usual = x509.load_der_x509_crl(await made.revocation_list([]))
    assert len(usual) == 0
    assert usual.next_update_utc is not None
    assert usual.next_update_utc - usual.last_update_utc == timedelta(days=7)
    assert usual.next_update_utc < issued.not_after
    soon = now().replace(microsecond=0) + timedelta(days=2)
    short = x509.load_der_x509_crl(await made.revocation_list([], speaks_until=soon))
    assert short.next_update_utc == soon
    with pytest.raises(BadInput):
        await made.revocation_list([], speaks_until=now() - timedelta(days=1))


async def test_a_revocation_list_is_that_of_its_second_until_somebody_is_revoked() -> None:
    at = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
    key = SoftKey.generate("root")
    made = BuiltinAuthority(key, await make_root(key, now, "示范学校"), lambda: at, "示范学校", ORIGIN)
    first, revoked = await made.revocation_list([]), Revoked(5, at, "superseded")
    at += timedelta(milliseconds=900)
    assert await made.revocation_list([]) == first
    shorter = await made.revocation_list([], speaks_until=at + timedelta(days=2))
    assert x509.load_der_x509_crl(shorter).next_update_utc == at.replace(microsecond=0) + timedelta(days=2)
    longer = x509.load_der_x509_crl(await made.revocation_list([revoked]))
    assert longer.get_revoked_certificate_by_serial_number(5) is not None
    assert len(x509.load_der_x509_crl(await made.revocation_list([]))) == 0
    at += timedelta(milliseconds=100)
    assert x509.load_der_x509_crl(await made.revocation_list([])).last_update_utc == at


# X.520 counts characters; `cryptography` warns if there are more than 64 bytes.
long_names = pytest.mark.filterwarnings("ignore:Attribute's length must be:UserWarning")


@long_names
@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("王小明", "王小明"),
        ("  Wang\n Xiaoming ", "Wang Xiaoming"),
        ("名" * 64, "名" * 64),
        ("名" * 65, "名" * 63 + "…"),
        ("a" * 62 + "e\N{COMBINING ACUTE ACCENT}xyz", "a" * 62 + "…"),
    ],
    ids=["short", "spaces", "64", "65", "accent"],
)
async def test_a_long_name_is_cut_where_it_can_be_cut(given: str, written: str) -> None:
    certificate = read(await (await authority()).enrol(SoftKey.generate("a").spki, given, "1"))
    (common_name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert common_name.value == written


@long_names
async def test_a_long_organisation_keeps_its_notice() -> None:
    root = x509.load_der_x509_certificate((await authority("很长的学校名称" * 20)).root)
    (organisation,) = root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert str(organisation.value).endswith("… (trial and internal use only)")
    assert len(organisation.value) <= 64


def public(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


async def test_keys_that_are_too_weak_or_no_keys_get_no_certificate() -> None:
    made = await authority()
    weak = [
        b"",
        b"not a key",
        public(ec.generate_private_key(ec.SECP384R1())),
        public(rsa.generate_private_key(65537, 1024)),
    ]
    for spki in weak:
        with pytest.raises(BadInput):
            await made.enrol(spki, "A", "1")
    with pytest.raises(BadInput):
        await made.enrol(SoftKey.generate("a").spki, " ", "1")
    rsa_key = public(rsa.generate_private_key(65537, 2048))
    assert (
        read(await made.enrol(rsa_key, "A", "1"))
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        == rsa_key
    )
