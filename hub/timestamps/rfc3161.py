"""An outside timestamp authority over HTTP (RFC 3161, 3.4). What it answers is checked before it is used."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import aiohttp
from asn1crypto import tsp, x509
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko_certvalidator import ValidationContext

from hub.bounded_read import read_limited
from hub.errors import TimestampUnavailable
from hub.timestamps import CLOCK_TOLERANCE

DEADLINE: Final = 10.0  # seconds
WORTH_TELLING: Final = timedelta(minutes=1)  # a difference from our clock that somebody has to look into
MAX_ANSWER_BYTES: Final = 64 * 1024


async def _nobody(_difference: timedelta) -> None:
    """Who is told of a clock that differs, where nobody is."""


class Rfc3161Timestamps:
    """Known by `certificates`: the service's own certificate, or that of an authority above it, pinned by config."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        certificates: Sequence[bytes],
        clock: Callable[[], datetime],
        *,
        deadline: float = DEADLINE,
        tolerance: timedelta = CLOCK_TOLERANCE,
        new_nonce: Callable[[], int] = lambda: secrets.randbits(63) | 1,
        differs: Callable[[timedelta], Awaitable[None]] = _nobody,
    ) -> None:
        """`deadline` in seconds for the whole call; genTime may differ from `clock` by `tolerance`. From one minute on
        `differs` hears of it."""
        self.certificates = tuple(certificates)
        self._session, self._url, self._clock = session, url, clock
        self._deadline, self._tolerance, self._new_nonce = deadline, tolerance, new_nonce
        self._differs = differs
        self._pinned = [x509.Certificate.load(certificate) for certificate in self.certificates]

    async def timestamp(self, digest: bytes) -> bytes:
        """A checked token over a SHA-256 digest; TimestampUnavailable, with the reason, for anything else."""
        nonce = self._new_nonce()
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
                    self._url, data=request, headers={"Content-Type": "application/timestamp-query"}
                ) as response,
            ):
                if response.status != 200:
                    raise TimestampUnavailable(f"the timestamp authority answered with status {response.status}")
                return await read_limited(response.content, MAX_ANSWER_BYTES, TimestampUnavailable)
        except (aiohttp.ClientError, OSError) as error:
            # TimeoutError is an OSError
            raise TimestampUnavailable(f"the timestamp authority did not answer: {error!r}") from error

    async def _checked_token(self, answer: bytes, digest: bytes, nonce: int) -> bytes:
        response = tsp.TimeStampResp.load(answer, strict=True)
        status = response["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            raise TimestampUnavailable(f"the timestamp authority refused: {status} {response['status'].native}")
        token = response["time_stamp_token"]
        info = token["content"]["encap_content_info"]["content"].parsed
        self._check_info(info, digest, nonce)
        await self._check_signature(token["content"], digest)
        await self._check_time(info)
        return bytes(token.dump())

    def _check_info(self, info: tsp.TSTInfo, digest: bytes, nonce: int) -> None:
        imprint = info["message_imprint"]
        if imprint["hash_algorithm"]["algorithm"].native != "sha256" or imprint["hashed_message"].native != digest:
            raise TimestampUnavailable("the timestamp is over something else")
        if info["nonce"].native != nonce:
            raise TimestampUnavailable("the timestamp answers another request: its nonce is not ours")

    async def _check_time(self, info: tsp.TSTInfo) -> None:
        difference = info["gen_time"].native - self._clock()
        if abs(difference) >= WORTH_TELLING:
            await self._differs(difference)
        if abs(difference) > self._tolerance:
            raise TimestampUnavailable(f"the timestamp's time differs from our clock by {difference}")

    async def _check_signature(self, signed_data: object, digest: bytes) -> None:
        """The signature, and the way from its certificate to a pinned one (which may be that certificate itself)."""
        context = ValidationContext(trust_roots=self._pinned, moment=self._clock(), allow_fetching=False)
        status = await validate_tst_signed_data(signed_data, context, lambda _algorithm: digest)
        if not (status["intact"] and status["valid"]):
            raise TimestampUnavailable("the timestamp's signature is wrong")
        if status.get("validation_path") is None or status.get("trust_problem_indic") is not None:
            raise TimestampUnavailable("the timestamp was made by somebody else than the configured authority")


def _request(digest: bytes, nonce: int) -> bytes:
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest}
    request = tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True})
    return bytes(request.dump())
