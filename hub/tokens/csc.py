"""A key at a remote signing service, by the API of the Cloud Signature Consortium (CSC), version 1.0.4 or 2.

    [seal]
    kind = "csc"
    url = "https://sign.example.org/csc/v2"
    credential = "school-seal"
    token_url = "https://sign.example.org/oauth2/token"
    client_id = "qianda"
    client_secret_file = "/run/secrets/csc"
    pin_file = "/run/secrets/csc-pin"
    trusted = ["/etc/qianda/seal-ca.pem"]

Each signature is authorised separately, bound to its hash (SCAL 2). If a reply is lost, the same bytes are signed
again, and only one of the signatures is used. A credential that needs a person each time (a one-time code, a login
page) cannot seal. An answer is used only if it is a signature by this key.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from hub.bounded_read import read_limited
from hub.errors import TokenUnavailable
from hub.rest_mapping import NotServed, read_options
from hub.tokens import SignsEach, TokenContext
from hub.tokens.pins import PinRefusal
from qianda.certificate_loading import load_certificate

SHA256_OID: Final = "2.16.840.1.101.3.4.2.1"
ALGORITHMS: Final = {  # by kind of key: the algorithms to ask for, the best first
    "ec": ("1.2.840.10045.4.3.2",),
    "rsa": ("1.2.840.113549.1.1.11", "1.2.840.113549.1.1.1"),
}
MIN_RSA_BITS: Final = 2048
RAW_ECDSA: Final = 64  # bytes of r‖s on P-256; CMS needs DER
MAX_ANSWER_BYTES: Final = 256 * 1024
MAX_CHAIN_LENGTH: Final = 10
TOKEN_MARGIN: Final = 60.0  # seconds at the end of an access token's life in which it is not used
_CODE_WORD: Final = re.compile(r"[A-Za-z0-9._-]{1,60}", re.ASCII)
_ABOUT_THE_PIN: Final = re.compile(r"(?<![a-z])pin(?![a-z])", re.IGNORECASE)


class CscOptions(BaseModel):
    """Options of the section `[seal]`.

    `url` ends with the version, `/v1` or `/v2`. `credential`: may be empty if the account has only one. The hub
    authenticates by `access_token`, or by `client_id` and `client_secret` at `token_url` (OAuth 2.0, client
    credentials). `trusted`: PEM files with the authorities above the seal's certificate. `deadline`: seconds for a
    whole signature.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://[^?#@\s]+/v[12]$")
    credential: str = ""
    access_token: SecretStr = SecretStr("")
    token_url: str = Field(default="", pattern=r"^(https?://[^?#@\s]+)?$")
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    pin: SecretStr = SecretStr("")
    trusted: list[Path] = Field(min_length=1)
    deadline: float = Field(default=20, gt=0, le=60)

    @model_validator(mode="after")
    def _one_way_to_be_known(self) -> CscOptions:
        if self.client_id and not (self.token_url and self.client_secret.get_secret_value()):
            raise ValueError("client_id needs token_url and client_secret")
        return self


async def connect(options: Mapping[str, Any], context: TokenContext) -> CscKey:
    """Return the key with its certificates. If the service cannot be reached, its last information, `context.kept`, is
    used.

    Raises ValueError that names the option, or TokenUnavailable if the service cannot be reached and nothing is kept.
    """
    read = read_options(CscOptions, options, "seal")
    service = _Service(read, context)
    try:
        info = await service.credential_info()
    except TokenUnavailable:
        if not context.kept:
            raise
        info = json.loads(context.kept)
    return CscKey(service, _Credential.read(info), read, json.dumps(info))


@dataclass(frozen=True)
class _Credential:
    """The answer of `credentials/info`. `pin_id`: the name of the PIN in version 2. `needs_pin`: if it is required."""

    id: str
    certificates: tuple[bytes, ...]
    spki: bytes
    algorithm: str
    needs_pin: bool
    pin_id: str

    @classmethod
    def read(cls, info: Mapping[str, Any]) -> _Credential:
        """Read the answer. Raises TokenUnavailable if the credential cannot seal."""
        try:
            certificates = tuple(base64.b64decode(each) for each in info["cert"]["certificates"][:MAX_CHAIN_LENGTH])
            key = load_certificate(certificates[0]).public_key()
            kind, offered = _kind_of(key), [str(each) for each in info["key"]["algo"]]
            status = str(info["key"].get("status", "enabled"))
            needs_pin, pin_id = _authorisation(info)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, UnsupportedAlgorithm) as error:
            raise TokenUnavailable(f"csc: the credential cannot be read: {type(error).__name__}") from None
        algorithm = next((each for each in ALGORITHMS[kind] if each in offered), "") if kind else ""
        if not algorithm or status != "enabled":
            what = "its key is neither P-256 nor RSA from 2048 bits with SHA-256" if not algorithm else "it is disabled"
            raise TokenUnavailable(f"csc: the credential cannot seal: {what}")
        spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cls(str(info["credentialID"]), certificates, spki, algorithm, needs_pin, pin_id)


