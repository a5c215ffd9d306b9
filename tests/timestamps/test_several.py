"""Several timestamp services, OpenSSL's behind a handler: one that is dead, slow or wrong delays nothing."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from asn1crypto import tsp

from hub.errors import TimestampUnavailable
from hub.settings.sections import TimestampService, TimestampSettings
from hub.timestamps.rfc3161 import PinnedService, Rfc3161Timestamps
from hub.timestamps.several import SeveralTimestamps
from tests.signing_parts import utc_now
from tests.timestamps.openssl_tsa import OpensslTsa

pytestmark = pytest.mark.custody
DATA = b"signature value"
DIGEST = hashlib.sha256(DATA).digest()
# Seconds that a busy machine may take for a timestamp.
BUSY = 60


@dataclass
class Ledger:
    """What staff were told."""

    passed_over: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    differences: list[tuple[str, timedelta]] = field(default_factory=list)

    async def away(self, services: Sequence[str], instead: str) -> None:
        if services:
            self.passed_over.append((tuple(services), instead))

    async def clock_differs(self, service: str, difference: timedelta) -> None:
        self.differences.append((service, difference))


@dataclass
class Two:
    first: OpensslTsa
    second: OpensslTsa
    told: Ledger
    http: aiohttp.ClientSession
    now: datetime = field(default_factory=utc_now)

    def services(self, deadline: float = BUSY, clock: timedelta = timedelta(0)) -> SeveralTimestamps:
        """Return both as the hub asks them. `deadline`: seconds, of the first one."""

        def now() -> datetime:
            return utc_now() + clock

        made = {
            name: Rfc3161Timestamps(
                self.http,
                PinnedService(tsa.url, [tsa.certificate], seconds),
                now,
                differs=partial(self.told.clock_differs, name),
            )
            for name, tsa, seconds in (("first", self.first, deadline), ("second", self.second, BUSY))
        }
        return SeveralTimestamps(made, now, self.told)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with AsyncExitStack() as stack:
        tsas = [await stack.enter_async_context(OpensslTsa(tmp_path / name).serving()) for name in ("one", "two")]
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Two(tsas[0], tsas[1], Ledger(), http)


def made_by(tsa: OpensslTsa, token: bytes) -> bool:
    """Return whether this service made the token, by OpenSSL's own check that trusts its certificate alone."""
    (tsa.folder / "token.der").write_bytes(token)
    (tsa.folder / "data").write_bytes(DATA)
    command = [
        "openssl",
        "ts",
        "-verify",
        "-in",
        "token.der",
        "-token_in",
        "-data",
        "data",
        "-CAfile",
        "tsa.pem",
        "-partial_chain",
    ]
    done = subprocess.run(command, cwd=tsa.folder, capture_output=True, text=True, check=False)
    return "Verification: OK" in done.stdout + done.stderr


async def test_the_first_serves_and_nobody_is_told(two: Two) -> None:
    token = await two.services().timestamp(DIGEST)
    assert made_by(two.first, token) and not made_by(two.second, token)
    assert (two.second.asked, two.told) == (0, Ledger())
    assert two.services().certificates == (two.first.certificate, two.second.certificate)


async def test_a_dead_one_is_passed_over_and_then_asked_last(two: Two) -> None:
    two.first.url = "http://127.0.0.1:9/tsr"
    services = two.services()
    assert made_by(two.second, await services.timestamp(DIGEST))
    assert two.told.passed_over == [(("first",), "second")]
    assert made_by(two.second, await services.timestamp(DIGEST))
    assert two.told.passed_over == [(("first",), "second")]  # it was not asked again


async def test_a_slow_one_is_passed_over_after_its_deadline(two: Two) -> None:
    two.first.before.clear()
    assert made_by(two.second, await two.services(deadline=1).timestamp(DIGEST))
    assert two.first.asked == 1 and two.told.passed_over == [(("first",), "second")]
    two.first.before.set()


