"""Under a new policy its days count, whatever was sent under the old one, and no reminder number is used twice."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import NextStep, ReminderPlan, StepKind, brought_forward, following_step, replanned
from tests.unit.reminders.test_schedule import POLICY, QUARTER, SHANGHAI, at
from tests.unit.reminders.test_schedule_properties import moments, policies, zones

DAY = timedelta(days=1)
DAILY = ReminderPolicy(reminders_after=tuple(number * DAY for number in range(1, 7)), repeat_every=DAY)
INVITED, DEADLINE = at("2026-12-01 10:00"), at("2026-12-31 10:00")


def reminder(number: int, day: float) -> NextStep:
    return NextStep(StepKind.REMINDER, number, INVITED + day * DAY)


def anew(
    policy: ReminderPolicy, old: NextStep, done: NextStep | None, now: datetime, *, new_policy: bool = True
) -> NextStep:
    plan = ReminderPlan(policy, INVITED, DEADLINE, SHANGHAI, QUARTER)
    return replanned(plan, old=old, done=done, now=now, new_policy=new_policy)


def after(policy: ReminderPolicy, done: NextStep, now: datetime | None = None) -> NextStep:
    plan = ReminderPlan(policy, INVITED, DEADLINE, SHANGHAI, QUARTER)
    return following_step(plan, done=done, now=now or done.due_at)


def days(policy: ReminderPolicy, step: NextStep) -> list[tuple[str, float]]:
    """Follow the steps from this one to the end, each sent when it is due. Return the kind and day of each."""
    steps = [step]
    while steps[-1].kind is not StepKind.EXPIRY:
        steps.append(after(policy, steps[-1]))
    numbers = [each.number for each in steps if each.kind is StepKind.REMINDER]
    assert numbers == sorted(set(numbers))
    return [(each.kind.value, (each.due_at - INVITED) / DAY) for each in steps]


def test_six_daily_reminders_do_not_use_up_those_of_the_days_to_come() -> None:
    step = anew(POLICY, reminder(7, 7), reminder(6, 6), INVITED + 6 * DAY + timedelta(hours=2))
    assert step == reminder(7, 7)
    assert after(POLICY, step) == reminder(8, 14)
    assert after(POLICY, reminder(8, 14)) == reminder(9, 21)


@pytest.mark.parametrize("sent", range(28))
def test_whenever_daily_reminders_end_those_of_the_new_policy_follow_on_all_of_their_days(sent: int) -> None:
    done = reminder(sent, sent) if sent else NextStep(StepKind.INVITATION, 0, INVITED)
    step = anew(POLICY, after(DAILY, done), done, INVITED + sent * DAY + timedelta(hours=2))
    assert step.number > sent or step.kind is not StepKind.REMINDER
    promised = days(POLICY, after(POLICY, NextStep(StepKind.INVITATION, 0, INVITED)))
    assert days(POLICY, step) == [(kind, day) for kind, day in promised if day > sent]


def test_daily_reminders_begin_at_once_and_a_longer_life_keeps_to_the_days() -> None:
    step = anew(DAILY, reminder(3, 7), reminder(2, 3), INVITED + 4 * DAY + timedelta(hours=2))
    assert step == reminder(5, 5)
    last_call = NextStep(StepKind.LAST_CALL, 0, INVITED + 8 * DAY)
    step = anew(POLICY, last_call, reminder(6, 6), INVITED + 6 * DAY + timedelta(hours=2), new_policy=False)
    assert step == reminder(7, 7)


def test_what_was_brought_forward_does_not_come_again_on_its_old_day() -> None:
    early = brought_forward(reminder(4, 14), done=reminder(3, 7), due_at=INVITED + 10 * DAY)
    assert early == reminder(4, 10)
    step = after(POLICY, early)
    assert step == reminder(5, 21)
    noon = INVITED + 10 * DAY + timedelta(hours=2)
    assert anew(POLICY, step, early, noon) == step  # the saved change does not concern this step
    last_call = NextStep(StepKind.LAST_CALL, 0, INVITED + 11 * DAY)
    assert anew(POLICY, last_call, early, noon, new_policy=False) == step
    assert anew(DAILY, step, early, noon) == reminder(11, 11)
    assert anew(POLICY, early, reminder(3, 7), INVITED + 9 * DAY) == reminder(4, 14)  # not sent yet, so it moves, too


def test_what_went_out_early_with_another_contract_does_not_come_again_that_day() -> None:
    from_six, invited = ReminderPolicy(window_opens=time(6)), INVITED + timedelta(hours=10, minutes=30)
    evening = NextStep(StepKind.REMINDER, 9, invited + 7 * DAY)  # 20:30; the other contract's was due at 7
    plan = ReminderPlan(from_six, invited, DEADLINE, SHANGHAI, QUARTER)
    step = following_step(plan, done=evening, now=evening.due_at - timedelta(hours=13.5))
    assert step == NextStep(StepKind.REMINDER, 10, invited + 14 * DAY)


@given(policies(), zones, moments, st.timedeltas(DAY, 60 * DAY), st.integers(0, 40), st.timedeltas(timedelta(0), DAY))
def test_how_many_went_out_before_moves_no_day(
    policy: ReminderPolicy, zone: ZoneInfo, invited: datetime, passed: timedelta, number: int, waited: timedelta
) -> None:
    deadline = invited + 90 * DAY
    old = NextStep(StepKind.EXPIRY, 0, deadline)

    def under(number: int) -> NextStep:
        plan = ReminderPlan(policy, invited, deadline, zone, QUARTER)
        done = NextStep(StepKind.REMINDER, number, invited + passed)
        return replanned(plan, old=old, done=done, now=invited + passed + waited, new_policy=True)

    step = under(number)
    assert (step.kind, step.due_at) == (under(0).kind, under(0).due_at)
    assert step.kind is not StepKind.REMINDER or step.number > number
