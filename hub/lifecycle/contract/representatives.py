"""The school's representative, as configured for a campus or for the nearest campus above it."""

from __future__ import annotations

from hub.lifecycle.services import Services
from hub.model.contract.signer import Representative
from hub.store.transaction import Transaction


async def representative_at(services: Services, tx: Transaction, campus: str) -> Representative | None:
    if not services.documents.representatives:
        return None
    by_campus = {each.campus: each for each in services.documents.representatives}
    parents = {each.id: each.parent for each in await tx.school.list_campuses()}
    at: str | None = campus
    while at is not None and at not in by_campus:
        at = parents.get(at)
    return by_campus[at] if at is not None else None
