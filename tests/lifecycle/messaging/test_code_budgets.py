"""Codes that answer a person's act never share a budget with messages that we start. Whoever has to wait is told until
when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from hub.errors import BudgetSpent, TooSoon
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.messaging.resend_link import relink
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.messaging.budget import KINDS, BudgetLimits, Cause, CountedMessage, choose_cause, list_message_budgets
from hub.model.messaging.message import COPIES, Purpose
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import MORNING, StandingClock, quiet_hub, round_of_work, sent
from tests.lifecycle.signer import Person, deliver, person
from tests.running import Running

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def phone(number: int) -> str:
    return f"+861900000{number:04}"


async def issued(running: Running, number: int, at: str | None = None) -> Contract:
    guardian = NewSigner(Role.GUARDIAN, "陈建国", at or phone(number), f"E{number:08}", "passport", relation="父亲")
    return await running.issue_minor(signers=(guardian,))


async def landed(running: Running, contract: Contract) -> Person:
    guardian = await person(running, contract)
    await guardian.land()
    return guardian


async def spent(running: Running, kind: str) -> int:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        rows = await tx.connection.fetch(f"SELECT sum(spent) FROM budget WHERE kind = '{kind}'")
        return int(rows[0][0] or 0)


def tight(**limits: int) -> Mapping[str, object]:
    return {"budgets": limits}


@pytest.mark.parametrize("limits", [{"per_prefix_hour": 2}, {"per_campus_day": 2}, {"per_number_hour": 1}])
async def test_codes_and_links_go_out_when_our_own_messages_have_used_up_their_limit(limits: dict[str, int]) -> None:
    clock = StandingClock()
    async with quiet_hub(clock, configured=tight(**limits)) as running:
        contracts = [await issued(running, number) for number in range(3)]
        last = phone(2)
        await round_of_work(running)
        clock.advance(MINUTE)
        if "per_number_hour" not in limits:
            assert [len(await sent(running, phone(number))) for number in range(3)].count(0) == 1
        for number, contract in enumerate(contracts):
            guardian = await landed(running, contract)
            await guardian.ask_code()
            assert (await sent(running, phone(number)))[-1][0] == "code"
        clock.advance(timedelta(minutes=10))
        await relink(running.hub.services, phone=last)
        await deliver(running)
        assert (await sent(running, last))[-1][0] == "new-link"


async def test_codes_use_up_nothing_of_ours() -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await landed(running, await issued(running, 1))
        before = {kind: await spent(running, kind) for kind in ("prefix", "campus", "number", "number-day")}
        await guardian.ask_code()
        assert {kind: await spent(running, kind) for kind in before} == before
        assert [await spent(running, kind) for kind in ("code-prefix", "code-number", "code-number-day")] == [1, 1, 1]


async def test_whoever_asks_again_and_again_uses_up_their_own_limit_and_not_that_of_all() -> None:
    """One person with a link, and all who share a phone with that person, cannot use up the codes of others."""
    clock = StandingClock()
    async with quiet_hub(clock, configured=tight(codes_per_number_hour=6, codes_per_prefix_hour=8)) as running:
        greedy = [await landed(running, await issued(running, number, phone(1))) for number in range(3)]
        asked = refused = 0
        for _ in range(7):
            for each in greedy:
                try:
                    await each.ask_code()
                    asked += 1
                except (BudgetSpent, TooSoon):
                    refused += 1
            clock.advance(MINUTE)
        assert (asked, refused) == (6, 15)
        assert await spent(running, "code-prefix") == 6, "what was refused is counted nowhere"
        await (await landed(running, await issued(running, 7))).ask_code()


async def test_a_code_that_is_refused_says_until_when_and_staff_see_it_on_the_board() -> None:
    clock = StandingClock(moment=MORNING + timedelta(minutes=20))
    async with quiet_hub(clock, configured=tight(codes_per_prefix_hour=1)) as running:
        first, second = [await landed(running, await issued(running, number)) for number in (1, 2)]
        await first.ask_code()
        with pytest.raises(BudgetSpent) as told:
            await second.ask_code()
        assert (told.value.kind, told.value.retry_after) == ("code-prefix", timedelta(minutes=40))
        assert told.value.zone == "Asia/Shanghai"
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (limit,) = await tx.alerts.list_limits_reached(EVERYTHING, tx.now)
            assert (limit.facts["which"], limit.until) == ("code-prefix", MORNING + HOUR)
            assert await tx.alerts.list_limits_reached(EVERYTHING, MORNING + HOUR) == []
        clock.advance(timedelta(minutes=40))
        await second.ask_code()


async def test_of_several_limits_the_one_that_ends_last_is_told() -> None:
    """The start of the next hour is no help to a person whose daily limit is used up."""
    clock = StandingClock()
    async with quiet_hub(clock, configured=tight(codes_per_number_hour=1, codes_per_number_day=1)) as running:
        guardian = await landed(running, await issued(running, 1))
        await guardian.ask_code()
        clock.advance(MINUTE)
        with pytest.raises(BudgetSpent) as told:
            await guardian.ask_code()
        tomorrow = datetime(2026, 11, 26, tzinfo=UTC)
        assert (told.value.kind, told.value.retry_after) == ("code-number-day", tomorrow - clock())


def test_every_message_is_counted_by_its_cause_and_in_one_order() -> None:
    causes = {purpose: choose_cause(purpose) for purpose in Purpose}
    ours = {purpose for purpose, cause in causes.items() if cause is Cause.OURS}
    assert ours == {
        Purpose.INVITATION,
        Purpose.REMINDER,
        Purpose.LAST_CALL,
        Purpose.YOUR_TURN,
        Purpose.COMPLETED,
        Purpose.WITHDRAWN,
        Purpose.EXPIRED,
        *COPIES,
        Purpose.REPLY,
    }
    assert causes[Purpose.CODE] is Cause.CODE
    kinds = {}
    for cause in Cause:
        counted = list(list_message_budgets(BudgetLimits(), MORNING, CountedMessage(phone(1), cause, "hefei")))
        kinds[cause] = [each.kind for each in counted]
        assert kinds[cause] == sorted(kinds[cause], key=KINDS.index)
    everything = [kind for each in kinds.values() for kind in each]
    assert len(everything) == len(set(everything)), "no two causes share a budget"
