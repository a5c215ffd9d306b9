"""An authority that does not belong to the hub: a root, an issuing authority below it, and their CRLs over HTTP.

Made with `cryptography`. What it issues can be made wrong in every way that a signer's certificate may be wrong.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

TOKEN_POLICY = "1.3.6.1.4.1.55555.1.7"
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def name_of(common_name: str, organisation: str = "测试证书中心") -> x509.Name:
    parts = [
        (NameOID.COUNTRY_NAME, "CN"),
        (NameOID.ORGANIZATION_NAME, organisation),
        (NameOID.COMMON_NAME, common_name),
    ]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def person(common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


def usage(**on: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: on.get(name, False) for name in names})


SIGNING = usage(digital_signature=True, content_commitment=True)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class OutsideAuthority:
    """The authority. `url`: where its CRLs are served. `revoked`: serial numbers of the issuing authority."""

    url: str
    root_key: ec.EllipticCurvePrivateKey = field(default_factory=ec_key)
    issuing_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    revoked: set[int] = field(default_factory=set)
    away: bool = False
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root = self._authority(self.root_key.public_key(), "Outside Root", "Outside Root", self.root_key)
        self.issuing = self._authority(self.issuing_key.public_key(), "Outside Issuing", "Outside Root", self.root_key)

    def issue(
        self,
        key: PublicKey,
        subject: x509.Name,
        *,
        key_usage: x509.KeyUsage | None = SIGNING,
        begins: timedelta = timedelta(days=-1),
        ends: timedelta = timedelta(days=365),
        policies: Sequence[str] = (),
        purposes: Sequence[x509.ObjectIdentifier] = (
            ExtendedKeyUsageOID.CLIENT_AUTH,
            ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ),
        listed: bool = True,
        directly: bool = False,
        asked: bool = False,
    ) -> bytes:
        """Issue a person's certificate (DER), signed by the issuing authority with its RSA key, or `directly` by the
        root. `asked`: it names where OCSP answers about it."""
        issuer = self.root if directly else self.issuing
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        )
        if key_usage is not None:
            builder = builder.add_extension(key_usage, critical=True)
        if policies:
            builder = builder.add_extension(self._policies(policies), critical=False)
        if listed:
            builder = builder.add_extension(self._points("root" if directly else "issuing"), critical=False)
        if asked:
            there = x509.UniformResourceIdentifier(f"{self.url}/ocsp")
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, there)
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        by = self.root_key if directly else self.issuing_key
        return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def chain(self, certificate: bytes) -> tuple[bytes, ...]:
        return (certificate, self.issuing.public_bytes(serialization.Encoding.DER))

    def write_root(self, path: Path) -> Path:
        path.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))
        return path

    def _authority(self, key: PublicKey, common_name: str, issuer: str, by: ec.EllipticCurvePrivateKey) -> Any:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name_of(common_name))
            .issuer_name(name_of(issuer))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(self._policies(["2.5.29.32.0"]), critical=False)
        )
        if common_name != issuer:
            builder = builder.add_extension(self._points("root"), critical=False)
        return builder.sign(by, hashes.SHA256())

    def _policies(self, policies: Sequence[str]) -> x509.CertificatePolicies:
        return x509.CertificatePolicies(
            [x509.PolicyInformation(x509.ObjectIdentifier(policy), None) for policy in policies]
        )

    def _points(self, which: str) -> x509.CRLDistributionPoints:
        address = x509.UniformResourceIdentifier(f"{self.url}/{which}.crl")
        return x509.CRLDistributionPoints([x509.DistributionPoint([address], None, None, None)])

    async def serve(self, request: web.Request) -> web.Response:
        which = request.match_info["which"]
        self.fetched.append(which)
        if self.away:
            return web.Response(status=503)
        return web.Response(body=self._list(which).public_bytes(serialization.Encoding.DER))

    def _list(self, which: str) -> x509.CertificateRevocationList:
        now = datetime.now(UTC)
        issuer = self.issuing if which == "issuing" else self.root
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.subject)
            .last_update(now - timedelta(minutes=1))
            .next_update(now + timedelta(days=7))
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        for serial in self.revoked if which == "issuing" else ():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(minutes=1))
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.issuing_key if which == "issuing" else self.root_key, hashes.SHA256())


@contextlib.asynccontextmanager
async def outside_authority() -> AsyncIterator[OutsideAuthority]:
    listening = socket.create_server(("127.0.0.1", 0))
    authority = OutsideAuthority(f"http://127.0.0.1:{listening.getsockname()[1]}")
    app = web.Application()
    app.router.add_get("/{which}.crl", authority.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield authority
    finally:
        await runner.cleanup()
        listening.close()
