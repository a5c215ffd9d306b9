"""Place and lift legal holds. Nothing of a held contract is erased. The record says who held it, why and until when."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from hub.errors import BadInput, NotFound, Refused
from hub.lifecycle.services import Services
from hub.model.evidence.legal_hold import LegalHold
from hub.model.staff.scope import Scope
from hub.store.transaction import Transaction


async def place_hold(
    services: Services, scope: Scope, contract_id: UUID, why: tuple[str, datetime | None], actor: str
) -> LegalHold:
    """Hold a contract. `why`: the reason, and when the hold ends by itself (None: never). Raises BadInput,
    ContractNotFound."""
    reason, until = why
    if not reason.strip():
        raise BadInput("a reason is needed: it is recorded", field="reason")
    async with services.database.transaction(scope) as tx:
        if until is not None and until <= tx.now:
            raise BadInput("the hold has to end in the future", field="until")
        contract = await tx.contracts.lock_contract(contract_id)
        hold = LegalHold(uuid4(), contract.id, contract.campus, reason.strip(), actor, tx.now, until)
        await tx.holds.add(hold)
        facts = {"hold": str(hold.id), "reason": hold.reason, "until": until.isoformat() if until else ""}
        await tx.record.append(contract.id, contract.campus, "hold-placed", actor, facts)
    return hold


async def lift_hold(services: Services, scope: Scope, contract_id: UUID, reason: str, actor: str) -> int:
    """Lift all holds of a contract. Return how many. Raises BadInput, ContractNotFound, NotFound if it has none."""
    if not reason.strip():
        raise BadInput("a reason is needed: it is recorded", field="reason")
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.lock_contract(contract_id)
        active = [hold for hold in await tx.holds.list_active(tx.now) if hold.contract == contract.id]
        if not active:
            raise NotFound("the contract is not held")
        for hold in active:
            await tx.holds.lift(hold.id, actor, tx.now)
            facts = {"hold": str(hold.id), "reason": reason.strip()}
            await tx.record.append(contract.id, contract.campus, "hold-lifted", actor, facts)
    return len(active)


async def refuse_if_held(tx: Transaction, contract: UUID) -> None:
    """Raise Refused if the contract, which the caller has locked, is held."""
    if hold := (await tx.holds.list_of([contract], tx.now)).get(contract):
        zone = (await tx.school.get_campus(hold.campus)).zone
        raise Refused(f"nothing of this contract can be erased: {hold.describe(zone)}")
