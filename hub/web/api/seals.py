"""Act on seals by the API. Only people can approve a seal, so there is no operation for that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast
from uuid import UUID

from hub.errors import SealNotFound
from hub.lifecycle.sealing.seals.grant_seal import NewGrant, add_grant, end_one_grant
from hub.lifecycle.sealing.seals.manage_seals import (
    NewSealRequest,
    add_seal_request,
    list_seals,
    move_one_seal,
    prepare_seal_request,
)
from hub.model.sealing.seal import Seal, SealAct
from hub.model.sealing.seal_grant import SealGrant
from hub.model.staff.scope import Actor
from hub.store.transaction import Transaction
from hub.web.api.endpoint import ApiCall
from hub.web.api.schemas import pick
from hub.web.api.seal_schemas import (
    GrantAsked,
    GrantGiven,
    SealApplied,
    SealGiven,
    SealListed,
    SealsGiven,
    SealUseGiven,
    SealUsesGiven,
    UsesAsked,
)
from hub.web.http.ids import read_id


def _keeper(call: ApiCall) -> Actor:
    return Actor(call.actor, call.scope)


def _id(call: ApiCall, name: str = "id") -> UUID:
    return read_id(call.path[name], SealNotFound)


async def list_all(call: ApiCall) -> SealsGiven:
    await call.check_key()
    return SealsGiven(seals=[pick(SealListed, seal) for seal in await list_seals(call.services, call.scope)])


async def read(call: ApiCall) -> SealGiven:
    async with call.transaction() as tx:
        return await _whole(tx, await tx.seals.get(_id(call)))


async def apply(call: ApiCall) -> SealGiven:
    asked = cast(SealApplied, call.asked)
    await call.check_key()
    wanted = NewSealRequest(**asked.model_dump() | {"kind": asked.kind.value})
    prepared = await prepare_seal_request(call.services, wanted)
    async with call.transaction() as tx:
        return await call.keep(tx, await _whole(tx, await add_seal_request(tx, _keeper(call), prepared)))


async def grant(call: ApiCall) -> GrantGiven:
    asked = cast(GrantAsked, call.asked)
    wanted = NewGrant(**asked.model_dump() | {"grantee_kind": asked.grantee_kind.value})
    async with call.transaction() as tx:
        return await call.keep(tx, _grant(await add_grant(tx, call.services, _keeper(call), _id(call), wanted)))


async def end_grant(call: ApiCall) -> SealGiven:
    async with call.transaction() as tx:
        await end_one_grant(tx, _keeper(call), _id(call), _id(call, "grant"))
        return await call.keep(tx, await _whole(tx, await tx.seals.get(_id(call))))


def move(act: SealAct) -> Callable[[ApiCall], Awaitable[SealGiven]]:
    """Return the operation for this act. Without an Idempotency-Key, a repetition is refused: the seal is then in
    another state."""

    async def moved(call: ApiCall) -> SealGiven:
        async with call.transaction() as tx:
            seal = await move_one_seal(call.services, tx, _keeper(call), _id(call), act)
            return await call.keep(tx, await _whole(tx, seal))

    return moved


async def uses(call: ApiCall) -> SealUsesGiven:
    asked = cast(UsesAsked, call.asked)
    async with call.transaction() as tx:
        seal = await tx.seals.get(_id(call))
        last = (await tx.seal_register.get_known([asked.before])).get(asked.before) if asked.before else None
        lines = await tx.seal_register.list_of_seal(seal.id, asked.limit, last)
    return SealUsesGiven(uses=[pick(SealUseGiven, line, grant=line.seal_grant) for line in lines])


async def _whole(tx: Transaction, seal: Seal) -> SealGiven:
    request = await tx.seals.get_request(seal.id)
    grants = [_grant(each) for each in await tx.seals.list_grants(seal.id)]
    approvals, side = len(request.given) if request else 0, await tx.sm2_seals.get(seal.id)
    sm2 = {"sm2_ends_at": side.ends_at if side else None, "sm2_key": side.key_place if side else None}
    return pick(SealGiven, seal, approvals=approvals, grants=grants, **sm2)


def _grant(grant: SealGrant) -> GrantGiven:
    grantee = grant.grantee
    return pick(GrantGiven, grant, grantee_kind=grantee.kind, grantee=grantee.name, templates=list(grant.templates))
