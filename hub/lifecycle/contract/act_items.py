"""Carry out an act on many contracts or enrolments item by item, so that one bad item does not stop the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from hub.errors import QiandaError, Unavailable
from hub.lifecycle.services import Services
from hub.model.staff.scope import EVERYTHING
from hub.store.kernel.act_items import ActItems
from hub.store.transaction import Transaction

# Items that one job carries out: a worker that has to stop waits for its job to end.
AT_A_TIME = 20
# An item that was tried more often than this probably crashes the process that tries it.
MAX_TRIES = 5
log = structlog.get_logger()


async def carry_out_item(
    services: Services,
    items: Callable[[Transaction], ActItems],
    item: tuple[UUID, UUID],
    attempt: Callable[[], Awaitable[bool]],
    give_up: Callable[[QiandaError], Awaitable[None]],
) -> None:
    """Carry out an act on one item, or call `give_up` with the reason why not. Raises Unavailable.

    `item`: the act and its contract or enrolment. `attempt` returns False if somebody changed the item meanwhile, and
    is then called again.
    """
    done = False
    while not done:
        async with services.database.transaction(EVERYTHING) as tx:
            tries = await items(tx).count_try(*item)
        if tries is None:
            return
        try:
            if tries > MAX_TRIES:
                raise QiandaError
            done = await attempt()
        except Unavailable:  # the job goes on later
            async with services.database.transaction(EVERYTHING) as tx:
                await items(tx).forget_try(*item)
            raise
        except QiandaError as error:
            await give_up(error)
            done = True
        except Exception:
            log.exception("one item of an act failed", act=str(item[0]), item=str(item[1]))
            await give_up(QiandaError())
            done = True
