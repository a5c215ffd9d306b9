"""One transaction for the steps of many tasks. What they are going to ask is read ahead, in a few statements for all of
them; what they write is kept, and brought out together.

The steps run one after the other, and each of them reads and writes as if it were alone: a question that was not
foreseen first brings out what is kept, and a change that was not foreseen ends all foresight. Whatever goes wrong
undoes the whole transaction; then each step is run in one of its own, which decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import Any

from sqlalchemy import Executable, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.model.messaging.budget import KINDS

# In the order of KINDS, as a single message is counted: two who spend never wait for each other.
SPEND_TOGETHER = text("""
INSERT INTO budget AS had (kind, subject, begins_at, spent)
SELECT kind, subject, begins_at, times
FROM unnest(CAST(:kinds AS text[]), CAST(:subjects AS text[]), CAST(:begins AS timestamptz[]), CAST(:times AS int[]),
            CAST(:mosts AS int[])) WITH ORDINALITY AS asked (kind, subject, begins_at, times, most, place)
WHERE times <= most
ORDER BY place
ON CONFLICT (kind, subject, begins_at) DO UPDATE SET spent = had.spent + excluded.spent
WHERE had.spent + excluded.spent <= (CAST(:mosts AS int[]))[array_position(CAST(:kinds AS text[]), had.kind)]
RETURNING kind
""")


class NotTogether(Exception):
    """These steps cannot be run in one transaction: each has to be run alone."""


class Joint(AsyncConnection):
    """`known` is what was read ahead, by kind and key: whoever finds nothing there asks the database."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection.engine, connection.sync_connection)
        self.known: dict[tuple[str, Hashable], Any] = {}
        self.pending: dict[Hashable, dict[str, Any]] = {}
        """Rows that are kept and not yet brought out, by their id: they can still be changed."""
        self._kept: dict[int, tuple[Executable, list[Mapping[str, Any]]]] = {}
        self._spent: defaultdict[tuple[str, str, Any, int], int] = defaultdict(int)

    def get(self, kind: str, key: Hashable) -> Any:
        """None: it was not read ahead."""
        return self.known.get((kind, key))

    def put(self, kind: str, key: Hashable, value: Any) -> None:
        self.known[kind, key] = value

    def forget(self, kind: str, key: Hashable) -> None:
        self.known.pop((kind, key), None)

    def keep(self, statement: Executable, values: Mapping[str, Any]) -> None:
        """To be written at the end; rows of one statement go together. Only what nobody has to look at the outcome
        of."""
        self._kept.setdefault(id(statement), (statement, []))[1].append(values)

    def keep_once(self, statement: Executable) -> None:
        self._kept[id(statement)] = (statement, [{}])

    def spend(self, kind: str, subject: str, begins_at: Any, most: int) -> None:
        """Counted at the end; where that is too much, nothing of all this happens."""
        self._spent[kind, subject, begins_at, most] += 1

    async def bring_out(self) -> None:
        """Write what is kept. Raises NotTogether when a budget does not suffice for all."""
        spent, self._spent = self._spent, defaultdict(int)
        kept, self._kept = self._kept, {}
        self.pending.clear()
        if spent:
            await self._spend(spent)
        for statement, values in kept.values():
            await super().execute(statement, values if len(values) > 1 else dict(values[0]))

    async def _spend(self, spent: Mapping[tuple[str, str, Any, int], int]) -> None:
        ordered = sorted(spent, key=lambda each: (KINDS.index(each[0]), *each[1:]))
        values = {
            "kinds": [kind for kind, *_ in ordered],
            "subjects": [subject for _, subject, *_ in ordered],
            "begins": [begins for _, _, begins, _ in ordered],
            "mosts": [most for *_, most in ordered],
            "times": [spent[each] for each in ordered],
        }
        if len((await super().execute(SPEND_TOGETHER, values)).all()) < len(spent):
            raise NotTogether("a budget is used up")

    async def aside(self, statement: Executable, values: Mapping[str, Any]) -> Any:
        """Of tables that nothing kept or foreseen is about."""
        return await super().execute(statement, values)

    async def execute(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        await self.bring_out()
        if not getattr(statement, "is_select", False):
            self.known.clear()
        return await super().execute(statement, *arguments, **options)

    async def exec_driver_sql(self, statement: str, *arguments: Any, **options: Any) -> Any:
        await self.bring_out()
        self.known.clear()
        return await super().exec_driver_sql(statement, *arguments, **options)


def joint(connection: AsyncConnection) -> Joint | None:
    return connection if isinstance(connection, Joint) else None


async def write(connection: AsyncConnection, statement: Executable, values: Mapping[str, Any]) -> None:
    """Now, or together with those of others; nobody asks for the outcome."""
    if isinstance(connection, Joint):
        connection.keep(statement, values)
    else:
        await connection.execute(statement, dict(values))
