"""Changing a phone number in tests: who asks, who approves, and what to look at afterwards."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from hub.errors import QiandaError
from hub.lifecycle.staff.change_phone import PhoneRequest, approve, ask
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer
from hub.model.messaging.delivery import Delivery
from hub.model.signing.link import DoorKind
from hub.model.staff.phone_change import PhoneChange
from hub.model.staff.scope import EVERYTHING, Scope
from tests.lifecycle.signer import Person
from tests.running import Running

NEW = "+8619000000199"
ONE, OTHER = "staff:00000000-0000-0000-0000-000000000001", "staff:00000000-0000-0000-0000-000000000002"
HEFEI = Scope(frozenset({"hefei"}))


async def asked(running: Running, guardian: Person, phone: str = NEW, by: str = ONE) -> PhoneChange:
    wanted = PhoneRequest(guardian.contract.id, guardian.signer.id, phone, "The parent called.")
    return await ask(running.hub.services, HEFEI, wanted, by)


async def changed(running: Running, guardian: Person, phone: str = NEW) -> PhoneChange:
    change = await asked(running, guardian, phone)
    return await approve(running.hub.services, HEFEI, change.id, OTHER)


async def now(running: Running, signer: Signer) -> Signer:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.contracts.get_signer(signer.id)


async def messages(running: Running, contract: Contract) -> list[Delivery]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.deliveries.list_of_contract(contract.id)


async def refusal(act: Awaitable[Any]) -> type[QiandaError]:
    with pytest.raises(QiandaError) as refused:
        await act
    return type(refused.value)


async def ticket(running: Running, signer: Signer, door: DoorKind) -> str:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return tx.links.ticket(await tx.links.get_for_door(signer, door, tx.now))
