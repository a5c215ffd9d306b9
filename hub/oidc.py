"""Let staff log in at the school's own login service: OpenID Connect Core 1.0, authorization code with PKCE (RFC 7636).

A call changes nothing here, so it has no attempt row. It is not repeated: somebody whose login fails clicks again, or
uses the password.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import aiohttp

from hub.bounded_read import read_limited
from hub.errors import LoginProviderAway, ProviderLoginRefused
from hub.settings.sections import OidcSettings

if TYPE_CHECKING:  # imported at the first login, because workers do not need it
    from joserfc.jwk import KeySet

MAX_ANSWER_BYTES: Final = 256 * 1024
# How long the service's metadata and its keys are cached.
METADATA_LIFE: Final = timedelta(minutes=10)
# How far the service's clock may differ from ours.
CLOCK_TOLERANCE: Final = timedelta(minutes=1)
# Only signatures with a public key; never `none`, and no shared secret.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SCOPE: Final = "openid email"


@dataclass(frozen=True)
class OidcLogin:
    """One login in progress. All its values come from the secret that its browser holds: nobody else can finish it."""

    secret: str = field(repr=False)

    @property
    def state(self) -> str:
        return self._derive("state")

    @property
    def nonce(self) -> str:
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        return self._derive("verifier")

    def _derive(self, purpose: str) -> str:
        digest = hashlib.sha256(f"qianda oidc {purpose}:{self.secret}".encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True)
class ProvenLogin:
    """The identity that the service has confirmed. `mail`: empty unless the service says that it was verified."""

    issuer: str
    subject: str
    mail: str = ""


@dataclass(frozen=True)
class _Metadata:
    authorize: str
    token: str
    keys: str
    auth_methods: tuple[str, ...]
    read_at: datetime


class OidcProvider:
    """The configured login service."""

    def __init__(self, options: OidcSettings, http: aiohttp.ClientSession, clock: Callable[[], datetime]) -> None:
        self.options = options
        self._http, self._clock = http, clock
        self._metadata: _Metadata | None = None
        self._keys: KeySet | None = None

    async def begin(self, login: OidcLogin, callback: str) -> str:
        """Return the service's address to which the browser is sent. Raises LoginProviderAway."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        metadata = await self._read_metadata()
        return str(
            prepare_grant_uri(
                metadata.authorize,
                self.options.client_id,
                "code",
                redirect_uri=callback,
                scope=SCOPE,
                state=login.state,
                nonce=login.nonce,
                code_challenge=create_s256_code_challenge(login.verifier),
                code_challenge_method="S256",
            )
        )

    async def finish(self, login: OidcLogin, code: str, callback: str) -> ProvenLogin:
        """Return the identity that the service confirms for this code. Raises LoginProviderAway,
        ProviderLoginRefused."""
        metadata = await self._read_metadata()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback}
        form |= {"code_verifier": login.verifier}
        headers = {"Accept": "application/json"}
        try:
            secret = self.options.read_client_secret()
        except OSError as error:
            raise LoginProviderAway("the file of its secret cannot be read") from error
        if not secret or "client_secret_basic" not in metadata.auth_methods:
            form |= {"client_id": self.options.client_id} | ({"client_secret": secret} if secret else {})
        else:
            pair = f"{quote(self.options.client_id, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        status, tokens = await self._ask("POST", metadata.token, data=form, headers=headers)
        if status != 200:
            raise ProviderLoginRefused(f"the service gave no token: {str(tokens.get('error', status))[:60]}")
        return await self._check(login, str(tokens.get("id_token", "")), str(tokens.get("access_token", "")))

    async def _check(self, login: OidcLogin, id_token: str, access_token: str) -> ProvenLogin:
        """Raise ProviderLoginRefused unless the token is from the service, for us, for this login, and recent."""
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import JoseError

        issuer, client = self.options.issuer, self.options.client_id
        try:
            token = await self._decode(id_token)
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client}},
                params={"nonce": login.nonce, "client_id": client, "access_token": access_token},
            )
            claims.validate(now=self._clock().timestamp(), leeway=CLOCK_TOLERANCE.total_seconds())
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderLoginRefused(f"the token is not accepted: {type(error).__name__} {error}"[:200]) from error
        subject, mail = claims["sub"], claims.get("email")
        if not isinstance(subject, str) or not subject:
            raise ProviderLoginRefused("the token names nobody")
        verified = claims.get("email_verified") is True and isinstance(mail, str)
        return ProvenLogin(issuer, subject, str(mail) if verified else "")

    async def _decode(self, id_token: str) -> Any:
        """Check the signature. If the service has changed its keys in the meantime, they are read once more."""
        from joserfc import jwt
        from joserfc.errors import BadSignatureError, InvalidKeyIdError

        for keys in (self._keys, None):
            try:
                return jwt.decode(id_token, keys or await self._read_keys(), algorithms=ALGORITHMS)
            except (BadSignatureError, InvalidKeyIdError):
                if keys is None:
                    raise
        raise AssertionError("unreachable")

    async def _read_keys(self) -> KeySet:
        from joserfc.jwk import KeySet

        status, found = await self._ask("GET", (await self._read_metadata()).keys)
        if status != 200 or not isinstance(found.get("keys"), list):
            raise LoginProviderAway("it shows no keys")
        self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
        return self._keys

    async def _read_metadata(self) -> _Metadata:
        """Return the service's metadata (OpenID Connect Discovery 1.0). Raises LoginProviderAway."""
        from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url

        if self._metadata and self._clock() - self._metadata.read_at < METADATA_LIFE:
            return self._metadata
        status, said = await self._ask("GET", get_well_known_url(self.options.issuer, external=True))
        if status != 200 or said.get("issuer") != self.options.issuer:
            raise LoginProviderAway("its description is missing, or of another issuer")
        metadata = OpenIDProviderMetadata(said)
        try:
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                self.options.check_address(str(metadata[name]))
        except (KeyError, ValueError) as error:
            raise LoginProviderAway(f"its description lacks an address, or has one without TLS: {error}") from error
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        self._metadata = _Metadata(
            metadata["authorization_endpoint"],
            metadata["token_endpoint"],
            metadata["jwks_uri"],
            tuple(map(str, methods)),
            self._clock(),
        )
        self._keys = None
        return self._metadata

    async def _ask(self, method: str, address: str, **content: Any) -> tuple[int, dict[str, Any]]:
        """Make one call. Return status and answer. Raises LoginProviderAway."""
        deadline = aiohttp.ClientTimeout(total=self.options.deadline)
        try:
            async with self._http.request(
                method, address, timeout=deadline, allow_redirects=False, **content
            ) as answer:
                body = await read_limited(answer.content, MAX_ANSWER_BYTES, LoginProviderAway)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise LoginProviderAway(f"it does not answer: {type(error).__name__}") from error
        if status >= 500:
            raise LoginProviderAway(f"it answers {status}")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise LoginProviderAway(f"it answers {status} without JSON") from error
        if not isinstance(found, dict):
            raise LoginProviderAway("it answers something else than an object")
        return status, found
