"""The tree of campuses, also if somebody wrote a wrong one into the database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.model.school.course import Campus
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.transaction import Database
from tests.database import Dsns

PARENTS = {"hq": None, "hefei": "hq", "feixi": "hefei"}


@pytest.mark.parametrize(
    ("parents", "above"),
    [
        (PARENTS, ["feixi", "hefei", "hq"]),
        (PARENTS | {"hq": "feixi"}, ["feixi", "hefei", "hq", "feixi"]),
    ],
    ids=["a tree", "a cycle"],
)
async def test_the_campuses_above_a_campus_have_an_end(
    database: Dsns, tmp_path: Path, parents: dict[str, str | None], above: list[str]
) -> None:
    store = Database(database.app, Keys.load_or_create(tmp_path / "master.key"), lambda: datetime.now(UTC))
    async with store.transaction(EVERYTHING) as tx:
        for campus, parent in (*PARENTS.items(), *parents.items()):  # a parent has to be there first
            await tx.school.put_campus(Campus(campus, parent, campus, campus, "Asia/Shanghai"))
        assert await tx.school.list_campuses_above("feixi") == above
    await store.close()
