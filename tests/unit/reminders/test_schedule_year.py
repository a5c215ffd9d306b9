"""A year of contracts: whatever happens in whatever order, each open task has one next step, and messages are in time.

The rules alone, without a database. `test_reminder_machine.py` tests the same with one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from hub.model.contract.signer import TaskState
from hub.model.reminders.calendar import list_public_holidays
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import FirstSend, StepKind, local_day
from tests.unit.reminded import Plan, Reminded
from tests.unit.reminders.test_schedule_properties import durations, is_open, policies

ZONES = {"chen": "Asia/Shanghai", "smith": "America/New_York", "lord": "Australia/Lord_Howe"}
HOLIDAYS = frozenset(day for year in range(2026, 2029) for day in list_public_holidays("CN", year))
people = st.sampled_from(sorted(ZONES))
sends: st.SearchStrategy[FirstSend] = st.sampled_from(["now", "policy", "none"])
lives = st.one_of(durations(timedelta(minutes=5), timedelta(days=3)), durations(timedelta(days=3), timedelta(days=366)))
# A winter, of which each set bit of a number closes one day.
WINTER = [date(2026, 11, 20) + timedelta(days=number) for number in range(74)]
closed = st.one_of(
    st.just(frozenset[date]()),
    st.just(HOLIDAYS),
    st.integers(0, 2 ** len(WINTER) - 1).map(
        lambda bits: frozenset(day for number, day in enumerate(WINTER) if bits >> number & 1)
    ),
)
LATE_BY = (timedelta(0), timedelta(seconds=20), timedelta(hours=1), timedelta(hours=7), timedelta(days=1, hours=5))


class Year(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = Reminded(datetime(2026, 11, 25, 2, tzinfo=UTC), ReminderPolicy())
        self.checked = 0

    def _plan(self, which: int) -> Plan:
        found = self.world.open_plans
        return found[which % len(found)]

    # ---- what may happen

    @precondition(lambda self: len(self.world.plans) < 12)
    @rule(person=people, send=sends, life=lives)
    def issue(self, person: str, send: FirstSend, life: timedelta) -> None:
        self.world.issue(person, ZONES[person], send, life)

    @rule(late=st.sampled_from(LATE_BY), crowded=st.booleans())
    def the_next_step(self, late: timedelta, crowded: bool) -> None:
        due = self.world.next_due()
        if due is not None:
            self.world.now = max(self.world.now, due) + late
        self.world.sweep(crowded=crowded)
        if late == timedelta(0):
            self._on_time(due)

    def _on_time(self, due: datetime | None) -> None:
        """If a worker is running, every message leaves at the moment that was planned."""
        for each in self.world.sent[self.checked :]:
            assert due is None or each.at == due or each.at == self.world.now

    @rule(passed=durations(timedelta(0), timedelta(days=3)))
    def time_passes(self, passed: timedelta) -> None:
        self.world.now += passed
        self.world.sweep()

    @precondition(lambda self: self.world.open_plans)
    @rule(which=st.integers(0, 20), state=st.sampled_from([TaskState.SIGNED, TaskState.DECLINED, TaskState.CLOSED]))
    def it_ends(self, which: int, state: TaskState) -> None:
        self.world.end(self._plan(which), state)

    @precondition(lambda self: self.world.open_plans)
    @rule(which=st.integers(0, 20), life=lives)
    def extend(self, which: int, life: timedelta) -> None:
        self.world.extend(self._plan(which), life)

    @precondition(lambda self: self.world.open_plans)
    @rule(which=st.integers(0, 20))
    def another_phone(self, which: int) -> None:
        self.world.change_phone(self._plan(which))

    @precondition(lambda self: self.world.open_plans)
    @rule(which=st.integers(0, 20), paused=st.booleans())
    def a_question(self, which: int, paused: bool) -> None:
        self.world.pause(self._plan(which), paused)

    @precondition(lambda self: self.world.open_plans)
    @rule(which=st.integers(0, 20))
    def remind_by_hand_at_night(self, which: int) -> None:
        self.world.remind_tomorrow(self._plan(which))

    @rule(person=people, out=st.booleans())
    def opt_out(self, person: str, out: bool) -> None:
        (self.world.opted_out.add if out else self.world.opted_out.discard)(person)

    @rule(policy=policies(), days=closed, cap=st.integers(1, 3), bundle=st.booleans())
    def another_policy(self, policy: ReminderPolicy, days: frozenset[date], cap: int, bundle: bool) -> None:
        changed = replace(policy, closed_days=days, messages_per_day=cap, bundle=bundle)
        self.world.change_policy(changed)

    # ---- what always holds

    @invariant()
    def one_next_step_for_what_is_open_and_none_for_what_is_not(self) -> None:
        for plan in self.world.plans:
            assert (plan.task.step is not None) == (plan.task.state is TaskState.OPEN)
            if plan.task.step is not None:
                assert plan.task.step.due_at <= max(plan.contract.deadline, self.world.now)
                assert plan.task.step.kind is not StepKind.EXPIRY or plan.task.step.due_at == plan.contract.deadline

    @invariant()
    def nothing_at_night_and_no_more_than_the_cap(self) -> None:
        policy = self.world.policy
        new, self.checked = self.world.sent[self.checked :], len(self.world.sent)
        for each in new:
            zone = ZoneInfo(ZONES[each.person])
            begins, ends = local_day(each.at, zone)
            today = [other for other in self.world.sent if other.person == each.person and begins <= other.at < ends]
            assert each.answered or is_open(policy, each.at, zone)
            before = [other for other in today if other.at < each.at or other is each]
            assert each.answered or len(before) <= policy.messages_per_day
            for due in each.dues:
                assert due.task.state is TaskState.OPEN and not due.task.paused
                assert each.at < due.contract.deadline
            assert len({due.task.id for due in each.dues}) == len(each.dues)

    def teardown(self) -> None:
        """Without further events, every contract ends at its deadline."""
        for _ in range(3000):
            due = self.world.next_due()
            if due is None:
                break
            self.world.now = max(self.world.now, due)
            self.world.sweep()
            self.one_next_step_for_what_is_open_and_none_for_what_is_not()
            self.nothing_at_night_and_no_more_than_the_cap()
        assert not self.world.open_plans, "it never ends"
        assert all(earlier.at <= later.at for earlier, later in pairwise(self.world.sent))


def run(examples: int, steps: int) -> None:
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Year,
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=slow),
    )


def test_the_schedule_keeps_its_rules_for_a_year() -> None:
    run(examples=12, steps=25)


@pytest.mark.real
def test_the_schedule_keeps_its_rules_for_thousands_of_years() -> None:
    run(examples=3000, steps=60)
