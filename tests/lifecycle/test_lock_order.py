"""Whoever writes to a contract waits for its row before all else: nobody holds what a reminder on its way needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from channels import Inbound
from hub.lifecycle.answer import ask, relink
from hub.lifecycle.converse import take_inbound
from hub.lifecycle.dispatch import write_message
from hub.lifecycle.identify import send_code
from hub.lifecycle.sign import note_refusal
from hub.model.message import Purpose
from hub.model.signer import TaskState
from hub.model.staff import EVERYTHING
from tests.lifecycle.clockwork import quiet_hub, waiting
from tests.lifecycle.signing import Person, completed, person, staff_tasks
from tests.running import GUARDIAN_PHONE, Running, until

Act = Callable[[Running, Person], Coroutine[None, None, None]]


async def code(running: Running, guardian: Person) -> None:
    await send_code(running.hub.parts, guardian.secret)


async def question(running: Running, guardian: Person) -> None:
    await ask(running.hub.parts, guardian.secret, "question", "When does the course begin?")


async def new_link(running: Running, guardian: Person) -> None:
    await relink(running.hub.parts, phone=GUARDIAN_PHONE)


async def reply(running: Running, guardian: Person) -> None:
    carrier = next(iter(running.hub.parts.router.carriers.of("sms", GUARDIAN_PHONE)))
    async with running.hub.database.unit(EVERYTHING) as unit:
        await take_inbound(running.hub.parts, unit, carrier, Inbound("m-1", GUARDIAN_PHONE, "LINK"))


@pytest.mark.parametrize("act", [code, question, new_link, reply])
async def test_an_act_waits_for_a_message_on_its_way_and_the_message_not_for_the_act(act: Act) -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await person(running, contract)
        await guardian.land()
        parts = running.hub.parts
        async with running.hub.database.unit(EVERYTHING) as unit:
            held = await unit.contracts.locked(contract.id)
            await unit.record.append(contract.id, contract.campus, "note", "hub", {})
            acting = asyncio.create_task(act(running, guardian))
            await until(lambda: waiting(running, 1))
            await write_message(parts, unit, held, guardian.signer, Purpose.REMINDER, "reminder-on-its-way")
        await acting


async def test_a_refusal_that_waited_for_a_signature_takes_nothing_away_from_it() -> None:
    """One page of the visit signs, and another one refuses the same file at this moment."""
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await person(running, contract)
        await guardian.enter()
        await guardian.certify()
        request = await guardian.prepare()
        async with running.hub.database.unit(EVERYTHING) as unit:
            await unit.contracts.locked(contract.id)
            signing = asyncio.create_task(guardian.accept(request))
            await until(lambda: waiting(running, 1))
            refusing = asyncio.create_task(note_refusal(running.hub.parts, guardian.secret, request.id, "too late"))
            await until(lambda: waiting(running, 2))
        assert await signing is TaskState.SIGNED
        await refusing
        assert await staff_tasks(running, contract.id) == ["refused-by-client"]
        await completed(running, contract)
