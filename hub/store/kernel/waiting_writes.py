"""Keep writes for a moment, so that several of them become one statement.

Most transactions end with a handful of writes, none of which reads what another one writes. PostgreSQL runs them as
parts of one statement (`WITH … AS (UPDATE …)`), which saves a round trip, and its overhead, for each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from hub.store.kernel.statement import SqlStatement, move_places

_TABLE = re.compile(r'\s*(INSERT INTO|UPDATE|DELETE FROM) "?(\w+)')
_WITH = re.compile(r"\s*WITH\b(?! RECURSIVE)")
# Stands in the text of a statement that locks, for a condition that is true once all kept writes have been done.
AFTER_WRITES = "true /* after writes */"
# Tables that the row-level security policies of other tables read. Every later read has to see writes to these tables.
_SEEN_BY_POLICIES = {"contract", "signer", "signing_task"}
# For a table, another table that its writes change (by a trigger), or a view through which it is read.
_CHANGED_WITH = {"record_entry": "record_head", "staff": "staff_directory"}


class WaitingWrites:
    """The writes of one transaction that have not run yet.

    The parts of one statement do not see each other and have no fixed order. So an UPDATE or DELETE is never combined
    with an earlier write to the same table, nor an INSERT with an earlier DELETE from it or a different INSERT into it.
    Rows of the same INSERT are combined.
    """

    def __init__(self) -> None:
        self._arguments: dict[SqlStatement, list[Any]] = {}
        self._kinds: dict[str, str] = {}
        self._channels: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._arguments or self._channels)

    def add(self, statement: SqlStatement, values: Mapping[str, Any]) -> bool:
        """Keep this write. Return False, without keeping it, if the writes kept before have to run first."""
        arguments = statement.arguments(values)
        if statement.takes_arrays and (known := self._arguments.get(statement)):
            self._arguments[statement] = [[*old, *new] for old, new in zip(known, arguments, strict=True)]
            return True
        kind, table = read_write(statement.sql)
        before = self._kinds.get(table)
        if before is not None and (before, kind) != ("UPDATE", "INSERT INTO"):
            return False
        self._kinds[table] = kind
        self._arguments[statement] = arguments
        return True

    def may_wait_longer(self, statement: SqlStatement) -> bool:
        """Return whether these writes can still run after this statement: it locks nothing, so that the order of locks
        stays the same, and reads none of their tables. A DELETE never waits longer, because it may also delete rows of
        other tables."""
        if not statement.only_reads or "DELETE FROM" in self._kinds.values():
            return False
        changed = self._kinds.keys() | {other for table, other in _CHANGED_WITH.items() if table in self._kinds}
        return changed.isdisjoint(_SEEN_BY_POLICIES) and changed.isdisjoint(statement.words)

    def add_notify(self, channel: str) -> None:
        """Keep a NOTIFY on this channel, which is sent at the commit."""
        self._channels[channel] = None

    def take(self) -> tuple[str, list[Any]]:
        """Return all kept writes as one statement with its arguments. The last write is the main part."""
        parts = self._take_parts()
        if self._channels:
            parts.append(("SELECT " + ", ".join(f"pg_notify('{channel}', '')" for channel in self._channels), []))
            self._channels = {}
        return _joined(parts)

    def take_with(self, statement: SqlStatement, values: Mapping[str, Any]) -> tuple[str, list[Any]] | None:
        """Return all kept writes as one statement, in which this one is the main part; None if they must run before."""
        if statement in self._arguments or not self.add(statement, values):
            return None
        return _joined(self._take_parts())

    def take_with_text(self, sql: str, arguments: Sequence[Any]) -> tuple[str, list[Any]]:
        """Return all kept writes as one statement whose main part is this text, which writes to none of our tables."""
        return _joined([*self._take_parts(), (sql, list(arguments))])

    def take_before(self, statement: SqlStatement, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Return all kept writes and this statement, which has AFTER_WRITES, as one. The writes are done before it."""
        parts = self._take_parts()
        counts = " + ".join(f"(SELECT count(*) FROM write_{place})" for place in range(len(parts)))  # noqa: S608 - names of ours
        counted = [(f"{sql} RETURNING 1", arguments) for sql, arguments in parts]
        sql = statement.sql.replace(AFTER_WRITES, f"{counts} >= 0") if parts else statement.sql
        return _joined([*counted, (sql, statement.arguments(values))])

    def _take_parts(self) -> list[tuple[str, list[Any]]]:
        parts = [(statement.sql, arguments) for statement, arguments in self._arguments.items()]
        self._arguments, self._kinds = {}, {}
        return parts


def read_write(sql: str) -> Sequence[str]:
    """Return the command and the table of a plain INSERT, UPDATE or DELETE. Raises ValueError for any other text."""
    found = _TABLE.match(sql)
    if found is None:
        raise ValueError("no INSERT, UPDATE or DELETE")
    return found.groups()


def _joined(parts: Sequence[tuple[str, list[Any]]]) -> tuple[str, list[Any]]:
    sql = join(tuple((text, len(arguments)) for text, arguments in parts))
    return sql, [value for _, arguments in parts for value in arguments]


@lru_cache(maxsize=300)
def join(parts: Sequence[tuple[str, int]]) -> str:
    """Return the text that joins these statements. Each comes with the number of its arguments."""
    texts, before = [], 0
    for sql, number in parts:
        texts.append(move_places(sql, before))
        before += number
    *others, last = texts
    if not others:
        return last
    its_own = _WITH.match(last)
    following = f", {last[its_own.end() :]}" if its_own else f" {last}"
    return "WITH " + ", ".join(f"write_{place} AS ({sql})" for place, sql in enumerate(others)) + following
