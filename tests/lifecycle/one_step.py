"""One step of finalising, and no more: what is between two steps can be tried so."""

from __future__ import annotations

from uuid import UUID

from hub.lifecycle.sealing.finalise import STEPS, _choose
from hub.lifecycle.services import Services
from hub.model.staff.accounts import EVERYTHING


async def one_step(services: Services, contract_id: UUID) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        work = await _choose(services, tx, await tx.contracts.locked(contract_id))
    await STEPS[work.step](services, work)
