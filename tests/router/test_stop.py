"""After STOP by text that number gets nothing more: what is left is another channel, or a task for staff."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.inbound.process_callbacks import process_callback
from hub.lifecycle.reminders.remind_by_hand import remind_by_hand
from hub.model.contract.signer import Role
from hub.model.reminders.schedule import StepKind
from hub.model.staff.scope import EVERYTHING, Scope
from tests.channels.doubles import Trouble
from tests.lifecycle.clockwork import MORNING
from tests.lifecycle.signer import record_of, tasks_of
from tests.router.routed import PHONE, routed
from tests.router.test_ladder import get_channels, with_more

pytestmark = pytest.mark.asyncio(loop_scope="module")
MOTHER_PHONE = "+12025550102"


async def test_an_opted_out_number_is_written_to_by_another_way() -> None:
    async with routed() as hub:
        (email,) = with_more(hub, "email")
        contract = await hub.issue(channels=("sms", "email"))
        assert await hub.twilio.write(PHONE, "Stop", f"{hub.place.callbacks}/inbound") == 200
        await hub.heard()
        await hub.sweep()
        assert await get_channels(hub, contract) == [("email", "delivered", 0)]
        assert hub.twilio.accepted == [] and len(email.texts) == 1
        hub.clock.advance(timedelta(hours=1))
        async with hub.running.hub.database.transaction(Scope(frozenset({"hefei"}))) as tx:
            (by_hand,) = await remind_by_hand(hub.running.hub.services, tx, contract.id, "staff:x")
        assert by_hand.channel == "email"  # the opt-out of a number counts for all staff
        assert await hub.twilio.write(PHONE, "START", f"{hub.place.callbacks}/inbound") == 200
        await hub.heard()
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.opt_outs.list_channels(PHONE) == frozenset()


async def test_after_a_stop_by_text_nobody_is_called_and_staff_get_the_task() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))
        assert await hub.twilio.write(PHONE, "STOP", f"{hub.place.callbacks}/inbound") == 200
        await hub.heard()
        assert await hub.staff_tasks(contract) == ["opted-out"]  # at once, not with the next reminder
        for _ in range(4 * 24):
            await hub.sweep()
            await hub.run_round(timedelta(hours=1))
        assert voice.texts == []
        assert set(await hub.staff_tasks(contract)) == {
            "opted-out",
            "unreached",
        }  # "unreached" is from the first message, which has no receipt
        assert await hub.twilio.write(PHONE, "START", f"{hub.place.callbacks}/inbound") == 200
        await hub.heard()
        assert "opted-out" not in await hub.staff_tasks(contract)
        kinds = await record_of(hub.running, contract)
        assert kinds.count("opted-out") == kinds.count("opted-in") == 1
        assert kinds.index("opted-out") < kinds.index("opted-in")
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (said,) = await remind_by_hand(hub.running.hub.services, tx, contract.id, "staff:x")
        assert said.channel == "sms"


async def test_a_stop_at_the_provider_itself_is_followed_by_no_call_either() -> None:
    async with routed(trouble=[Trouble.OPTED_OUT]) as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))
        await hub.run_round()
        assert await get_channels(hub, contract) == [("sms", "refused", 0)]
        assert voice.texts == [] and await hub.staff_tasks(contract) == ["unreached"]


async def test_a_last_call_that_an_opt_out_swallowed_comes_after_a_start() -> None:
    async with routed() as hub:
        contract = await hub.invited(deadline=MORNING + timedelta(days=4))
        assert await hub.twilio.write(PHONE, "STOP", f"{hub.place.callbacks}/inbound") == 200
        await hub.heard()
        for day in (1, 2):
            hub.clock.go_to(MORNING + timedelta(days=day, hours=1))
            await hub.sweep()
        (task,) = await tasks_of(hub.running, contract)
        assert task.step and task.step.kind is StepKind.EXPIRY  # nothing else would follow
        assert await hub.twilio.write(PHONE, "START", f"{hub.place.callbacks}/inbound") == 200
        await hub.heard()
        await hub.sweep()
        assert [each.purpose for each in await hub.deliveries(contract)].count("last-call") == 1


async def test_a_start_makes_up_for_no_last_call_of_another_number() -> None:
    async with routed() as hub:
        mother = NewSigner(Role.GUARDIAN, "周文静", MOTHER_PHONE, "E12345678", "passport", relation="母亲")
        contract = await hub.invited(others=(mother,), deadline=MORNING + timedelta(days=4))
        for phone in (PHONE, MOTHER_PHONE):
            assert await hub.twilio.write(phone, "STOP", f"{hub.place.callbacks}/inbound") == 200
            await hub.heard()
        for day in (1, 2):
            hub.clock.go_to(MORNING + timedelta(days=day, hours=1))
            await hub.sweep()
        assert [task.step and task.step.kind for task in await tasks_of(hub.running, contract)] == [StepKind.EXPIRY] * 2
        assert await hub.twilio.write(MOTHER_PHONE, "START", f"{hub.place.callbacks}/inbound") == 200
        await hub.heard()
        planned = [task.step and task.step.kind for task in await tasks_of(hub.running, contract)]
        assert sorted(map(str, planned)) == [StepKind.EXPIRY, StepKind.LAST_CALL]


async def test_a_text_with_a_character_that_no_database_keeps_is_taken() -> None:
    async with routed() as hub:
        contract = await hub.invited()
        assert await hub.twilio.write(PHONE, "Please\0call", f"{hub.place.callbacks}/inbound") == 200
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (callback,) = await tx.callbacks.list_due(hub.clock())
        await process_callback(hub.running.hub.services, callback)
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert not await tx.callbacks.list_due(hub.clock() + timedelta(days=1))
            assert [task.text for task in await tx.staff_tasks.list_open_tasks(contract.id)] == ["Please call"]
