"""Posters and their visitors, for the tests of protocol and pages."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

from stdnum.cn import ric

from hub.lifecycle.school.posters import NewPoster, add_poster
from hub.model.school.poster import Poster, ScanStep
from hub.model.staff.scope import EVERYTHING
from qianda.client import SigningClient
from tests.running import Running
from tests.web.signer_visits import code_for

_numbers = count(1)
# Of Hefei. The first is that of `GUARDIAN_ID` and its like.
DISTRICTS = ("340104", "340102", "340103", "340111", "340121", "340122", "340123", "340124", "340181")


def cn_id(born: str, sequence: int | None = None) -> str:
    """Return an ID number that nobody has. `born`: the birthday, as 20120901. `sequence`: chosen by the test, in the
    district of its other people; by default, each call takes the next one of other districts."""
    district, number = 0, sequence
    if number is None:
        district, number = divmod(next(_numbers) + 1000, 1000)
    body = f"{DISTRICTS[district]}{born}{number:03d}"
    return body + ric.calc_check_digit(body + "0")


@dataclass
class Family:
    """A parent with a child. Each family has its own numbers."""

    parent: str = "陈建国"
    child: str = "陈小满"
    phone: str = field(default_factory=lambda: f"+861900000{next(_numbers) + 1000:04d}")
    parent_id: str = field(default_factory=lambda: cn_id("19850101"))
    child_id: str = field(default_factory=lambda: cn_id("20120901"))

    def student(self, **changes: Any) -> dict[str, Any]:
        return {"name": self.child, "id_number": self.child_id} | changes

    def guardian(self, **changes: Any) -> dict[str, Any]:
        values = {"role": "guardian", "name": self.parent, "phone": self.phone, "id_number": self.parent_id}
        return values | {"relation": "父亲"} | changes


async def make_poster(running: Running, courses: Sequence[str] = ("math-a",), **changes: Any) -> tuple[Poster, str]:
    """Make a poster of the Hefei campus. Return the poster and its ticket."""
    values: dict[str, Any] = {
        "campus": "hefei",
        "title": "寒假班报名",
        "courses": courses,
        "mode": "contract",
        "expires_at": running.clock() + timedelta(days=30),
    }
    poster = await add_poster(running.hub.services, EVERYTHING, NewPoster(**(values | changes)), "staff:test")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return poster, tx.posters.ticket(poster)


async def counts(running: Running, poster: Poster) -> list[int]:
    """Return the poster's counts: opened, code right, enrolled."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [(await tx.posters.get_counts([poster.id]))[poster.id][step] for step in ScanStep]


@contextlib.asynccontextmanager
async def admitted(running: Running, ticket: str, family: Family) -> AsyncIterator[SigningClient]:
    """Yield a client whose visitor has proved their phone."""
    async with SigningClient(running.origin) as client:
        await client.open_poster(ticket, family.phone, family.parent)
        await client.code()
        await client.verify_phone(await code_for(running, family.phone))
        yield client
