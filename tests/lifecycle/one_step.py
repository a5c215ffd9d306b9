"""One step of finalising, and no more, so that tests can act between two steps."""

from __future__ import annotations

from uuid import UUID

from hub.errors import QiandaError
from hub.lifecycle.sealing.finalise import STEPS
from hub.lifecycle.sealing.hub_step import choose_hub_step, end_run
from hub.lifecycle.services import Services
from hub.model.staff.scope import EVERYTHING


async def one_step(services: Services, contract_id: UUID) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        hub_step = await choose_hub_step(services, tx, await tx.cases.lock(contract_id))
    following = await STEPS[hub_step.kind](services, hub_step)
    if following.attempts:  # they were begun for the step that the next call takes
        async with services.database.transaction(EVERYTHING) as tx:
            await end_run(tx, following, QiandaError("not made"))
