"""A certificate authority with a raw ledger and a revocation list, behind a JSON API such as licensed authorities have.

python -m bench.services.authority FOLDER --ledger LEDGER      # its certificate is FOLDER/ca.pem
"""

from __future__ import annotations

import argparse
import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import NameOID

from bench.services.program import Service, run
from tests.channels.doubles.ledger import Ledger

NAME = "Bench Certificates"
LIST_LASTS = timedelta(days=1)
_LISTED_AGAIN = timedelta(hours=1)
_USAGE = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


class AuthorityService:
    """The authority. A certificate is in the ledger before it is sent."""

    losing = frozenset({"/certificates"})

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self._ledger, self._origin = ledger, ""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._root = self._own_certificate()
        self._listed_at, self._list = datetime.min.replace(tzinfo=UTC), b""
        folder.mkdir(parents=True)
        (folder / "ca.pem").write_bytes(self._root.public_bytes(Encoding.PEM))

    async def started(self, origin: str) -> None:
        self._origin = origin

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/certificates", self._enrol), web.get("/revoked.crl", self._revoked)]

    async def _enrol(self, request: web.Request) -> web.Response:
        asked = await request.json()
        spki = base64.b64decode(asked["publicKey"])
        certificate = self._issued(spki, asked["name"], asked.get("number", ""), int(asked["days"]))
        self._ledger.write(
            "issued",
            serial=str(certificate.serial_number),
            spki_sha256=hashlib.sha256(spki).hexdigest(),
            purpose=asked.get("purpose", "person"),
        )
        der = certificate.public_bytes(Encoding.DER)
        return web.json_response({"code": 0, "certificate": base64.b64encode(der).decode()})

    async def _revoked(self, request: web.Request) -> web.Response:
        now = datetime.now(UTC)
        if now - self._listed_at > _LISTED_AGAIN:
            building = x509.CertificateRevocationListBuilder(self._root.subject, now, now + LIST_LASTS)
            number = x509.CRLNumber(int(now.timestamp()))
            signed = building.add_extension(number, critical=False).sign(self._key, SHA256())
            self._listed_at, self._list = now, signed.public_bytes(Encoding.DER)
        return web.Response(body=self._list, content_type="application/pkix-crl")

    def _issued(self, spki: bytes, name: str, number: str, days: int) -> x509.Certificate:
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        parts += [x509.NameAttribute(NameOID.SERIAL_NUMBER, number)] if number else []
        key = load_der_public_key(spki)
        assert isinstance(key, ec.EllipticCurvePublicKey)
        address = x509.UniformResourceIdentifier(f"{self._origin}/revoked.crl")
        lists = [x509.DistributionPoint([address], None, None, None)]
        usage = x509.KeyUsage(**_USAGE | {"digital_signature": True, "content_commitment": True})
        building = self._building(x509.Name(parts), key, timedelta(days=days))
        building = building.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        building = building.add_extension(usage, critical=True)
        return building.add_extension(x509.CRLDistributionPoints(lists), critical=False).sign(self._key, SHA256())

    def _own_certificate(self) -> x509.Certificate:
        building = self._building(self._called, self._key.public_key(), timedelta(days=3650))
        building = building.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(**_USAGE | {"key_cert_sign": True, "crl_sign": True})
        return building.add_extension(usage, critical=True).sign(self._key, SHA256())

    @property
    def _called(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])

    def _building(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        building = x509.CertificateBuilder(self._called, subject, key, x509.random_serial_number())
        building = building.not_valid_before(now - timedelta(minutes=1)).not_valid_after(now + life)
        building = building.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        return building.add_extension(above, critical=False)


def make(arguments: argparse.Namespace, ledger: Ledger) -> Service:
    return AuthorityService(arguments.folder, ledger)


if __name__ == "__main__":
    run(make)
