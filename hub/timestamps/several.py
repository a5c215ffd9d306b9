"""Use several timestamp services: one that fails or is slow is skipped, and staff are told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from asn1crypto import cms, tsp

from hub.errors import TimestampUnavailable
from hub.model.messaging.cooldown import Cooldowns
from hub.timestamps import TimestampAuthority


class Warnings(Protocol):
    """The part that tells staff about services in trouble."""

    async def away(self, services: Sequence[str], instead: str) -> None:
        """Report services that gave no timestamp. `instead`: the service that gave it; empty if none did."""
        ...

    async def clock_differs(self, service: str, difference: timedelta) -> None: ...


# `qianda doctor` reports a clock that differs by more.
MAX_CLOCK_DIFFERENCE = timedelta(seconds=5)


class SeveralTimestamps:
    """Services that are tried in turn: the first of `services` (by name), and the next if that raises
    TimestampUnavailable.

    Each service checks its own answers. `certificates` identifies all of them to validators.
    """

    def __init__(
        self, services: Mapping[str, TimestampAuthority], clock: Callable[[], datetime], warnings: Warnings
    ) -> None:
        self.services = dict(services)
        self.certificates = tuple(
            dict.fromkeys(each for service in self.services.values() for each in service.certificates)
        )
        self._clock, self._warnings, self._cooldowns = clock, warnings, Cooldowns()

    async def timestamp(self, digest: bytes) -> bytes:
        """Return the first token that a service gives. Raises TimestampUnavailable, with every reason, if none does."""
        failures: dict[str, str] = {}
        for name in self._cooldowns.sort_by_cooldown(list(self.services), self._clock()):
            try:
                token = await self.services[name].timestamp(digest)
            except TimestampUnavailable as error:
                self._cooldowns.record_failure(name, self._clock())
                failures[name] = str(error)
                continue
            self._cooldowns.record_success(name)
            await self._warnings.away(list(failures), name)
            return token
        await self._warnings.away(list(failures), "")
        raise TimestampUnavailable("; ".join(f"{name}: {reason}" for name, reason in failures.items()))

    async def check(self) -> str:
        """Ask each service. Raises TimestampUnavailable that names those that fail, or whose clock is off."""
        failures = []
        for name, service in self.services.items():
            asked_at = self._clock()
            try:
                said = _time_in(await service.timestamp(hashlib.sha256(b"are you there").digest()))
                difference = said - min(max(said, asked_at), self._clock())
                if abs(difference) > MAX_CLOCK_DIFFERENCE:
                    seconds = f"{difference.total_seconds():+.0f} s"
                    failures.append(f"{name}: its clock differs from ours by {seconds}: set up time synchronisation")
            except TimestampUnavailable as error:
                failures.append(f"{name}: {error}")
        if failures:
            raise TimestampUnavailable("; ".join(failures))
        return f"answer: {', '.join(self.services)}"


def _time_in(token: bytes) -> datetime:
    info = cms.ContentInfo.load(token)["content"]["encap_content_info"]["content"].parsed
    assert isinstance(info, tsp.TSTInfo)
    moment: datetime = info["gen_time"].native
    return moment
