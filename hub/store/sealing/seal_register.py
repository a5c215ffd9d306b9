"""The register of the uses of seals. Lines are added and ended, but never deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, select, text, tuple_

from hub.errors import SealNotFound
from hub.model.sealing.seal_use import EndedUse, SealAsk, SealRules, SealUse, UseOutcome
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.kernel.statement import SqlStatement
from hub.store.kernel.waiting_writes import AFTER_WRITES
from hub.store.sealing.seals import read_candidate, read_seal
from hub.store.tables.sealing import SEAL, SEAL_GRANT as GRANT, SEAL_USE as USE

# Lines of the register that are in memory at a time while it is exported.
LINES_AT_ONCE = 500
_COLUMNS = tuple(SealUse.__dataclass_fields__)
_CHANGING = ("seal_grant", "document_sha256", "outcome", "reason", "tries", "ended_at")
_PUT = insert_many(
    USE, _COLUMNS, f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _CHANGING)}"
)
_IDS = bindparam("uses", type_=ARRAY(Uuid()))
_KNOWN = SqlStatement(select(USE).where(USE.c.id == any_(_IDS)))
_END_TEXT = (
    "UPDATE seal_use SET outcome = given.outcome, reason = given.reason, ended_at = :at, result_sha256 = given.result"
    " FROM unnest(CAST(:uses AS uuid[]), CAST(:outcomes AS text[]), CAST(:reasons AS text[]), CAST(:results AS text[]))"
    " AS given (use, outcome, reason, result) WHERE seal_use.id = given.use AND seal_use.outcome = 'attempt'"
)
_END = SqlStatement(_END_TEXT)
_END_FAILED = SqlStatement(f"{_END_TEXT} RETURNING seal_use.*")
_HAS_ATTEMPTS = SqlStatement(
    text(
        "SELECT EXISTS (SELECT FROM seal_use AS line JOIN seal_grant AS own ON own.id = line.seal_grant"
        " WHERE line.seal = :seal AND line.begun_at > :since AND line.outcome = 'attempt'"
        " AND own.grantee_kind || ':' || own.grantee = ANY(:grantees))"
    ).bindparams(bindparam("grantees", type_=ARRAY(Text)))
)


_HELD = (("its_seal", SEAL), ("its_grant", GRANT), ("its_use", USE))
_PARTS = [f'({part})."{column.name}" AS {part}_{column.name}' for part, table in _HELD for column in table.c]
_HOLD = SqlStatement(
    f"SELECT {', '.join(_PARTS)}, grant_distance"  # noqa: S608 - columns of ours
    f" FROM lock_seal_for_use(CASE WHEN {AFTER_WRITES} THEN CAST(:seal AS uuid) END,"
    " CAST(:grantees AS text[]), :campus, CAST(:uses AS uuid[]))"
)


class SealRegister(Repository):
    async def hold(self, asked: SealAsk, uses: Collection[UUID]) -> tuple[SealRules, dict[UUID, SealUse]]:
        """Return a seal for its use, its grants to the grantees who ask, and the existing lines among these ids.

        Changes of the seal, and uses of the grants that have a limit, wait until this transaction ends. The
        transaction's scope must be all campuses. Raises SealNotFound.
        """
        values = {"seal": asked.seal, "grantees": sorted(str(each) for each in asked.grantees)}
        rows = await self._connection.lock_after_writes(_HOLD, values | {"campus": asked.campus, "uses": list(uses)})
        parts: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in _HELD}
        for row in rows:
            name, table = next((name, table) for name, table in _HELD if row[f"{name}_id"] is not None)
            values = {column.name: row[f"{name}_{column.name}"] for column in table.c}
            parts[name].append(values | {"distance": row["grant_distance"]})
        if not parts["its_seal"]:
            raise SealNotFound
        candidates = tuple(map(read_candidate, sorted(parts["its_grant"], key=itemgetter("id"))))
        known = {values["id"]: _use(values) for values in parts["its_use"]}
        return SealRules(read_seal(parts["its_seal"][0]), candidates), known

    async def get_known(self, uses: Collection[UUID]) -> dict[UUID, SealUse]:
        """Return the lines that exist among these ids."""
        rows = await self._connection.execute(_KNOWN, {"uses": list(uses)})
        return {row["id"]: _use(row) for row in rows}

    async def put(self, uses: Sequence[SealUse]) -> None:
        """Write lines. If a line exists, update the values that a new try changes."""
        lines = [vars(use) | {"outcome": use.outcome.value} for use in uses]
        await self._connection.write(_PUT, arrays_of(_COLUMNS, lines))

    async def end(self, ended: Sequence[EndedUse], at: datetime) -> list[SealUse]:
        """End attempts. Return those that were open, if any of these uses failed: they may have to be given back."""
        outcomes = [UseOutcome.SEALED.value if use.failure is None else UseOutcome.FAILED.value for use in ended]
        values = {"at": at, "uses": [use.use for use in ended], "outcomes": outcomes}
        values |= {"reasons": [use.failure for use in ended], "results": [use.result_sha256 for use in ended]}
        if all(use.failure is None for use in ended):
            await self._connection.write(_END, values)
            return []
        return [_use(row) for row in await self._connection.write_now(_END_FAILED, values)]

    async def has_attempts(self, asked: SealAsk, since: datetime) -> bool:
        """Return whether a use of this seal by these grantees, first begun after `since`, is an open attempt."""
        values = {"seal": asked.seal, "since": since, "grantees": sorted(str(each) for each in asked.grantees)}
        return bool((await self._connection.execute(_HAS_ATTEMPTS, values)).one()[0])

    async def list_of_seal(self, seal: UUID, limit: int = 100, before: SealUse | None = None) -> list[SealUse]:
        """Return lines of a seal, newest first. `before`: only lines that are older than this one."""
        statement = select(USE).where(USE.c.seal == seal)
        if before is not None:
            statement = statement.where(tuple_(USE.c.begun_at, USE.c.id) < (before.begun_at, before.id))
        newest = statement.order_by(USE.c.begun_at.desc(), USE.c.id.desc()).limit(limit)
        return [_use(row) for row in await self._connection.execute(newest)]

    async def list_uses(self, seal: UUID | None, since: datetime, until: datetime) -> AsyncIterator[SealUse]:
        """Yield the lines of a seal, or of all within the scope, that began in this period, oldest first."""
        period = (USE.c.begun_at >= since) & (USE.c.begun_at < until)
        wanted = period if seal is None else period & (USE.c.seal == seal)
        statement = select(USE).where(wanted).order_by(USE.c.begun_at, USE.c.id)
        async for row in self._connection.stream(statement, {}, LINES_AT_ONCE):
            yield _use(row)


def _use(row: Row | Mapping[str, Any]) -> SealUse:
    return SealUse(**{name: row[name] for name in _COLUMNS} | {"outcome": UseOutcome(row["outcome"])})
