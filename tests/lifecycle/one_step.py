"""One step of finalising, and no more, so that tests can act between two steps."""

from __future__ import annotations

from uuid import UUID

from hub.errors import QiandaError
from hub.lifecycle.sealing.finalise import STEPS
from hub.lifecycle.sealing.work import choose_work, end_run
from hub.lifecycle.services import Services
from hub.model.staff.scope import EVERYTHING


async def one_step(services: Services, contract_id: UUID) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        work = await choose_work(services, tx, await tx.cases.lock(contract_id))
    following = await STEPS[work.step](services, work)
    if following.attempts:  # they were begun for the step that the next call takes
        async with services.database.transaction(EVERYTHING) as tx:
            await end_run(tx, following, QiandaError("not made"))
