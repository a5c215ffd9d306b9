"""What an authority says about revocation, forged by whoever writes the file: the holder of a stolen key would leave
out the true list. pyHanko compares certificates and lists by their signatures, which anybody can copy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self

import pytest
from asn1crypto import core, crl, keys, ocsp, x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.x509 import CertificateRevocationListBuilder, load_der_x509_certificate

from hub.tokens.softkey import SoftKey
from qianda import verify
from qianda.verify import verify_bytes
from qianda.verify.findings import Element
from qianda.verify.trust import Trust
from tests.custody.outside_authority import OutsideAuthority, ec_key, person
from tests.pdf_steps import close, with_signature_fields
from tests.signing_parts import SEAL, Pki, boxes_for, sample_pdf, sign, utc_now
from tests.verify.reading import complaints, failed
from tests.verify.test_plain_chain import SIGNER

WEEK = timedelta(days=7)
Responder = tuple[x509.Certificate, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey]


@dataclass(frozen=True)
class Evidence:
    """What the file says about revocation."""

    lists: Sequence[bytes] = ()
    answers: Sequence[bytes] = ()
    certificates: Sequence[bytes] = ()


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Holders:
    """The signer and the seal of an outside authority, and the key of somebody else, who writes the file. `directly`:
    the trusted root itself has issued their certificates."""

    pki: Pki
    authority: OutsideAuthority = field(default_factory=lambda: OutsideAuthority("http://127.0.0.1:9"))
    signer_key: SoftKey = field(default_factory=lambda: SoftKey.generate(SIGNER))
    own: rsa.RSAPrivateKey = field(default_factory=rsa_key)
    directly: bool = False

    async def contract(self, say: Callable[[Holders, list[bytes]], Evidence]) -> tuple[bytes, Trust]:
        issued = [self._issue(self.signer_key.spki, "王小明"), self._issue(self.pki.seal_key.spki, "示范学校")]
        signer, seal = (self.authority.chain(one) for one in issued)
        fields = with_signature_fields(sample_pdf(), boxes_for([SIGNER]))
        signed = await sign(fields, SIGNER, self.signer_key, signer, self.pki, certify=True)
        sealed = await sign(signed, SEAL, self.pki.seal_key, seal, self.pki, final=True)
        said = say(self, issued)
        root = self.authority.root.public_bytes(Encoding.DER)
        certificates = [root, *signer, *seal, self.pki.timestamps.certificates[0], *said.certificates]
        lists = [*([] if self.directly else [encoded(self.authority._list("root"))]), *said.lists]
        file = await close(sealed, self.pki.timestamps, certificates, lists, said.answers)
        stamping = x509.Certificate.load(self.pki.timestamps.certificates[0])
        return file, Trust((x509.Certificate.load(root),), (stamping,), (x509.Certificate.load(issued[1]),))

    def _issue(self, spki: bytes, name: str) -> bytes:
        key: Any = load_der_public_key(spki)
        return self.authority.issue(key, person(name), asked=True, directly=self.directly)

    def answers(self, about: list[bytes], by: Responder) -> list[bytes]:
        authority = x509.Certificate.load(encoded(self.authority.issuing))
        return [answer(x509.Certificate.load(one), authority, by) for one in about]

    def list_by(self, issuer: bytes) -> bytes:
        """Return an empty list of today in the name of this certificate, signed with their own key."""
        name = load_der_x509_certificate(issuer).subject
        times = CertificateRevocationListBuilder(name, hours_ago(1), utc_now() + WEEK)
        return encoded(times.sign(self.own, SHA256()))

    def posing_as_authority(self, *more: x509.Extension, serial: int | None = None) -> x509.Certificate:
        """Return the issuing authority's certificate with their own key in it. Its signature is the copied one."""
        posing = x509.Certificate.load(encoded(self.authority.issuing))
        body = posing["tbs_certificate"]
        spki = self.own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        body["subject_public_key_info"] = keys.PublicKeyInfo.load(spki)
        body["serial_number"] = serial or body["serial_number"].native
        for extension in more:
            body["extensions"].append(extension)
        return x509.Certificate.load(posing.dump(force=True))


def encoded(made: object) -> bytes:
    return bytes(made.public_bytes(Encoding.DER))  # type: ignore[attr-defined]


def true_list(holders: Holders, issued: list[bytes]) -> Evidence:
    return Evidence([encoded(holders.authority._list("issuing"))])


def nothing(holders: Holders, issued: list[bytes]) -> Evidence:
    return Evidence()


def answers_of_a_copied_certificate(holders: Holders, issued: list[bytes]) -> Evidence:
    """A responder whose own revocation needs no answer, as its certificate says."""
    responder = holders.posing_as_authority(x509.Extension({"extn_id": "ocsp_no_check", "extn_value": core.Null()}))
    return Evidence(answers=holders.answers(issued, (responder, holders.own)))


def answers_of_the_authority(holders: Holders, issued: list[bytes]) -> Evidence:
    authority = x509.Certificate.load(encoded(holders.authority.issuing))
    return Evidence(answers=holders.answers(issued, (authority, holders.authority.issuing_key)))


