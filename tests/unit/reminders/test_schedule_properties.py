"""What holds for every policy, moment, zone and delay."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st

from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import (
    APART,
    FirstSend,
    NextStep,
    ReminderPlan,
    StepKind,
    deferred_by_cap,
    first_step,
    following_step,
    into_window,
    local_day,
    replanned,
)

# They include half hours, quarter hours, clocks that change by half an hour, at midnight, and on Saturdays.
NAMES = (
    "UTC Asia/Shanghai America/New_York Europe/London Australia/Lord_Howe Pacific/Chatham Asia/Kathmandu "
    "America/Santiago Asia/Beirut Africa/Cairo America/St_Johns Pacific/Apia Pacific/Kiritimati"
)
zones = st.sampled_from([ZoneInfo(name) for name in NAMES.split()])
moments = st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
spreads = st.floats(0, 1, exclude_max=True)
sends: st.SearchStrategy[FirstSend] = st.sampled_from(["now", "policy", "none"])


def durations(shortest: timedelta, longest: timedelta) -> st.SearchStrategy[timedelta]:
    """Return a strategy like `st.timedeltas`, to the microsecond too, that draws once and so takes a fifth of the
    time."""
    tick = timedelta(microseconds=1)
    return st.integers(shortest // tick, longest // tick).map(lambda ticks: ticks * tick)


lifetimes = durations(timedelta(0), timedelta(days=120))
delays = st.one_of(
    durations(timedelta(0), timedelta(minutes=5)),
    durations(timedelta(0), timedelta(days=2)),
    st.just(timedelta(days=21)),
)
DAY = timedelta(days=1)
# Each is made once: making a strategy takes longer than drawing from it.
first_gaps, gaps, repeats = durations(DAY, 7 * DAY), durations(DAY, 9 * DAY), durations(DAY, 20 * DAY)
further_gaps, last_calls = st.lists(gaps, max_size=3), durations(timedelta(minutes=1), 10 * DAY)


@st.composite
def policies(draw: st.DrawFn) -> ReminderPolicy:
    between = [draw(first_gaps), *draw(further_gaps)]
    opens = draw(st.integers(6 * 60, 22 * 60))
    closes = draw(st.integers(opens + 60, 23 * 60))
    return ReminderPolicy(
        reminders_after=tuple(sum(between[: n + 1], timedelta(0)) for n in range(len(between))),
        repeat_every=draw(repeats),
        last_call_before=draw(last_calls),
        window_opens=time(opens // 60, opens % 60),
        window_closes=time(closes // 60, closes % 60),
    )


def is_open(policy: ReminderPolicy, moment: datetime, zone: ZoneInfo) -> bool:
    return policy.window_opens <= moment.astimezone(zone).time() < policy.window_closes


@st.composite
def walks(draw: st.DrawFn) -> tuple[ReminderPolicy, ZoneInfo, datetime, FirstSend, list[tuple[NextStep, datetime]]]:
    """A task's whole life: each step and the moment when the worker took it, which may be late."""
    policy, zone, opened, spread, send = draw(policies()), draw(zones), draw(moments), draw(spreads), draw(sends)
    deadline = opened + draw(lifetimes)
    step = first_step(ReminderPlan(policy, opened, deadline, zone, spread), send)
    invited = opened
    life: list[tuple[NextStep, datetime]] = []
    while True:
        done_at = step.due_at + draw(delays)
        life.append((step, done_at))
        assert len(life) <= 130, "it never ends"
        if step.kind is StepKind.EXPIRY:
            return policy, zone, deadline, send, life
        invited = done_at if step.kind is StepKind.INVITATION else invited
        step = following_step(ReminderPlan(policy, invited, deadline, zone, spread), done=step, now=done_at)


@given(walks())
def test_a_life_ends_at_the_deadline_in_order_and_in_the_open_window(
    walk: tuple[ReminderPolicy, ZoneInfo, datetime, FirstSend, list[tuple[NextStep, datetime]]],
) -> None:
    policy, zone, deadline, send, life = walk
    steps = [step for step, _ in life]
    *messages, expiry = steps
    assert expiry == NextStep(StepKind.EXPIRY, 0, deadline)
    for step in messages:
        assert step.due_at < deadline and step.due_at.tzinfo is UTC
        assert is_open(policy, step.due_at, zone) or (step.kind is StepKind.INVITATION and send == "now")
    for earlier, later in pairwise(steps):
        assert earlier.due_at < later.due_at
    for (_, done_at), (later, _) in pairwise(life[:-1]):
        assert later.due_at >= done_at + APART
    kinds = [step.kind for step in messages]
    order = [StepKind.INVITATION, StepKind.REMINDER, StepKind.LAST_CALL]
    assert kinds == sorted(kinds, key=order.index)
    assert kinds.count(StepKind.INVITATION) <= 1 and kinds.count(StepKind.LAST_CALL) <= 1
    numbers = [step.number for step in messages if step.kind is StepKind.REMINDER]
    assert numbers == sorted(set(numbers)) and all(numbers)


@given(policies(), zones, moments, spreads, lifetimes, lifetimes, delays)
def test_a_new_deadline_gives_one_step_that_fits_it(
    policy: ReminderPolicy,
    zone: ZoneInfo,
    invited: datetime,
    spread: float,
    lifetime: timedelta,
    other: timedelta,
    passed: timedelta,
) -> None:
    now = invited + passed
    done = NextStep(StepKind.INVITATION, 0, invited)
    old = following_step(ReminderPlan(policy, invited, invited + lifetime, zone, spread), done=done, now=invited)
    deadline = max(invited + other, now + timedelta(minutes=1))
    new = replanned(ReminderPlan(policy, invited, deadline, zone, spread), old=old, done=done, now=now)
    if new.kind is StepKind.EXPIRY:
        assert new.due_at == deadline
    else:
        assert new.due_at < deadline and is_open(policy, new.due_at, zone)
        assert new == old or new.due_at > now


@given(policies(), zones, moments, spreads)
def test_deferring_finds_the_next_window(
    policy: ReminderPolicy, zone: ZoneInfo, moment: datetime, spread: float
) -> None:
    moved = into_window(policy, moment, zone, spread)
    assert is_open(policy, moved, zone)
    assert (moved == moment) == is_open(policy, moment, zone)
    assert timedelta(0) <= moved - moment <= timedelta(hours=25)
    assert into_window(policy, moved, zone, 0.5) == moved
    tomorrow = deferred_by_cap(policy, moment, zone, spread)
    assert is_open(policy, tomorrow, zone)
    _, midnight = local_day(moment, zone)
    assert local_day(tomorrow, zone) == local_day(midnight, zone)


@given(policies(), zones, moments, st.lists(spreads, min_size=2, max_size=9))
def test_different_shares_leave_at_different_times(
    policy: ReminderPolicy, zone: ZoneInfo, moment: datetime, shares: list[float]
) -> None:
    times = [deferred_by_cap(policy, moment, zone, share) for share in sorted(shares)]
    assert times == sorted(times)
    far_apart = [share for share in {round(share, 2) for share in shares} if share < 1]
    assert len({deferred_by_cap(policy, moment, zone, share) for share in far_apart}) == len(far_apart)


@given(zones, moments)
def test_a_day_holds_its_moment_and_meets_the_next(zone: ZoneInfo, moment: datetime) -> None:
    begins, ends = local_day(moment, zone)
    assert begins <= moment < ends
    assert local_day(ends, zone)[0] == ends
    assert timedelta(hours=22) < ends - begins < timedelta(hours=26)
