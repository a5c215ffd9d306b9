"""The plan of one task, as tables of exact local times, and what moves it: outages, caps, a new deadline."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import (
    FirstSend,
    NextStep,
    ReminderPlan,
    StepKind,
    deferred_by_cap,
    first_step,
    following_step,
    into_window,
    local_day,
    postponed,
    replanned,
    spread_of,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")
LONDON = ZoneInfo("Europe/London")
POLICY = ReminderPolicy()
QUARTER = 0.25  # of the window from 9 to 21: noon


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def plan(
    opened: datetime, deadline: datetime, zone: ZoneInfo = SHANGHAI, send: FirstSend = "now"
) -> list[tuple[str, str]]:
    """Return all steps, each done exactly when it is due: (kind and number, local time)."""
    step = first_step(ReminderPlan(POLICY, opened, deadline, zone, QUARTER), send)
    invited = step.due_at if step.kind is StepKind.INVITATION else opened
    steps = [step]
    while step.kind is not StepKind.EXPIRY:
        step = follow(step, invited, deadline, now=step.due_at, zone=zone)
        steps.append(step)
    return [(f"{s.kind} {s.number or ''}".strip(), f"{s.due_at.astimezone(zone):%m-%d %H:%M}") for s in steps]


def follow(
    done: NextStep, invited: datetime, deadline: datetime, *, now: datetime, zone: ZoneInfo = SHANGHAI
) -> NextStep:
    return following_step(ReminderPlan(POLICY, invited, deadline, zone, QUARTER), done=done, now=now)


def test_thirty_days_from_a_monday_morning() -> None:
    assert plan(at("2026-11-30 10:00"), at("2026-12-30 10:00")) == [
        ("invitation", "11-30 10:00"),
        ("reminder 1", "12-01 10:00"),
        ("reminder 2", "12-03 10:00"),
        ("reminder 3", "12-07 10:00"),
        ("reminder 4", "12-14 10:00"),
        ("reminder 5", "12-21 10:00"),
        ("last-call", "12-28 10:00"),  # where the sixth reminder would have been
        ("expiry", "12-30 10:00"),
    ]


def test_an_invitation_shortly_before_midnight_goes_at_once_and_the_rest_waits_for_the_day() -> None:
    """The invitation answers an act and goes at once. Whatever Qianda starts itself waits for the day."""
    assert plan(at("2026-11-30 23:50"), at("2026-12-30 23:50")) == [
        ("invitation", "11-30 23:50"),
        ("reminder 1", "12-02 12:00"),
        ("reminder 2", "12-04 12:00"),
        ("reminder 3", "12-08 12:00"),
        ("reminder 4", "12-15 12:00"),
        ("reminder 5", "12-22 12:00"),
        ("last-call", "12-28 12:00"),
        ("expiry", "12-30 23:50"),
    ]


def test_issued_shortly_before_midnight_by_policy() -> None:
    assert plan(at("2026-11-30 23:50"), at("2026-12-30 23:50"), send="policy")[:2] == [
        ("invitation", "12-01 12:00"),
        ("reminder 1", "12-02 12:00"),
    ]


def test_by_policy_in_the_day_goes_at_once() -> None:
    assert plan(at("2026-11-30 10:00"), at("2026-12-30 10:00"), send="policy")[0] == ("invitation", "11-30 10:00")


def test_links_handed_out_by_the_school_start_with_the_first_reminder() -> None:
    assert plan(at("2026-11-30 10:00"), at("2026-12-07 10:00"), send="none") == [
        ("reminder 1", "12-01 10:00"),
        ("reminder 2", "12-03 10:00"),
        ("last-call", "12-05 10:00"),
        ("expiry", "12-07 10:00"),
    ]


@pytest.mark.parametrize(
    ("deadline", "last_call"),
    [
        ("2026-12-03 10:00", "12-01 10:00"),  # 3 days: in the place of the first reminder
        ("2026-12-02 12:00", "12-01 10:00"),  # two days back would be 2 hours after the invitation
        ("2026-12-02 09:00", "12-01 10:00"),  # two days back would be before it
        ("2026-12-01 10:01", "12-01 10:00"),
    ],
)
def test_a_near_deadline_has_one_last_call_a_day_after_the_invitation(deadline: str, last_call: str) -> None:
    assert plan(at("2026-11-30 10:00"), at(deadline)) == [
        ("invitation", "11-30 10:00"),
        ("last-call", last_call),
        ("expiry", deadline[5:]),
    ]


@pytest.mark.parametrize(
    ("before", "deadline", "last_call"),
    [
        ("2d", "2026-12-30 23:59", "12-28 12:00"),
        ("12h", "2026-12-30 23:59", "12-30 11:59"),
        ("2h", "2026-12-30 23:59", "12-30 12:00"),
        ("2h", "2026-12-30 08:00", "12-29 12:00"),  # no window opens any more that morning
    ],
)
def test_a_last_call_counted_back_into_the_night_comes_the_day_before_it(
    before: str, deadline: str, last_call: str
) -> None:
    policy = ReminderPolicy.from_dict({"last_call_before": before})
    due = ReminderPlan(policy, at("2026-11-30 10:00"), at(deadline), SHANGHAI, QUARTER).last_call_at
    assert due is not None and f"{due.astimezone(SHANGHAI):%m-%d %H:%M}" == last_call


@pytest.mark.parametrize("hours", [1, 24])
def test_a_deadline_within_a_day_leaves_the_invitation_alone(hours: int) -> None:
    opened = at("2026-11-30 10:00")
    steps = plan(opened, opened + timedelta(hours=hours))
    assert [kind for kind, _ in steps] == ["invitation", "expiry"]


def test_no_invitation_by_policy_when_the_contract_ends_overnight() -> None:
    assert plan(at("2026-11-30 23:50"), at("2026-12-01 08:00"), send="policy") == [("expiry", "12-01 08:00")]


def test_what_is_left_of_the_window_before_the_deadline_is_used() -> None:
    assert plan(at("2026-11-30 23:50"), at("2026-12-01 11:00"), send="policy") == [
        ("invitation", "12-01 09:30"),  # a quarter of 9 to 11
        ("expiry", "12-01 11:00"),
    ]


@pytest.mark.parametrize("send", ["now", "policy", "none"])
def test_opened_after_the_deadline_only_expires(send: FirstSend) -> None:
    assert plan(at("2026-11-30 10:00"), at("2026-11-30 10:00"), send=send) == [("expiry", "11-30 10:00")]


@pytest.mark.parametrize(
    ("zone", "opened", "deadline"),
    [(NEW_YORK, "2026-10-30 10:00", "2026-11-09 10:00"), (LONDON, "2027-03-26 10:00", "2027-04-05 10:00")],
)
def test_the_hour_on_the_wall_stays_when_the_clocks_change(zone: ZoneInfo, opened: str, deadline: str) -> None:
    steps = plan(at(opened, zone), at(deadline, zone), zone)
    assert [kind for kind, _ in steps] == [
        "invitation",
        "reminder 1",
        "reminder 2",
        "reminder 3",
        "last-call",
        "expiry",
    ]
    assert {time.split()[1] for _, time in steps} == {"10:00"}
    first, second = (at(f"{opened[:4]}-{time}", zone) for _, time in (steps[1], steps[2]))
    assert second - first in (timedelta(hours=47), timedelta(hours=49))


def test_an_hour_that_the_clocks_leave_out_or_repeat_moves_no_reminder() -> None:
    """Invited at 2:30, which does not exist a day later in March, and at 1:30, which happens twice in November."""
    for opened in ("2027-03-13 02:30", "2026-10-31 01:30"):
        steps = plan(at(opened, NEW_YORK), at(opened, NEW_YORK) + timedelta(days=30), NEW_YORK)
        assert [time.split()[1] for _, time in steps[1:-1]] == ["12:00"] * 6


def test_three_weeks_of_outage_cost_one_late_message_and_no_burst() -> None:
    invited, deadline = at("2026-11-30 10:00"), at("2027-01-29 10:00")
    overdue = NextStep(StepKind.REMINDER, 1, at("2026-12-01 10:00"))
    back = at("2026-12-22 10:00")
    following = follow(overdue, invited, deadline, now=back)
    assert following == NextStep(StepKind.REMINDER, 6, at("2026-12-28 10:00"))
    assert follow(following, invited, deadline, now=following.due_at).due_at == at("2027-01-04 10:00")


def test_a_reminder_hours_late_is_not_followed_by_the_next_within_half_a_day() -> None:
    overdue = NextStep(StepKind.REMINDER, 4, at("2026-12-14 10:00"))
    following = follow(overdue, at("2026-11-30 10:00"), at("2027-01-29 10:00"), now=at("2026-12-21 09:00"))
    assert following == NextStep(StepKind.REMINDER, 6, at("2026-12-28 10:00"))


def test_a_reminder_late_upon_the_last_call_pushes_it_half_a_day() -> None:
    overdue = NextStep(StepKind.REMINDER, 5, at("2026-12-21 10:00"))
    following = follow(overdue, at("2026-11-30 10:00"), at("2026-12-30 10:00"), now=at("2026-12-28 09:00"))
    assert following == NextStep(StepKind.LAST_CALL, 0, at("2026-12-29 12:00"))


def test_a_last_call_that_an_outage_swallowed_is_not_made_up_for() -> None:
    overdue = NextStep(StepKind.REMINDER, 5, at("2026-12-21 10:00"))
    deadline = at("2026-12-30 10:00")
    assert follow(overdue, at("2026-11-30 10:00"), deadline, now=at("2026-12-29 09:00")).kind is StepKind.EXPIRY
    after_all = follow(overdue, at("2026-11-30 10:00"), deadline, now=at("2027-01-15 09:00"))
    assert after_all == NextStep(StepKind.EXPIRY, 0, deadline)


def test_reminders_close_to_the_last_call_give_way() -> None:
    """The sixth reminder would come at 9:00. A last call at 20:59, or in that day's window if that is closed at 21:00,
    replaces it."""
    invited, fifth = at("2026-11-30 09:00"), NextStep(StepKind.REMINDER, 5, at("2026-12-21 09:00"))
    near = follow(fifth, invited, at("2026-12-30 20:59"), now=fifth.due_at)
    far = follow(fifth, invited, at("2026-12-30 21:00"), now=fifth.due_at)
    assert near == NextStep(StepKind.LAST_CALL, 0, at("2026-12-28 20:59"))
    assert far == NextStep(StepKind.LAST_CALL, 0, at("2026-12-28 12:00"))


def test_nothing_follows_the_expiry() -> None:
    deadline = at("2026-12-30 10:00")
    with pytest.raises(ValueError, match="nothing follows"):
        follow(NextStep(StepKind.EXPIRY, 0, deadline), at("2026-11-30 10:00"), deadline, now=deadline)


def extend(old: NextStep, done: NextStep | None, now: str, deadline: str) -> NextStep:
    plan = ReminderPlan(POLICY, at("2026-11-30 10:00"), at(deadline), SHANGHAI, QUARTER)
    return replanned(plan, old=old, done=done, now=at(now))


def test_more_time_after_the_last_call_brings_the_reminders_back() -> None:
    expiry = NextStep(StepKind.EXPIRY, 0, at("2026-12-30 10:00"))
    last_call = NextStep(StepKind.LAST_CALL, 0, at("2026-12-28 10:00"))
    assert extend(expiry, last_call, "2026-12-29 15:00", "2027-01-30 10:00") == NextStep(
        StepKind.REMINDER, 7, at("2027-01-04 10:00")
    )


def test_more_time_right_after_a_message_does_not_bring_another_within_half_a_day() -> None:
    expiry = NextStep(StepKind.EXPIRY, 0, at("2027-01-05 20:00"))
    last_call = NextStep(StepKind.LAST_CALL, 0, at("2027-01-03 22:00"))
    step = extend(expiry, last_call, "2027-01-03 22:30", "2027-02-28 10:00")
    assert step == NextStep(StepKind.REMINDER, 7, at("2027-01-04 10:00"))
    last_call = NextStep(StepKind.LAST_CALL, 0, at("2027-01-03 22:01"))
    step = extend(expiry, last_call, "2027-01-03 22:30", "2027-02-28 10:00")
    assert step == NextStep(StepKind.REMINDER, 8, at("2027-01-11 10:00"))


def test_more_time_moves_a_last_call_that_was_still_to_come() -> None:
    last_call = NextStep(StepKind.LAST_CALL, 0, at("2026-12-28 10:00"))
    fifth = NextStep(StepKind.REMINDER, 5, at("2026-12-21 10:00"))
    assert extend(last_call, fifth, "2026-12-22 10:00", "2026-12-29 09:00") == NextStep(
        StepKind.LAST_CALL, 0, at("2026-12-27 09:00")
    )
    assert extend(last_call, fifth, "2026-12-22 10:00", "2027-01-29 10:00") == NextStep(
        StepKind.REMINDER, 6, at("2026-12-28 10:00")
    )


@pytest.mark.parametrize("now", ["2026-12-13 10:00", "2026-12-14 10:05"])
def test_a_reminder_still_to_be_sent_stays_also_when_it_is_overdue(now: str) -> None:
    fourth = NextStep(StepKind.REMINDER, 4, at("2026-12-14 10:00"))
    assert extend(fourth, None, now, "2027-01-29 10:00") == fourth


def test_an_invitation_not_yet_sent_stays() -> None:
    invitation = NextStep(StepKind.INVITATION, 0, at("2026-12-01 12:00"))
    assert extend(invitation, None, "2026-12-01 02:00", "2027-01-29 10:00") == invitation


def test_less_time_turns_a_reminder_into_the_last_call() -> None:
    fifth = NextStep(StepKind.REMINDER, 5, at("2026-12-21 10:00"))
    assert extend(fifth, None, "2026-12-15 10:00", "2026-12-20 10:00") == NextStep(
        StepKind.LAST_CALL, 0, at("2026-12-18 10:00")
    )


def test_a_message_held_back_by_the_cap_goes_tomorrow_or_gives_way_to_the_expiry() -> None:
    step = NextStep(StepKind.REMINDER, 2, at("2026-12-03 10:00"))
    tomorrow = deferred_by_cap(POLICY, step.due_at, SHANGHAI, QUARTER)
    assert tomorrow == at("2026-12-04 12:00")
    invited, nearer = at("2026-11-30 10:00"), at("2026-12-04 12:00")
    plan = ReminderPlan(POLICY, invited, at("2026-12-30 10:00"), SHANGHAI, QUARTER)
    assert postponed(plan, step, tomorrow) == NextStep(StepKind.REMINDER, 2, tomorrow)
    assert postponed(replace(plan, deadline=nearer), step, tomorrow) == NextStep(StepKind.EXPIRY, 0, nearer)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-12-01 08:59", "2026-12-01 12:00"),
        ("2026-12-01 09:00", "2026-12-01 09:00"),
        ("2026-12-01 20:59", "2026-12-01 20:59"),
        ("2026-12-01 21:00", "2026-12-02 12:00"),
        ("2026-12-01 00:00", "2026-12-01 12:00"),
    ],
)
def test_the_window_opens_at_nine_and_is_closed_from_nine_in_the_evening(moment: str, expected: str) -> None:
    assert into_window(POLICY, at(moment), SHANGHAI, QUARTER) == at(expected)


@pytest.mark.parametrize("spread", [-0.1, 1.0, float("nan")])
def test_a_share_outside_the_window_is_refused(spread: float) -> None:
    with pytest.raises(ValueError, match="spread"):
        into_window(POLICY, at("2026-12-01 03:00"), SHANGHAI, spread)


def test_a_day_is_the_signers_and_has_23_or_25_hours_when_the_clocks_change() -> None:
    assert local_day(at("2026-12-01 00:30"), SHANGHAI) == (at("2026-12-01 00:00"), at("2026-12-02 00:00"))
    for moment, hours in (("2027-03-14 12:00", 23), ("2026-11-01 12:00", 25), ("2026-12-01 12:00", 24)):
        begins, ends = local_day(at(moment, NEW_YORK), NEW_YORK)
        assert ends - begins == timedelta(hours=hours)


def test_what_is_put_off_leaves_the_end_of_the_window_to_what_is_late() -> None:
    """A share in the last seconds of the window would be missed, day after day, by a worker that looks a little
    later."""
    shares = [spread_of(uuid4()) for _ in range(2000)]
    latest = [into_window(POLICY, at("2026-12-01 22:00"), SHANGHAI, share) for share in (min(shares), max(shares))]
    assert at("2026-12-02 09:00") <= latest[0] < at("2026-12-02 09:30")
    assert at("2026-12-02 19:20") < latest[1] < at("2026-12-02 19:48")
