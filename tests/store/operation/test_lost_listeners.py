"""A worker's loop whose listening connection is gone ends with an error, so that it is started again and listens."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import quiet_hub
from tests.running import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
_END_LISTENER = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'LISTEN %' AND state = 'idle'
"""


@pytest.mark.parametrize("name", ["remind", "listen_for_callbacks"])
async def test_a_loop_that_cannot_hear_any_more_does_not_go_on(name: str) -> None:
    async with quiet_hub() as running:
        worker, stop = running.worker, asyncio.Event()
        loops = {"remind": worker.due_steps.remind, "listen_for_callbacks": worker.callbacks.listen_for_callbacks}
        loop = asyncio.create_task(loops[name](stop))

        async def is_ended() -> bool:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                return bool(await tx.connection.scalar(text(_END_LISTENER)))

        await until(is_ended)
        done, _ = await asyncio.wait({loop}, timeout=30)
        stop.set()
        assert done
        with pytest.raises(ConnectionError):
            await loop
