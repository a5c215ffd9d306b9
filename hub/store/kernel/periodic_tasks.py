"""Work that comes again and again, once for all workers: whoever finds a round of it due takes it."""

from __future__ import annotations

from datetime import timedelta

from hub.store.kernel.statement import Connection, SqlStatement

# What is due later than a whole round from now was planned before the clock was put back.
_TAKE = SqlStatement("""
INSERT INTO duty AS mine (name, due_at) VALUES (:name, clock_timestamp() + :every)
ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at
WHERE mine.due_at <= clock_timestamp() OR mine.due_at > excluded.due_at + interval '1 minute'
RETURNING name
""")


class Duties:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def take(self, name: str, every: timedelta) -> bool:
        """Whether this round is the caller's; the next one is due after `every`, by the database's own clock. A round
        that its worker does not end is followed by the next one all the same."""
        return await self._connection.scalar(_TAKE, {"name": name, "every": every}) is not None