class CscKey(SignsEach):
    """A key at a CSC service.

    `certificates`: as the service states them, the key's own first; they are not checked yet. `info`: to be stored; it
    holds no secret.
    """

    def __init__(self, service: _Service, credential: _Credential, options: CscOptions, info: str) -> None:
        self.label, self.spki = credential.id, credential.spki
        self.certificates, self.info, self.trusted = credential.certificates, info, tuple(options.trusted)
        self._service, self._credential, self._deadline = service, credential, options.deadline

    async def sign(self, message: bytes) -> bytes:
        """Return the signature: SHA-256 with ECDSA in DER, or with RSA (PKCS#1 v1.5). Raises TokenUnavailable."""
        digest = hashlib.sha256(message).digest()
        try:
            async with asyncio.timeout(self._deadline):
                activation = await self._service.authorize(self._credential, digest)
                value = await self._service.sign_hash(self._credential, activation, digest)
        except TimeoutError as error:
            raise TokenUnavailable(f"csc: no answer in {self._deadline} s") from error
        return _checked(self.spki, message, value)

    async def check(self) -> None:
        """Check the credential without a signature, which may cost money. Raises TokenUnavailable."""
        now = _Credential.read(await self._service.credential_info(self._credential.id))
        if now.certificates[0] != self._credential.certificates[0]:
            raise TokenUnavailable("csc: the credential has another certificate now; start again to use it")


