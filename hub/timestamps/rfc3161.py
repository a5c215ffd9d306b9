"""Use an outside timestamp authority over HTTP (RFC 3161, 3.4). Its answers are checked before they are used.

[timestamps]
kind = "rfc3161"
url = "https://tsa.example.org/tsr"
certificates = ["/etc/qianda/tsa.pem"]
username = "school"                    # of a service with HTTP basic authentication
password_file = "/run/secrets/tsa"
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
from asn1crypto import tsp, x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko_certvalidator import ValidationContext

from hub.bounded_read import read_limited
from hub.errors import TimestampUnavailable
from hub.rest_mapping import read_options
from hub.timestamps import ALGORITHM_OF_LENGTH, CLOCK_TOLERANCE, TimestampAuthority, TimestampContext
from qianda.certificate_loading import load_pem_certificates

DEADLINE: Final = 10.0  # seconds
WORTH_TELLING: Final = timedelta(minutes=1)  # a difference from our clock that is reported to staff
MAX_ANSWER_BYTES: Final = 64 * 1024


async def _nobody(_difference: timedelta) -> None:
    """Do nothing about a clock that differs."""


class Rfc3161Options(BaseModel):
    """Options. `certificates`: PEM files to pin. `deadline`: seconds for a call. `username`, `password`: for HTTP basic
    authentication (RFC 7617)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern="^https?://")
    certificates: list[Path] = Field(min_length=1)
    deadline: float = Field(default=DEADLINE, gt=0, le=60)
    username: str = ""
    password: SecretStr = SecretStr("")


def connect(options: Mapping[str, Any], context: TimestampContext) -> TimestampAuthority:
    """Return the service. Raises ValueError that names the option, OSError for a file that cannot be read."""
    read = read_options(Rfc3161Options, options, f"timestamps.{context.name}")
    certificates = [_read_certificate(path, f"timestamps.{context.name}") for path in read.certificates]
    headers = {}
    if read.username:
        headers["Authorization"] = aiohttp.encode_basic_auth(read.username, read.password.get_secret_value())
    service = PinnedService(read.url, certificates, read.deadline, headers)
    return Rfc3161Timestamps(context.http, service, context.clock, context.differs)


def _read_certificate(path: Path, entry: str) -> bytes:
    """Return the first certificate (DER) of a PEM file. Raises ValueError that names the entry and the file."""
    try:
        return load_pem_certificates(path.read_bytes())[0].public_bytes(Encoding.DER)
    except ValueError as error:
        raise ValueError(f"{entry}: {path}: no certificate in PEM can be read there ({error})") from error


@dataclass(frozen=True)
class PinnedService:
    """A service identified by `certificates`: its own, or an authority's above it. `deadline`: seconds for a call.
    `headers`: sent with each request."""

    url: str
    certificates: Sequence[bytes]
    deadline: float = DEADLINE
    headers: Mapping[str, str] = field(default_factory=dict)


class Rfc3161Timestamps:
    """An outside service whose certificate is pinned in the configuration."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        service: PinnedService,
        clock: Callable[[], datetime],
        differs: Callable[[timedelta], Awaitable[None]] = _nobody,
    ) -> None:
        """Use the service. genTime may differ from `clock` by CLOCK_TOLERANCE; a difference of WORTH_TELLING or more is
        reported to `differs`."""
        self.certificates = tuple(service.certificates)
        self._session, self._url, self._deadline = session, service.url, service.deadline
        self._headers = {**service.headers, "Content-Type": "application/timestamp-query"}
        self._clock, self._differs = clock, differs
        self._pinned = [x509.Certificate.load(certificate) for certificate in self.certificates]

    async def timestamp(self, digest: bytes) -> bytes:
        """Return a checked token over a digest. If there is none, raise TimestampUnavailable with the reason."""
        nonce = secrets.randbits(63) | 1
        answer = await self._ask(_request(digest, nonce))
        try:
            return await self._checked_token(answer, digest, nonce)
        except (ValueError, TypeError, KeyError, SigningError, SignatureValidationError) as error:
            raise TimestampUnavailable(f"the timestamp authority's answer cannot be used: {error}") from error

    async def _ask(self, request: bytes) -> bytes:
        try:
            async with (
                asyncio.timeout(self._deadline),
                self._session.post(
                    self._url,
                    data=request,
                    headers=self._headers,
                    allow_redirects=False,  # many services have no TLS: anybody on the way could name another address
                ) as response,
            ):
                if response.status != 200:
                    raise TimestampUnavailable(f"the timestamp authority answered with status {response.status}")
                return await read_limited(response.content, MAX_ANSWER_BYTES, TimestampUnavailable)
        except (aiohttp.ClientError, OSError) as error:
            # TimeoutError is an OSError, and says nothing.
            reason = str(error) or type(error).__name__
            raise TimestampUnavailable(f"the timestamp authority did not answer: {reason}") from error

    async def _checked_token(self, answer: bytes, digest: bytes, nonce: int) -> bytes:
        response = tsp.TimeStampResp.load(answer, strict=True)
        status = response["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            raise TimestampUnavailable(f"the timestamp authority refused: {status} {response['status'].native}")
        token = response["time_stamp_token"]
        info = token["content"]["encap_content_info"]["content"].parsed
        self._check_info(info, digest, nonce)
        own = await self._check_signature(token["content"], digest)
        await self._check_time(info)
        if not own.not_valid_before <= info["gen_time"].native <= own.not_valid_after:
            raise TimestampUnavailable("the timestamp authority's certificate was not valid at that time")
        return bytes(token.dump())

    def _check_info(self, info: tsp.TSTInfo, digest: bytes, nonce: int) -> None:
        imprint, algorithm = info["message_imprint"], _algorithm(digest)
        if (imprint["hash_algorithm"]["algorithm"].native, imprint["hashed_message"].native) != (algorithm, digest):
            raise TimestampUnavailable("the timestamp is over something else")
        if info["nonce"].native != nonce:
            raise TimestampUnavailable("the timestamp answers another request: its nonce is not ours")

    async def _check_time(self, info: tsp.TSTInfo) -> None:
        difference = info["gen_time"].native - self._clock()
        if abs(difference) >= WORTH_TELLING:
            await self._differs(difference)
        if abs(difference) > CLOCK_TOLERANCE:
            raise TimestampUnavailable(f"the timestamp's time differs from our clock by {difference}")

    async def _check_signature(self, signed_data: object, digest: bytes) -> x509.Certificate:
        """Check the signature, and the path from its certificate to a pinned one (which may be the same). Return the
        certificate.

        Raises TimestampUnavailable.
        """
        context = ValidationContext(trust_roots=self._pinned, moment=self._clock(), allow_fetching=False)
        status = await validate_tst_signed_data(signed_data, context, lambda _algorithm: digest)
        if not (status["intact"] and status["valid"]):
            raise TimestampUnavailable("the timestamp's signature is wrong")
        if status.get("validation_path") is None or status.get("trust_problem_indic") is not None:
            raise TimestampUnavailable("the timestamp was made by somebody else than the configured authority")
        return status["signing_cert"]


def _algorithm(digest: bytes) -> str:
    return ALGORITHM_OF_LENGTH[len(digest)]


def _request(digest: bytes, nonce: int) -> bytes:
    imprint = {"hash_algorithm": {"algorithm": _algorithm(digest)}, "hashed_message": digest}
    request = tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True})
    return bytes(request.dump())
