"""Erase a person in three steps: a member of staff asks for it, another one confirms it, and a command carries it out.

No serving process may change evidence. So the third step is a command of the server's operator, which runs as the owner
of the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from hub.errors import NotFound, QiandaError
from hub.lifecycle.evidence.person import ErasedPerson, PersonAct, erase_person, plan_erasure
from hub.lifecycle.evidence.school_acts import record_act
from hub.lifecycle.services import Services
from hub.model.evidence.erasure_request import REQUEST_LIFE, ErasureRequest, check_may_confirm
from hub.model.evidence.person_data import SoughtPerson, list_words, redact
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.transaction import Database, Transaction


@dataclass(frozen=True)
class CarriedOut:
    """The result of a request. `done`: what was erased; None if nothing was left of this person. `failure`: why the
    request still waits."""

    request: ErasureRequest
    done: ErasedPerson | None
    failure: QiandaError | None = None


async def ask_erasure(services: Services, act: PersonAct, campus: str) -> ErasureRequest:
    """Ask for the erasure of everything about this person at a campus and those below it.

    Raises NotFound, and BadInput if several people match.
    """
    plan = await plan_erasure(services, act)
    # Search by the identity document if it is known: later, phone or name may lead to another person.
    sought = SoughtPerson(id_number=plan.person.id_number) if plan.person.id_number else act.sought
    async with services.database.transaction(act.scope) as tx:
        await tx.erasure_requests.delete_unconfirmed(tx.now - REQUEST_LIFE)
        request = ErasureRequest(uuid4(), campus, sought, act.reason.strip(), act.actor, tx.now)
        await tx.erasure_requests.add(request)
        reason = redact(request.reason, list_words(plan.person))
        await _record(tx, "person-erasure-asked", request, act.actor, reason)
    return request


async def list_erasures(services: Services, scope: Scope) -> Sequence[ErasureRequest]:
    """Return the requests that wait for a second person or for the command, oldest first."""
    async with services.database.transaction(scope) as tx:
        found = await tx.erasure_requests.list_all()
        return [each for each in found if each.confirmed_by or tx.now <= each.asked_at + REQUEST_LIFE]


async def confirm_erasure(services: Services, scope: Scope, request: UUID, actor: str) -> None:
    """Confirm a request that somebody else made. Raises NotFound, SecondPersonNeeded."""
    async with services.database.transaction(scope) as tx:
        found = await _lock(tx, request)
        check_may_confirm(found, actor, tx.now)
        await tx.erasure_requests.confirm(found.id, actor, tx.now)
        await _record(tx, "person-erasure-confirmed", found, actor)


async def turn_erasure_down(services: Services, scope: Scope, request: UUID, actor: str) -> None:
    """Drop a request that was not carried out yet. The person who asked may also do this. Raises NotFound."""
    async with services.database.transaction(scope) as tx:
        found = await _lock(tx, request)
        await tx.erasure_requests.delete(found.id)
        await _record(tx, "person-erasure-turned-down", found, actor)


async def carry_out_erasures(services: Services, owner: Database) -> list[CarriedOut]:
    """Carry out all confirmed requests. After a crash, another run continues.

    A request that cannot be carried out now stays, and does not hold up the others.
    """
    carried = []
    for request in await list_erasures(services, EVERYTHING):
        if request.confirmed_by is None:
            continue
        async with services.database.transaction(EVERYTHING) as tx:
            scope = await tx.school.get_scope_below(request.campus)
        act = PersonAct(request.sought, scope, request.confirmed_by, request.reason)
        try:
            done = await erase_person(services, owner, act)
        except NotFound:  # an earlier run was killed before it deleted the request
            done = None
        except QiandaError as failure:  # several people match now, or a contract is held
            carried.append(CarriedOut(request, None, failure))
            continue
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.erasure_requests.delete(request.id)
        carried.append(CarriedOut(request, done))
    return carried


async def _lock(tx: Transaction, request: UUID) -> ErasureRequest:
    found = await tx.erasure_requests.lock(request)
    if found is None:
        raise NotFound("there is no such request")
    return found


async def _record(tx: Transaction, kind: str, request: ErasureRequest, actor: str, reason: str = "") -> None:
    facts = {"request": str(request.id)} | ({"reason": reason} if reason else {})
    await record_act(tx, request.campus, kind, actor, facts)
