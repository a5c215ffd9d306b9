"""One step of finalising, and no more, so that tests can act between two steps."""

from __future__ import annotations

from uuid import UUID

from hub.lifecycle.sealing.finalise import STEPS
from hub.lifecycle.sealing.work import choose_work
from hub.lifecycle.services import Services
from hub.model.staff.accounts import EVERYTHING


async def one_step(services: Services, contract_id: UUID) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        work = await choose_work(services, tx, await tx.cases.lock(contract_id))
    following = await STEPS[work.step](services, work)
    if following.attempt is not None:  # it was begun for the step that the next call takes
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.signatures.end_attempt(following.attempt, tx.now, failure="not made")
