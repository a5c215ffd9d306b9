"""Who signs for the school: the representative that is configured for a campus, or for the nearest one above it."""

from __future__ import annotations

from hub.lifecycle.services import Parts
from hub.model.contract.signer import Representative
from hub.model.staff.accounts import Scope


async def representative_at(parts: Parts, scope: Scope, campus: str) -> Representative | None:
    if not parts.representatives:
        return None
    by_campus = {each.campus: each for each in parts.representatives}
    async with parts.database.unit(scope) as unit:
        parents = {each.id: each.parent for each in await unit.school.campuses()}
    at: str | None = campus
    while at is not None and at not in by_campus:
        at = parents.get(at)
    return by_campus[at] if at is not None else None
