"""Periodic tasks. Each round is done once, by the worker that takes it first."""

from __future__ import annotations

from datetime import timedelta

from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement

# A round due more than a whole interval from now was planned before the clock was set back, so it is also taken.
_TAKE = SqlStatement("""
INSERT INTO duty AS mine (name, due_at) VALUES (:name, clock_timestamp() + :every)
ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at
WHERE mine.due_at <= clock_timestamp() OR mine.due_at > excluded.due_at + interval '1 minute'
RETURNING name
""")


class TaskTimes(Repository):
    async def take(self, name: str, every: timedelta) -> bool:
        """Return whether the caller has to do this round. The next round is due after `every`, by the database's clock.

        It becomes due even if the worker does not finish this round.
        """
        return await self._connection.scalar(_TAKE, {"name": name, "every": every}) is not None
