"""The list of enrolments with fifty thousand of them: each search and each page by an index."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hub.model.school.enrolment_list import EnrolmentFilter, EnrolmentPage, EnrolmentState
from hub.model.school.roster_import import RosterImport
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.encryption.keys import Keys
from hub.store.kernel.connection import Connection, Rows
from hub.store.kernel.statement import SqlStatement
from hub.store.school.enrolments import PEOPLE as SEALED
from hub.store.transaction import STATEMENT_TIMEOUT, Database
from tests.database import Dsns, tamper
from tests.running import prepare_school

ROWS = 50_000
HEFEI, XIANGTAN = Scope(frozenset({"hefei"})), Scope(frozenset({"xiangtan"}))
# Nine of ten are in one campus, half of them have a contract, one of a hundred was changed.
FILL = """
INSERT INTO enrolment (id, campus, course, student_name, student_hash, people_sealed, external_id, contract, created_at,
  changed_at)
SELECT id, CASE WHEN n % 10 = 0 THEN 'beijing' ELSE 'hefei' END,
  CASE WHEN n % 3 = 0 THEN 'math-a' ELSE 'english-b' END, chr(19968 + n % 500) || '小满' || n, int4send(n),
  sealed, '2026-' || n, CASE WHEN n % 2 = 0 THEN gen_random_uuid() END, now(),
  CASE WHEN n % 101 = 0 THEN now() END
FROM (
  SELECT id, sealed, n::integer FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS given (id, sealed, n)
) AS made
"""
PHONES = "INSERT INTO enrolment_phone SELECT sha256(int4send((place / 2)::integer)), id, campus FROM enrolment"
PEOPLE = {"student": {}, "signers": [{"phone": "+8619000000101"}]}
LISTS: Mapping[str, tuple[Scope, EnrolmentFilter, EnrolmentPage]] = {
    "first page": (EVERYTHING, EnrolmentFilter(EnrolmentState.WAITING), EnrolmentPage()),
    "last page": (EVERYTHING, EnrolmentFilter(), EnrolmentPage(after=ROWS - 60)),
    "newest first": (HEFEI, EnrolmentFilter(EnrolmentState.ISSUED), EnrolmentPage(newest=True)),
    "changed": (HEFEI, EnrolmentFilter(EnrolmentState.CHANGED), EnrolmentPage()),
    "a campus with none": (XIANGTAN, EnrolmentFilter(EnrolmentState.WAITING), EnrolmentPage()),
    "course": (HEFEI, EnrolmentFilter(course=("hefei", "math-a")), EnrolmentPage(after=9000)),
    "no such course": (HEFEI, EnrolmentFilter(course=("hefei", "go")), EnrolmentPage()),
    "name": (HEFEI, EnrolmentFilter(search="丁小满"), EnrolmentPage()),
    "no such name": (HEFEI, EnrolmentFilter(search="龘"), EnrolmentPage()),
    "number": (HEFEI, EnrolmentFilter(search="2026-4711"), EnrolmentPage()),
    "phone": (HEFEI, EnrolmentFilter(search="19000000101"), EnrolmentPage()),
}


async def filled(dsns: Dsns, folder: Path) -> Database:
    database = Database(dsns.app, Keys.load_or_create(folder / "master.key"), lambda: datetime.now(UTC))
    await prepare_school(database)
    async with database.transaction(EVERYTHING) as tx:
        ids = [uuid4() for _ in range(ROWS)]
        await tx.connection.fetch(FILL, ids, [tx.cipher.encrypt_json(PEOPLE, SEALED.at(each)) for each in ids])
        await tx.connection.fetch(PHONES)
        mine = "UPDATE enrolment_phone SET phone_hash = $1 FROM enrolment WHERE id = enrolment AND place = 77"
        await tx.connection.fetch(mine, tx.cipher.found_by("phone", "+8619000000101"))
    for table in ("enrolment", "enrolment_phone"):
        await tamper(dsns.app, f"ANALYZE {table}")
    return database


@pytest.mark.real
async def test_every_list_uses_an_index(
    database: Dsns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Callable[..., None]
) -> None:
    store = await filled(database, tmp_path)
    asked: list[tuple[SqlStatement, Mapping[str, Any]]] = []
    execute = Connection.execute

    async def noted(self: Connection, statement: Any, values: Mapping[str, Any] = {}) -> Rows:
        known = isinstance(statement, SqlStatement)
        made = statement if known else SqlStatement(statement, values or None, is_once=True)
        asked.append((made, values))
        return await execute(self, made, values)

    monkeypatch.setattr(Connection, "execute", noted)
    slowest = 0.0
    for name, (scope, wanted, page) in LISTS.items():
        async with store.transaction(scope) as tx:
            await tx.enrolments.list_page(wanted, page)  # plans and caches
            asked.clear()
            begun = time.perf_counter()
            lines = await tx.enrolments.list_page(wanted, page)
            ((made, values),) = asked
            count = await tx.enrolments.count(wanted, 10_001)  # which reads no further than that
            took = (time.perf_counter() - begun) * 1000
            plan = await tx.connection.fetch(f"EXPLAIN {made.sql}", *made.arguments(values))
        text = "\n".join(row[0] for row in plan)
        assert "Seq Scan on enrolment" not in text, f"{name}\n{text}"
        slowest = max(slowest, took)
        assert (len(lines) == 0) == (count == 0) == (name in ("a campus with none", "no such course", "no such name"))
    figures(slowest_ms=slowest)
    await store.close()


@pytest.mark.real
async def test_fifty_thousand_are_undone_in_one_transaction(
    database: Dsns, tmp_path: Path, figures: Callable[..., None]
) -> None:
    """The half with a contract stays, and so do those that were changed."""
    store, roster_import = await filled(database, tmp_path), uuid4()
    async with store.transaction(EVERYTHING) as tx:
        await tx.roster_imports.begin(RosterImport(roster_import, "hefei", "staff:x", "a.csv", tx.now))
        await tx.connection.fetch("UPDATE enrolment SET roster_import = $1", roster_import)
    begun = time.perf_counter()
    async with store.transaction(EVERYTHING) as tx:
        removed = await tx.roster_imports.delete_unused(roster_import)
        kept = await tx.roster_imports.count_kept(roster_import)
    took = time.perf_counter() - begun
    assert removed + kept == ROWS and ROWS / 2 < kept < ROWS * 0.51
    figures(undone_seconds=took)
    assert took < STATEMENT_TIMEOUT / 3, "a statement is cut off after its timeout"
    await store.close()