@pytest.mark.parametrize("wrong", ["another document", "an old nonce", "another service"])
async def test_a_wrong_one_is_passed_over(two: Two, wrong: str) -> None:
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": DIGEST}
    asked = {"version": "v1", "message_imprint": imprint, "nonce": 4711, "cert_req": True}
    if wrong == "another document":
        asked["message_imprint"] = imprint | {"hashed_message": bytes(32)}
    if wrong == "another service":
        for name in ("tsa.pem", "tsa.key"):
            shutil.copy(two.second.folder / name, two.first.folder / f"{name}.other")
    else:
        two.first.mishear = bytes(tsp.TimeStampReq(asked).dump())
    services = two.services()
    if wrong == "another service":  # its certificate was replaced after it was pinned
        for name in ("tsa.pem", "tsa.key"):
            (two.first.folder / f"{name}.other").rename(two.first.folder / name)
    assert made_by(two.second, await services.timestamp(DIGEST))
    assert two.told.passed_over == [(("first",), "second")]


@pytest.mark.parametrize("minutes", [-4, 2, 4])
async def test_a_clock_that_differs_by_more_than_a_minute_is_told(two: Two, minutes: int) -> None:
    assert made_by(two.first, await two.services(clock=timedelta(minutes=minutes)).timestamp(DIGEST))
    ((service, difference),) = two.told.differences
    assert service == "first" and abs(difference + timedelta(minutes=minutes)) < timedelta(seconds=30)


async def test_a_clock_that_is_far_off_is_not_believed(two: Two) -> None:
    with pytest.raises(TimestampUnavailable, match=r"first: .*differs from our clock.*; second: .*differs"):
        await two.services(clock=timedelta(minutes=6)).timestamp(DIGEST)
    assert [service for service, _ in two.told.differences] == ["first", "second"]
    assert two.told.passed_over == [(("first", "second"), "")]


async def test_under_load_no_timestamp_is_lost_when_the_first_dies(two: Two) -> None:
    services = two.services()
    async with asyncio.timeout(60):
        before = await asyncio.gather(*(services.timestamp(DIGEST) for _ in range(4)))
        services.services["first"]._url = "http://127.0.0.1:9/tsr"  # type: ignore[attr-defined]  # as a firewall would
        after = await asyncio.gather(*(services.timestamp(DIGEST) for _ in range(8)))
    assert len(before) + len(after) == 12 and all(before + after)
    assert made_by(two.second, after[-1])


async def test_each_can_be_asked_how_it_is(two: Two) -> None:
    assert await two.services().check() == "answer: first, second"
    two.second.url = "http://127.0.0.1:9/tsr"
    with pytest.raises(TimestampUnavailable, match=r"^second: "):
        await two.services().check()


@pytest.mark.parametrize(("seconds", "differs"), [(-30, True), (-3, False), (3, False), (30, True)])
async def test_a_clock_that_is_more_than_five_seconds_off_is_told_when_they_are_asked(
    two: Two, seconds: int, differs: bool
) -> None:
    services = two.services(clock=timedelta(seconds=seconds))
    if not differs:
        assert await services.check() == "answer: first, second"
        return
    with pytest.raises(TimestampUnavailable, match=r"^first: its clock differs from ours by [-+]\d\d s: .*; second: "):
        await services.check()


def test_the_settings_of_one_service_stay_as_they_were(tmp_path: Path) -> None:
    one = TimestampSettings(kind="rfc3161", url="https://tsa.example.org", certificates=[tmp_path])
    more = [TimestampService(url="https://other.example.org", certificates=[tmp_path], deadline=3)]
    assert one.more == [] and one.model_copy(update={"more": more}).more[0].deadline == 3
    for wrong in (
        {"kind": "rfc3161", "url": "https://tsa.example.org"},
        {"kind": "builtin", "more": more},
        {"kind": "rfc3161", "url": "https://tsa.example.org", "certificates": [tmp_path], "more": [{}]},
    ):
        with pytest.raises(ValueError, match=r"timestamp service|stands alone"):
            TimestampSettings.model_validate(wrong)