def answers_of_the_root(holders: Holders, issued: list[bytes]) -> Evidence:
    return _answers_in_its_name(holders, issued, holders.authority.root_key)


def answers_in_the_name_of_the_root(holders: Holders, issued: list[bytes]) -> Evidence:
    return _answers_in_its_name(holders, issued, ec_key())


def _answers_in_its_name(holders: Holders, issued: list[bytes], key: ec.EllipticCurvePrivateKey) -> Evidence:
    root = x509.Certificate.load(encoded(holders.authority.root))
    return Evidence(answers=[answer(x509.Certificate.load(one), root, (root, key)) for one in issued])


def answer(about: x509.Certificate, authority: x509.Certificate, by: Responder) -> bytes:
    """Return the answer that this certificate is good, in the form of RFC 6960, 4.2.1."""
    responder, signing_key = by
    now = utc_now().replace(microsecond=0)
    asked = {
        "hash_algorithm": {"algorithm": "sha1"},
        "issuer_name_hash": about.issuer.sha1,
        "issuer_key_hash": authority.public_key.sha1,
        "serial_number": about.serial_number,
    }
    good = {"cert_id": asked, "cert_status": ocsp.CertStatus("good"), "this_update": now, "next_update": now + WEEK}
    said = ocsp.ResponseData(
        {"responder_id": ocsp.ResponderId("by_name", responder.subject), "produced_at": now, "responses": [good]}
    )
    if isinstance(signing_key, rsa.RSAPrivateKey):
        algorithm, signed = "sha256_rsa", signing_key.sign(said.dump(), PKCS1v15(), SHA256())
    else:
        algorithm, signed = "sha256_ecdsa", signing_key.sign(said.dump(), ec.ECDSA(SHA256()))
    basic = {
        "tbs_response_data": said,
        "signature_algorithm": {"algorithm": algorithm},
        "signature": signed,
        "certs": [responder],
    }
    answered = {"response_type": "basic_ocsp_response", "response": ocsp.BasicOCSPResponse(basic)}
    return bytes(ocsp.OCSPResponse({"response_status": "successful", "response_bytes": answered}).dump())


def list_of_a_copied_certificate(holders: Holders, issued: list[bytes]) -> Evidence:
    posing = holders.posing_as_authority(serial=7).dump()
    return Evidence([holders.list_by(posing)], certificates=[posing])


def old_list_made_new(holders: Holders, issued: list[bytes]) -> Evidence:
    """The signature of a list that has expired is on one that has not. Unlike the list, the answers are of today."""
    times = CertificateRevocationListBuilder(holders.authority.issuing.subject, hours_ago(12), hours_ago(6))
    old = crl.CertificateList.load(encoded(times.sign(holders.authority.issuing_key, SHA256())))
    new = old.copy()
    for name, moment in (("this_update", hours_ago(13)), ("next_update", utc_now() + WEEK)):
        new["tbs_cert_list"][name] = x509.Time("utc_time", moment.replace(microsecond=0))
    return Evidence([old.dump(), new.dump(force=True)], answers_of_a_copied_certificate(holders, issued).answers)


def hours_ago(hours: int) -> datetime:
    return utc_now() - timedelta(hours=hours)


def lists_of_other_holders(holders: Holders, issued: list[bytes]) -> Evidence:
    """The authority does not say what these certificates are for. Each list is about the other's certificate, too."""
    theirs = [
        holders.authority.issue(holders.own.public_key(), person(name), key_usage=None) for name in ("某人", "某某")
    ]
    return Evidence([holders.list_by(one) for one in theirs], certificates=theirs)


TRUE = (true_list, answers_of_the_authority)
FORGED = (
    nothing,
    answers_of_a_copied_certificate,
    list_of_a_copied_certificate,
    old_list_made_new,
    lists_of_other_holders,
)


@pytest.mark.parametrize("say", [*TRUE, *FORGED])
async def test_only_an_authority_says_that_nothing_was_revoked(
    say: Callable[[Holders, list[bytes]], Evidence],
) -> None:
    file, trust = await Holders(await Pki.make()).contract(say)
    report = await asyncio.to_thread(verify_bytes, file, trust)
    assert failed(report) == (set() if say in TRUE else {Element.OWNED}), complaints(report)


@pytest.mark.parametrize("days", [0, 30])
@pytest.mark.parametrize(("say", "is_true"), [(answers_of_the_root, True), (answers_in_the_name_of_the_root, False)])
async def test_a_root_answers_about_what_it_issued(
    monkeypatch: pytest.MonkeyPatch, say: Callable[[Holders, list[bytes]], Evidence], is_true: bool, days: int
) -> None:
    """RFC 6960, 4.2.2.2: an authority may sign the answers itself. After a month, their time is over."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(days=days)

    file, trust = await Holders(await Pki.make(), directly=True).contract(say)
    monkeypatch.setattr(verify, "datetime", Later)
    report = await asyncio.to_thread(verify_bytes, file, trust)
    assert failed(report) == (set() if is_true else {Element.OWNED}), complaints(report)
