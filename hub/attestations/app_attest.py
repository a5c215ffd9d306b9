"""Apple App Attest: Apple states that a genuine instance of the school's app on a genuine device made this request.

    [attestations.app_attest]
    roots = ["/etc/qianda/attestation/apple-app-attest.pem"]
    apps = ["ABCDE12345.example.school.app"]

A key of App Attest signs only its own structures and cannot sign a contract. So the app signs contracts with another
key of the Secure Enclave, and App Attest vouches for that key: the client data are our `key_challenge` and the SPKI of
that key. This proves that the school's app on a genuine device named this key in this session; only the app says where
the key is kept (`Level.VOUCHED`).

Source: Apple, "Validating apps that connect to your server" (nine steps); WebAuthn Level 3, 6.1 (authenticator data).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from asn1crypto import core, keys, x509
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from channels.applink import checked_apple_app
from hub.attestations import AttestationContext, Attested, Attestor, Level, NotAttested, Statement, Verdict, cbor
from hub.attestations.chains import extension, leads_to, read_chain, read_roots
from hub.rest_mapping import read_options

FORMAT: Final = "apple-appattest"
NONCE_OID: Final = "1.2.840.113635.100.8.2"
AAGUIDS: Final = {"production": b"appattest" + bytes(7), "development": b"appattestdevelop"}
_HASH, _AAGUID, _ATTESTED_FLAG = 32, 16, 0x40
_CREDENTIAL_AT: Final = _HASH + 1 + 4 + _AAGUID + 2
_COSE_EC2, _COSE_ES256, _COSE_P256 = 2, -7, 1


class AppAttestOptions(BaseModel):
    """Options of App Attest.

    `roots`: PEM files with Apple's App Attest root, which is public. `apps`: team and bundle. `environments`: apps that
    a developer's computer installed on the device have keys of `development`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    roots: list[Path] = Field(min_length=1)
    apps: list[Annotated[str, AfterValidator(checked_apple_app)]] = Field(min_length=1)
    environments: list[Literal["production", "development"]] = Field(default=["production"], min_length=1)


def connect(options: Mapping[str, Any], context: AttestationContext) -> Attestor:
    """Return the attestor. Raises ValueError that names the option."""
    read = read_options(AppAttestOptions, options, f"attestations.{context.name}")
    try:
        return AppAttest(read, context)
    except ValueError as error:
        raise ValueError(f"attestations.{context.name}.roots: {error}") from None


class _Nonce(core.Sequence):  # type: ignore[misc]
    _fields: Final = [("nonce", core.OctetString, {"explicit": 1})]


@dataclass(frozen=True)
class _Object:
    """The parts of an attestation object."""

    chain: list[x509.Certificate]
    signed: bytes
    app_hash: bytes
    counter: int
    aaguid: bytes
    credential: bytes
    key: Mapping[Any, Any]


class AppAttest:
    format = FORMAT

    def __init__(self, options: AppAttestOptions, context: AttestationContext) -> None:
        self._options, self._context = options, context
        self._roots = read_roots(options.roots)
        self._apps = {hashlib.sha256(app.encode()).digest(): app for app in options.apps}
        self._aaguids = {AAGUIDS[each] for each in options.environments}

    async def check(self, statement: Statement, spki: bytes, challenge: bytes) -> Verdict:
        return await self.check_object(statement.content, statement.key_id, challenge + spki)

    async def check_object(self, content: bytes, key_id: bytes, client_data: bytes) -> Verdict:
        """Return whether Apple attested the key `key_id` for this client data."""
        try:
            read = await asyncio.to_thread(_read, content)
        except ValueError:
            return NotAttested(("object-unreadable",))
        against = list(self._faults(read, key_id, client_data))
        if not await leads_to(self._roots, read.chain, self._context.clock()):
            against.append("chain-not-trusted")
        if against:
            return NotAttested(tuple(against))
        return Attested("ios", self._apps[read.app_hash], Level.VOUCHED)

    def _faults(self, read: _Object, key_id: bytes, client_data: bytes) -> Iterator[str]:
        nonce = hashlib.sha256(read.signed + hashlib.sha256(client_data).digest()).digest()
        if not hmac.compare_digest(nonce, _nonce_in(read.chain[0])):
            yield "another-challenge"
        if hashlib.sha256(_point_of(read.chain[0])).digest() != key_id or read.credential != key_id:
            yield "another-key"
        if _cose_point(read.key) != _point_of(read.chain[0]):
            yield "another-key-in-the-object"
        if read.app_hash not in self._apps:
            yield "another-app"
        if read.counter != 0:
            yield "used-before"
        if read.aaguid not in self._aaguids:
            yield "environment"


def _read(content: bytes) -> _Object:
    """Read an attestation object. Raises ValueError."""
    whole = cbor.read(content)
    try:
        if set(whole) != {"fmt", "attStmt", "authData"} or whole["fmt"] != FORMAT:
            raise ValueError("not an attestation object of App Attest")
        chain, signed = read_chain(whole["attStmt"]["x5c"]), whole["authData"]
        length = int.from_bytes(signed[_CREDENTIAL_AT - 2 : _CREDENTIAL_AT], "big")
        credential, key = signed[_CREDENTIAL_AT : _CREDENTIAL_AT + length], signed[_CREDENTIAL_AT + length :]
        aaguid = signed[_CREDENTIAL_AT - 2 - _AAGUID : _CREDENTIAL_AT - 2]
        if chain is None or len(credential) != length or not signed[_HASH] & _ATTESTED_FLAG:
            raise ValueError("no attested key in it")
        counter = int.from_bytes(signed[_HASH + 1 : _HASH + 5], "big")
        return _Object(chain, signed, signed[:_HASH], counter, aaguid, credential, dict(cbor.read(key)))
    except (TypeError, KeyError, IndexError) as error:
        raise ValueError("not an attestation object of App Attest") from error


def _nonce_in(certificate: x509.Certificate) -> bytes:
    """Return the nonce in the certificate; empty if there is none that can be read."""
    content = extension(certificate, NONCE_OID)
    if content is None:
        return b""
    try:
        return bytes(_Nonce.load(content, strict=True)["nonce"].native)
    except (ValueError, TypeError):
        return b""


def _point_of(certificate: x509.Certificate) -> bytes:
    """Return the public key as an uncompressed point (X9.62); empty if it is not an EC key."""
    public: keys.PublicKeyInfo = certificate.public_key
    return bytes(public["public_key"].contents[1:]) if public.algorithm == "ec" else b""


def _cose_point(key: Mapping[Any, Any]) -> bytes:
    """Return a COSE key as an uncompressed point (RFC 9053, 7.1.1); empty if it is not on P-256."""
    if (key.get(1), key.get(3), key.get(-1)) != (_COSE_EC2, _COSE_ES256, _COSE_P256):
        return b""
    x, y = key.get(-2), key.get(-3)
    return b"\x04" + x + y if isinstance(x, bytes) and isinstance(y, bytes) else b""
