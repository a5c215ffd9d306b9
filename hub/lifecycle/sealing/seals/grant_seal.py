"""Grants: who may use a seal, where, for which templates, until when and how often."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from hub.errors import BadInput, NotFound, SealMoveNotAllowed
from hub.lifecycle.contract.template_in_force import list_all_in_force
from hub.lifecycle.sealing.seals.manage_seals import record_seal_act
from hub.lifecycle.services import Services
from hub.model.school.entered_day import LAST_YEAR
from hub.model.sealing.seal import SealState
from hub.model.sealing.seal_grant import NEW_GRANTEE_KINDS, Grantee, GranteeKind, SealGrant
from hub.model.staff.scope import Actor
from hub.store.transaction import Transaction

MAX_USES = 100_000_000
MAX_TEMPLATES = 50
# States in which a seal can be granted: from when it is made until it is revoked or archived.
_STATES_TO_GRANT_IN = (SealState.MADE, SealState.ACTIVE, SealState.SUSPENDED)


@dataclass(frozen=True)
class NewGrant:
    """Input for a new grant, not validated. `grantee`: the name of an API key; empty for contracts."""

    grantee_kind: str
    grantee: str
    campus: str
    templates: Sequence[str] = ()
    expires_at: datetime | None = None
    max_uses: int | None = None


async def grant_seal(services: Services, keeper: Actor, seal_id: UUID, asked: NewGrant) -> SealGrant:
    """Grant the use of a seal. Raises as `add_grant` does."""
    async with services.database.transaction(keeper.scope) as tx:
        return await add_grant(tx, services, keeper, seal_id, asked)


async def add_grant(tx: Transaction, services: Services, keeper: Actor, seal_id: UUID, asked: NewGrant) -> SealGrant:
    """Grant the use of a seal in this transaction. Raises SealNotFound, SealMoveNotAllowed, BadInput with the field."""
    known = [each.id for each in await list_all_in_force(services, tx)] if asked.templates else []
    templates = _check_templates(known, asked.templates)
    if asked.max_uses is not None and not 0 < asked.max_uses <= MAX_USES:
        raise BadInput(f"a number from 1 to {MAX_USES}", field="max_uses")
    if asked.expires_at is not None and (asked.expires_at <= tx.now or asked.expires_at.year > LAST_YEAR):
        raise BadInput("a moment in the future", field="expires_at")
    if not keeper.scope.covers(asked.campus):
        raise BadInput(f"there is no campus {asked.campus}", field="campus")
    await tx.school.get_campus(asked.campus)
    seal = await tx.seals.lock(seal_id)
    if seal.state not in _STATES_TO_GRANT_IN:
        raise SealMoveNotAllowed(seal.state.value)
    grant = SealGrant(
        id=uuid4(),
        seal=seal.id,
        grantee=await _find_grantee(tx, asked),
        campus=asked.campus,
        templates=templates,
        granted_by=keeper.name,
        granted_at=tx.now,
        expires_at=asked.expires_at,
        max_uses=asked.max_uses,
    )
    await tx.seals.add_grant(grant)
    await record_seal_act(tx, seal, "seal-granted", keeper.name, _facts(grant))
    return grant


async def revoke_grant(services: Services, keeper: Actor, seal_id: UUID, grant_id: UUID) -> None:
    """Revoke one grant of a seal, which then allows no new use. Raises SealNotFound, NotFound."""
    async with services.database.transaction(keeper.scope) as tx:
        await end_one_grant(tx, keeper, seal_id, grant_id)


async def end_one_grant(tx: Transaction, keeper: Actor, seal_id: UUID, grant_id: UUID) -> None:
    """Revoke a grant in the caller's transaction. Raises as `revoke_grant` does."""
    seal = await tx.seals.lock(seal_id)
    if not await tx.seals.revoke_grants(seal.id, keeper.name, tx.now, only=grant_id):
        raise NotFound
    await record_seal_act(tx, seal, "seal-grant-revoked", keeper.name, {"grant": str(grant_id)})


def _facts(grant: SealGrant) -> dict[str, object]:
    facts: dict[str, object] = {"grant": str(grant.id), "grantee": str(grant.grantee), "campus": grant.campus}
    facts |= {"template": list(grant.templates), "max_uses": grant.max_uses}
    return facts | ({"expires_at": grant.expires_at.isoformat()} if grant.expires_at else {})


def _check_templates(known: Collection[str], asked: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in asked if name.strip()))
    if len(names) > MAX_TEMPLATES:
        raise BadInput(f"at most {MAX_TEMPLATES}", field="templates")
    for name in names:
        if name not in known:
            raise BadInput(f"there is no contract template {name}", field="templates")
    return names


async def _find_grantee(tx: Transaction, asked: NewGrant) -> Grantee:
    """Return the grantee that the input names. Raises BadInput if there is nobody of this name."""
    if asked.grantee_kind not in NEW_GRANTEE_KINDS:
        raise BadInput(f"one of {', '.join(NEW_GRANTEE_KINDS)}", field="grantee_kind")
    kind, name = GranteeKind(asked.grantee_kind), asked.grantee.strip()
    if kind is GranteeKind.CONTRACTS:
        return Grantee(kind)
    keys = await tx.api_keys.list_all()
    if any(key.key.name == name and key.counts_at(tx.now) for key in keys):
        return Grantee(kind, name)
    raise BadInput(f"there is no {kind} {name}", field="grantee")
