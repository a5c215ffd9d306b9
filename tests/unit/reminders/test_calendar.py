"""Closed days: planned messages wait for an open one, and none is lost."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from hub.model.reminders.calendar import SchoolDay, compute_closed_days
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import (
    NextStep,
    ReminderPlan,
    StepKind,
    first_step,
    following_step,
    into_window,
    postponed,
    replanned,
)
from tests.unit.reminders.test_schedule import QUARTER, SHANGHAI, at

SPRING = frozenset(date(2027, 2, day) for day in range(5, 10))
POLICY = ReminderPolicy(skip_holidays=True).with_closed_days(SPRING)


def local(moment: datetime) -> str:
    return f"{moment.astimezone(SHANGHAI):%m-%d %H:%M}"


def plan(policy: ReminderPolicy, opened: datetime, deadline: datetime) -> list[tuple[str, str]]:
    whole = ReminderPlan(policy, opened, deadline, SHANGHAI, QUARTER)
    steps = [first_step(whole, "now")]
    while steps[-1].kind is not StepKind.EXPIRY:
        steps.append(following_step(whole, done=steps[-1], now=steps[-1].due_at))
    return [(step.kind.value, local(step.due_at)) for step in steps]


def test_the_spring_festival_is_known_and_the_schools_calendar_has_the_last_word() -> None:
    festival, monday = date(2026, 2, 17), date(2026, 3, 2)
    known = compute_closed_days("CN", [], [2026])
    assert festival in known and monday not in known
    own = [SchoolDay(festival, True, "open day"), SchoolDay(monday, False, "sports day")]
    closed = compute_closed_days("CN", own, [2026])
    assert festival not in closed and monday in closed


def test_reminders_wait_for_the_next_open_day_and_stay_before_the_last_call() -> None:
    steps = plan(POLICY, at("2027-02-04 10:00"), at("2027-03-04 10:00"))
    assert next(step for step in steps if step[0] == "reminder") == ("reminder", "02-10 12:00")  # instead of the 5th
    assert steps[-2:] == [("last-call", "03-02 10:00"), ("expiry", "03-04 10:00")]
    days = [date.fromisoformat(f"2027-{when[:5]}") for kind, when in steps if kind == "reminder"]
    assert not set(days) & SPRING and days == sorted(set(days))


def test_a_last_call_goes_out_on_a_closed_day_rather_than_never() -> None:
    everything = {date(2027, 2, 1) + timedelta(days=day) for day in range(60)}
    policy = ReminderPolicy(skip_holidays=True).with_closed_days(everything)
    steps = plan(policy, at("2027-02-01 10:00"), at("2027-02-15 10:00"))
    assert steps == [("invitation", "02-01 10:00"), ("last-call", "02-13 10:00"), ("expiry", "02-15 10:00")]


def test_a_held_back_reminder_that_meets_the_last_call_becomes_it() -> None:
    invited, deadline = at("2027-02-01 10:00"), at("2027-02-20 10:00")
    whole = ReminderPlan(POLICY, invited, deadline, SHANGHAI, QUARTER)
    assert whole.last_call_at is not None and local(whole.last_call_at) == "02-18 10:00"
    step = NextStep(StepKind.REMINDER, 3, at("2027-02-08 10:00"))
    late = postponed(whole, step, at("2027-02-18 12:00"))
    assert (late.kind, local(late.due_at)) == (StepKind.LAST_CALL, "02-18 12:00")
    assert postponed(whole, step, at("2027-02-11 12:00")).kind == "reminder"


def test_what_was_held_back_on_a_closed_day_is_spread_over_the_next_open_one() -> None:
    assert local(into_window(POLICY, at("2027-02-06 10:00"), SHANGHAI, QUARTER)) == "02-10 12:00"


def test_under_a_new_policy_what_is_not_due_moves_and_numbers_go_on() -> None:
    invited, deadline, now = at("2026-12-01 10:00"), at("2026-12-31 10:00"), at("2026-12-05 10:00")
    policy = ReminderPolicy(reminders_after=(timedelta(days=2), timedelta(days=6)), repeat_every=timedelta(days=3))
    done = NextStep(StepKind.REMINDER, 2, at("2026-12-04 10:00"))

    def under(old: NextStep, done: NextStep | None, policy: ReminderPolicy = policy) -> tuple[str, int, str]:
        whole = ReminderPlan(policy, invited, deadline, SHANGHAI, QUARTER)
        step = replanned(whole, old=old, done=done, now=now, new_policy=True)
        return step.kind.value, step.number, local(step.due_at)

    asleep = NextStep(StepKind.REMINDER, 3, at("2026-12-08 10:00"))
    assert under(asleep, done) == ("reminder", 3, "12-07 10:00")  # the policy's second
    overdue = NextStep(StepKind.REMINDER, 2, at("2026-12-05 09:00"))
    assert under(overdue, None) == ("reminder", 2, "12-05 09:00")
    last = NextStep(StepKind.LAST_CALL, 0, at("2026-12-04 10:00"))
    assert under(NextStep(StepKind.EXPIRY, 0, deadline), last) == ("expiry", 0, "12-31 10:00")
    invitation = NextStep(StepKind.INVITATION, 0, at("2026-12-06 09:30"))
    assert under(invitation, None, ReminderPolicy(window_opens=policy.window_closes.replace(hour=14))) == (
        "invitation",
        0,
        "12-05 15:45",
    )


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("last_call_through", ["pigeon"], "no channel 'pigeon'"),
        ("reminders_through", ["sms", "sms"], "twice"),
        ("invitation_through", "sms", "a list"),
        ("skip_holidays", "yes", "true or false"),
        ("holidays_of", "China", "like CN"),
        ("closed_days", [], "not part of"),
    ],
)
def test_new_keys_are_checked_too(key: str, value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{key}: .*{reason}"):
        ReminderPolicy.from_dict({key: value})


def test_holidays_of_a_country_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match=r"^holidays_of: .*XX are not known"):
        ReminderPolicy.from_dict({"skip_holidays": True, "holidays_of": "XX"})


def test_what_is_written_is_read_back() -> None:
    policy = ReminderPolicy.from_dict({"reminders_after": ["1d", "60h"], "last_call_through": ["voice"]})
    assert ReminderPolicy.from_dict(policy.to_dict()) == policy
    assert policy.through("last-call") == ("voice",) and policy.through("completed") == ()