class _Service:
    """The calls of the API, in both versions."""

    def __init__(self, options: CscOptions, context: TokenContext) -> None:
        self._options, self._http = options, context.http
        self._second = options.url.endswith("/v2")
        self._token, self._token_ends = options.access_token.get_secret_value(), float("inf")
        self._pin_refused = self._pin_accepted = False
        self._trying_pin = asyncio.Lock()
        place = f"{options.url} {options.credential} {options.client_id}"
        folder, pin = context.refused_pins, options.pin.get_secret_value()
        self._refusal = PinRefusal(folder, place, pin) if folder and pin else None

    async def credential_info(self, credential: str = "") -> dict[str, Any]:
        """Return the information about a credential, with its `credentialID` added. Raises TokenUnavailable."""
        credential = credential or self._options.credential or await self._only_credential()
        asked = {"credentialID": credential, "certificates": "chain", "certInfo": False, "authInfo": True}
        return await self._call("credentials/info", asked) | {"credentialID": credential}

    async def authorize(self, credential: _Credential, digest: bytes) -> str:
        """Return the signature activation data for this one hash. Raises TokenUnavailable."""
        asked: dict[str, Any] = {"credentialID": credential.id, "numSignatures": 1} | self._hashes(digest)
        pin = self._options.pin.get_secret_value()
        if credential.needs_pin and not pin:
            raise TokenUnavailable("csc: the credential wants a PIN, and none is configured")
        if pin:
            asked |= {"authData": [{"id": credential.pin_id, "value": pin}]} if self._second else {"PIN": pin}
        if self._pin_accepted or not pin:
            return await self._authorized(asked)
        async with self._trying_pin:  # concurrent signatures would use up all tries with a wrong PIN
            activation = await self._authorized(asked)
            self._pin_accepted = True
            return activation

    async def _authorized(self, asked: Mapping[str, Any]) -> str:
        if self._pin_refused or (self._refusal is not None and self._refusal.is_known()):
            raise TokenUnavailable(f"csc: the PIN was refused before; {self._pin_advice()}")
        return _text(await self._call("credentials/authorize", asked), "SAD")

    def _pin_advice(self) -> str:
        """Return what to do about a refused PIN."""
        otherwise = f"; if the service has this PIN by now, delete {self._refusal.file}" if self._refusal else ""
        return f"it is not tried again: correct seal.pin{otherwise}; then start again"

    async def sign_hash(self, credential: _Credential, activation: str, digest: bytes) -> bytes:
        asked = {"credentialID": credential.id, "SAD": activation, "signAlgo": credential.algorithm}
        answer = await self._call("signatures/signHash", asked | self._hashes(digest))
        try:
            (value,) = answer["signatures"]
            return base64.b64decode(value, validate=True)
        except (KeyError, TypeError, ValueError) as error:
            raise TokenUnavailable("csc: the answer holds no signature") from error

    async def _only_credential(self) -> str:
        found = (await self._call("credentials/list", {})).get("credentialIDs")
        if not isinstance(found, list) or len(found) != 1:
            raise TokenUnavailable("csc: the account has not just one credential: set `credential`")
        return str(found[0])

    def _hashes(self, digest: bytes) -> dict[str, Any]:
        names = ("hashes", "hashAlgorithmOID") if self._second else ("hash", "hashAlgo")
        return {names[0]: [base64.b64encode(digest).decode()], names[1]: SHA256_OID}

    async def _call(self, path: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Call the API, again with a new access token if it refuses the old one. Raises TokenUnavailable."""
        status, answer = await self._post(f"{self._options.url}/{path}", await self._headers(), json=asked)
        if status == 401 and self._options.client_id:
            self._token = ""
            status, answer = await self._post(f"{self._options.url}/{path}", await self._headers(), json=asked)
        if status != 200:
            said, advice = f"{answer.get('error', '')} {answer.get('error_description', '')}", ""
            # A refused PIN must not be tried again: the credential could be locked.
            if asked.keys() & {"PIN", "authData"} and _ABOUT_THE_PIN.search(said):
                self._pin_refused = True
                if self._refusal is not None:
                    self._refusal.note()
                advice = f": the PIN was refused; {self._pin_advice()}"
            code = _CODE_WORD.fullmatch(str(answer.get("error", "")))
            raise TokenUnavailable(f"csc: {path}: status {status}{f', {code[0]}' if code else ''}{advice}")
        return answer

    async def _headers(self) -> dict[str, str]:
        now = asyncio.get_running_loop().time()
        if self._options.client_id and (not self._token or now >= self._token_ends):
            asked = {
                "grant_type": "client_credentials",
                "scope": "service",
                "client_id": self._options.client_id,
                "client_secret": self._options.client_secret.get_secret_value(),
            }
            status, answer = await self._post(self._options.token_url, {}, data=asked)
            if status != 200:
                raise TokenUnavailable(f"csc: no access token: status {status}")
            self._token = _text(answer, "access_token")
            lasts = answer.get("expires_in", 0)
            self._token_ends = now + (lasts if isinstance(lasts, int | float) else 0) - TOKEN_MARGIN
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    async def _post(self, url: str, headers: Mapping[str, str], **content: Any) -> tuple[int, dict[str, Any]]:
        try:
            async with (
                asyncio.timeout(self._options.deadline),
                self._http.post(url, headers=headers, allow_redirects=False, **content) as response,
            ):
                answer = json.loads(await read_limited(response.content, MAX_ANSWER_BYTES, NotServed) or b"{}")
        except (ValueError, RecursionError):
            answer = None
        except (aiohttp.ClientError, OSError, NotServed) as error:  # TimeoutError is an OSError
            raise TokenUnavailable(f"csc: no answer: {type(error).__name__}") from None
        if not isinstance(answer, dict):
            if response.status == 200:
                raise TokenUnavailable("csc: the answer is no JSON object")
            answer = {}
        return response.status, answer


def _kind_of(key: Any) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ec" if key.curve.name == ec.SECP256R1.name else ""
    return "rsa" if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS else ""


def _authorisation(info: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether a PIN is required, and its name in version 2.

    Raises TokenUnavailable if a person is required for each signature.
    """
    auth = info.get("auth") or {}
    mode = str(auth.get("mode") or info.get("authMode") or "implicit")
    objects = [each for each in auth.get("objects") or [] if str(each.get("type")) != "NoAuth"]
    others = [each for each in objects if str(each.get("type")) != "Password"]
    if mode not in ("implicit", "explicit") or others or (info.get("OTP") or {}).get("presence") == "true":
        raise TokenUnavailable("csc: the credential cannot seal: it wants a person for each signature")
    pin_id = str(objects[0].get("id", "PIN")) if objects else "PIN"
    return mode == "explicit" and (bool(objects) or (info.get("PIN") or {}).get("presence") == "true"), pin_id


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise TokenUnavailable(f"csc: the answer has no {name}")
    return value


def _checked(spki: bytes, message: bytes, value: bytes) -> bytes:
    """Return the signature in the form that CMS needs. Some services return r‖s, others DER.

    Raises TokenUnavailable if it was not made by this key.
    """
    key = serialization.load_der_public_key(spki)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(value, message, padding.PKCS1v15(), hashes.SHA256())
            return value
        assert isinstance(key, ec.EllipticCurvePublicKey)
        if len(value) == RAW_ECDSA:
            half = RAW_ECDSA // 2
            value = encode_dss_signature(int.from_bytes(value[:half]), int.from_bytes(value[half:]))
        key.verify(value, message, ec.ECDSA(hashes.SHA256()))
        return value
    except (InvalidSignature, ValueError) as error:
        raise TokenUnavailable("csc: what it answered is no signature by this key") from error
