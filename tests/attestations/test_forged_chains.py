"""Chains of whoever copies the signature of a true certificate into one of their own. Nobody asks for lists or answers
here, so that nothing but the chain can be forged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from asn1crypto import keys, x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.attestations.chains import leads_to
from hub.authorities.brought import SignerTrust, check_chain
from hub.errors import CertificateNotTrusted
from tests.custody.outside_authority import OutsideAuthority, person


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Forger:
    """Somebody with a true certificate, and with a key of their own."""

    authority: OutsideAuthority = field(default_factory=lambda: OutsideAuthority("http://127.0.0.1:9"))
    own: rsa.RSAPrivateKey = field(default_factory=rsa_key)

    @property
    def root(self) -> bytes:
        return bytes(self.authority.root.public_bytes(Encoding.DER))

    @property
    def issuing(self) -> bytes:
        return bytes(self.authority.issuing.public_bytes(Encoding.DER))

    def issued(self) -> bytes:
        return self.authority.issue(rsa_key().public_key(), person("王小明"), asked=True)

    def posing(self, certificate: bytes, serial: int | None = None) -> bytes:
        """Return a certificate with their own key in it, and the signature as it was."""
        posing = x509.Certificate.load(certificate)
        body = posing["tbs_certificate"]
        spki = self.own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        body["subject_public_key_info"] = keys.PublicKeyInfo.load(spki)
        body["serial_number"] = serial or body["serial_number"].native
        return bytes(posing.dump(force=True))

    def signed(self, certificate: bytes) -> bytes:
        """Return a certificate signed with their own key."""
        forged = x509.Certificate.load(certificate)
        forged["tbs_certificate"]["serial_number"] = 99
        forged["signature_value"] = self.own.sign(forged["tbs_certificate"].dump(force=True), PKCS1v15(), SHA256())
        return bytes(forged.dump(force=True))


CHAINS: dict[str, Callable[[Forger, bytes], list[bytes]]] = {
    "another key": lambda own, true: [own.posing(true), true, own.issuing],
    "another authority": lambda own, true: [own.signed(true), own.posing(own.issuing)],
    "another authority behind the true one": lambda own, true: [
        own.signed(true),
        own.issuing,
        own.posing(own.issuing, 7),
    ],
    "another authority before the true one": lambda own, true: [
        own.signed(true),
        own.posing(own.issuing, 7),
        own.issuing,
    ],
    "another root": lambda own, true: [own.signed(true), own.signed(own.posing(own.issuing)), own.posing(own.root)],
}


@pytest.mark.parametrize("name", CHAINS)
async def test_a_copied_signature_makes_no_chain(name: str) -> None:
    forger, now = Forger(), datetime.now(UTC)
    true = forger.issued()
    for roots in ((forger.root,), (forger.root, forger.issuing)):
        trust, honest, forged = SignerTrust(roots, b""), [true, forger.issuing], CHAINS[name](forger, true)
        assert (await check_chain(honest, trust, now)).names == ("王小明",)
        assert await leads_to(roots, [x509.Certificate.load(each) for each in honest], now)
        with pytest.raises(CertificateNotTrusted):
            await check_chain(forged, trust, now)
        assert not await leads_to(roots, [x509.Certificate.load(each) for each in forged], now)
