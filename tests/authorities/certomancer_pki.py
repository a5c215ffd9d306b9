"""An outside authority that we did not write: certomancer issues, and answers by CRL, OCSP and timestamp over HTTP.

Its certificates have a root and an issuing authority above them. `names` says which addresses each certificate
contains: "list", "ocsp".
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from asn1crypto import pem
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PRIVATE = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
ARCH = "school"
BOTH = ("list", "ocsp")


def _usage(*uses: str) -> dict[str, Any]:
    return {"id": "key_usage", "critical": True, "smart-value": {"schema": "key-usage", "params": list(uses)}}


def _says_where(issuer: str, names: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if "list" in names:
        points = {"schema": "crl-dist-url", "params": {"crl-repo-names": [issuer]}}
        found.append({"id": "crl_distribution_points", "smart-value": points})
    if "ocsp" in names:
        access = {"schema": "aia-urls", "params": {"ocsp-responder-names": [issuer]}}
        found.append({"id": "authority_information_access", "smart-value": access})
    return found


def _authority(issuer: str, *more: dict[str, Any]) -> dict[str, Any]:
    constraints = {"id": "basic_constraints", "critical": True, "value": {"ca": True}}
    return {"issuer": issuer, "extensions": [constraints, _usage("key_cert_sign", "crl_sign"), *more]}


@dataclass
class CertomancerPki:
    """Certomancer's authority. `ocsp_life`: minutes until an OCSP answer is stale. `silent`: paths that contain this
    get no answer. `asked`: paths that its services were asked for."""

    folder: Path
    origin: str = ""
    names: Sequence[str] = BOTH
    ocsp_life: int = 10
    away: bool = False
    silent: str = ""
    asked: list[str] = field(default_factory=list)
    architectures: dict[Any, Any] = field(default_factory=dict)
    _certs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _entities: dict[str, dict[str, str]] = field(default_factory=dict)
    _keys: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self._begins = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
        no_check = {"id": "ocsp_no_check"}
        for name, certificate in {
            "root": _authority("root"),
            "issuing": _authority("root", *_says_where("root", ("list",))),
            "responder": {"issuer": "issuing", "extensions": [_usage("digital_signature"), no_check,
                          {"id": "extended_key_usage", "critical": True, "value": ["ocsp_signing"]}]},
            "root-responder": {"issuer": "root", "extensions": [_usage("digital_signature"), no_check,
                               {"id": "extended_key_usage", "critical": True, "value": ["ocsp_signing"]}]},
            "tsa": {"issuer": "root", "extensions": [_usage("digital_signature"),
                    {"id": "extended_key_usage", "critical": True, "value": ["time_stamping"]}]},
        }.items():  # fmt: skip
            self._make_key(name, ec.generate_private_key(ec.SECP256R1()))
            self._add(name, f"Certomancer {name}", certificate, 3650)

    def _make_key(self, name: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        (self.folder / f"{name}.pem").write_bytes(key.private_bytes(*PRIVATE))
        self._keys[name] = {"path": f"{name}.pem"}

    def _add(self, name: str, common_name: str, certificate: dict[str, Any], days: int) -> None:
        ends = self._begins + timedelta(days=1 + days)
        self._entities[name] = {"common-name": common_name}
        self._certs[name] = certificate | {
            "subject": name,
            "validity": {"valid-from": self._begins.isoformat(), "valid-to": ends.isoformat()},
        }

    def add(self, name: str, common_name: str, spki: bytes, days: int = 30) -> bytes:
        """Return a person's certificate (DER) for a public key; the authority does not have the private key."""
        (self.folder / f"{name}.pem").write_bytes(pem.armor("PUBLIC KEY", spki))
        self._keys[name] = {"path": f"{name}.pem", "public-only": True}
        return self._signing(name, common_name, days)

    def add_key(self, name: str, common_name: str, kind: str = "ec", days: int = 365) -> bytes:
        """Return a certificate (DER) for a key that is kept here, for the signing service."""
        curve = ec.generate_private_key(ec.SECP256R1())
        self._make_key(name, curve if kind == "ec" else rsa.generate_private_key(65537, 2048))
        return self._signing(name, common_name, days)

    def _signing(self, name: str, common_name: str, days: int) -> bytes:
        uses = _usage("digital_signature", "non_repudiation")
        self._add(
            name, common_name, {"issuer": "issuing", "extensions": [uses, *_says_where("issuing", self.names)]}, days
        )
        self.build()
        return self.certificate(name)

    def revoke(self, name: str) -> None:
        """Revoke a certificate, dated back so that it is in the CRL that was made at the beginning of this week."""
        since = self._begins - timedelta(minutes=1)
        self._certs[name]["revocation"] = {"revoked-since": since.isoformat(), "reason": "key_compromise"}
        self.build()

    def certificate(self, name: str) -> bytes:
        return bytes(self.config.get_pki_arch(ARCH).get_cert(name).dump())

    def write(self, *names: str) -> Path:
        """Write certificates into one PEM file. Return its path."""
        path = self.folder / f"{'-'.join(names)}.certificates"
        path.write_bytes(b"".join(pem.armor("CERTIFICATE", self.certificate(name)) for name in names))
        return path

    def build(self) -> None:
        """Have certomancer read its configuration again, since it reads it only once. Everything is signed again under
        the same serial numbers."""
        registry = pytest.importorskip("certomancer.registry")
        services = {
            "crl-repo": {
                name: {"for-issuer": name, "signing-key": name, "simulated-update-schedule": "P7D"}
                for name in ("root", "issuing")
            },
            "ocsp": {
                name: {"for-issuer": name, "responder-cert": responder, "validity-period": {"minutes": self.ocsp_life}}
                for name, responder in (("root", "root-responder"), ("issuing", "responder"))
            },
            "time-stamping": {"tsa": {"signing-key": "tsa", "signing-cert": "tsa"}},
        }
        arch = {"keyset": ARCH, "entities": self._entities, "certs": self._certs, "services": services}
        configuration = {
            "external-url-prefix": self.origin,
            "keysets": {ARCH: {"keys": self._keys}},
            "pki-architectures": {ARCH: arch},
        }
        self.config = registry.CertomancerConfig(_copied(configuration), key_search_dir=str(self.folder))
        self.architectures.clear()
        self.architectures.update(self.config.pki_archs)

    @property
    def timestamps(self) -> str:
        return f"{self.origin}/{ARCH}/tsa/tsa"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[CertomancerPki]:
        animator = pytest.importorskip("certomancer.integrations.aiohttp_animator")
        # Certomancer's own clock has fractions of a second, which RFC 5280, 4.1.2.5.2 does not allow in what it signs.
        animator._now = lambda: datetime.now(UTC).replace(microsecond=0)
        listening = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.build()
        app = animator.build_animator_app(self.architectures, with_web_ui=False)
        app.middlewares.insert(0, self._counted)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        try:
            yield self
        finally:
            await runner.cleanup()
            listening.close()

    @web.middleware
    async def _counted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.away or (self.silent and self.silent in request.path):
            return web.Response(status=503)
        response: web.StreamResponse = await handler(request)
        return response


def _copied(value: Any) -> Any:
    """Return a deep copy, because certomancer changes what it reads."""
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value
