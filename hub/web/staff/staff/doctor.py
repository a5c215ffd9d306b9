"""The doctor's page for headquarters: is the hub ready to issue, and if not, what is missing?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiohttp import web

from hub.doctor import DoctorFinding, examine
from hub.errors import AccessDenied
from hub.web.http.app_keys import HUB
from hub.web.pages.doctor_words import say_found, say_part
from hub.web.pages.i18n import Translate
from hub.web.pages.render import translator
from hub.web.staff.labels import CHANNELS
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit
from hub.wiring import Hub

# How long an answer is shown again, so that nobody can flood providers by opening the page again and again.
KEPT_FOR = timedelta(seconds=30)


@dataclass
class DoctorAnswer:
    """The last examination. A request that comes during an examination waits for it."""

    findings: Sequence[DoctorFinding] = ()
    at: datetime | None = None
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get_or_examine(self, hub: Hub) -> tuple[Sequence[DoctorFinding], datetime]:
        async with self._alone:
            now = hub.services.clock()
            if self.at is None or not timedelta(0) <= now - self.at < KEPT_FOR:
                self.findings, self.at = await examine(hub), now
            return self.findings, self.at


ANSWER = web.AppKey("doctor", DoctorAnswer)


def forget_answer(app: web.Application) -> None:
    """Discard the stored answer, because something that the doctor examines has changed."""
    app[ANSWER].at = None


async def doctor(visit: StaffVisit) -> web.Response:
    if visit.scope.campuses is not None:
        raise AccessDenied("only headquarters may see the state of the hub")
    app, translate = visit.request.app, translator(visit.request)
    findings, at = await app[ANSWER].get_or_examine(app[HUB])
    async with visit.services.database.transaction(visit.shown) as tx:
        paused = await tx.pause.get()
    # Findings that need action come first.
    found = sorted(findings, key=lambda finding: (finding.well, not finding.attention))
    lines = [(each, say_part(each.part, translate), _say_words(each, translate)) for each in found]
    return await show(visit, "staff/staff/doctor.html", lines=lines, at=at, paused=paused)


def _say_words(finding: DoctorFinding, translate: Translate) -> str:
    """Return what was found, in the reader's language; channels by their names, not by those of the configuration."""
    if finding.part == "channels" and finding.well:
        named = (translate(CHANNELS.get(each, each)) for each in finding.words.split(", "))
        return translate(", ").join(named)
    return say_found(finding.words, translate)
