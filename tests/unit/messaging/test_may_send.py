"""Whether a message may go out now: each rule by itself, and which rule decides first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from hub.model.contract.signer import SigningTask, TaskState
from hub.model.messaging.message import ANSWERS, Purpose
from hub.model.reminders.may_send import (
    ByHand,
    Drop,
    MessageCase,
    Send,
    SkipReason,
    Verdict,
    Wait,
    may_send,
    may_send_step,
    settled,
)
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import MESSAGE_JUST_LEFT

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)
NIGHT = datetime(2026, 12, 1, 15, tzinfo=UTC)
IN_THE_MORNING = datetime(2026, 12, 2, 1, tzinfo=UTC)
POLICY = ReminderPolicy()
TASK = SigningTask(UUID(int=1), UUID(int=2), UUID(int=3), "hefei", TaskState.OPEN, 1)
CASE = MessageCase(Purpose.REMINDER, SHANGHAI, 0.0, [TASK], deadline=NOON + timedelta(days=20))


def verdict(
    now: datetime = NOON, channel: str | None = "sms", policy: ReminderPolicy = POLICY, **known: object
) -> Verdict:
    return may_send(replace(CASE, **known), channel, policy, now)  # type: ignore[arg-type]


def test_a_message_in_the_daily_window_may_be_sent() -> None:
    assert verdict() == Send()


def test_what_we_start_waits_for_the_window() -> None:
    assert verdict(NIGHT) == Wait(IN_THE_MORNING, SkipReason.QUIET_HOURS)
    for purpose in (Purpose.EXPIRED, Purpose.REPLY):
        assert verdict(NIGHT, purpose=purpose, tasks=()) == Wait(IN_THE_MORNING, SkipReason.QUIET_HOURS)


def test_of_a_contract_that_was_replaced_only_the_news_of_its_deadline_is_dropped() -> None:
    assert verdict(purpose=Purpose.EXPIRED, tasks=(), replaced=True) == Drop(SkipReason.REPLACED)
    assert verdict(purpose=Purpose.REPLY, tasks=(), replaced=True) == Send()


@pytest.mark.parametrize("purpose", [Purpose.CODE, Purpose.NEW_LINK, *sorted(ANSWERS)])
def test_what_answers_an_act_goes_at_any_hour(purpose: Purpose) -> None:
    assert verdict(NIGHT, purpose=purpose, tasks=()) == Send()
    assert verdict(NIGHT, answers_an_act=True, sent_today=9, crowded=True) == Send()


def test_a_closed_day_is_left_out_unless_the_deadline_comes_first() -> None:
    closed = POLICY.with_closed_days([NOON.date(), NOON.date() + timedelta(days=1)])
    thursday = datetime(2026, 12, 3, 1, tzinfo=UTC)
    assert verdict(policy=closed) == Wait(thursday, SkipReason.CLOSED_DAY)
    assert verdict(policy=closed, deadline=thursday) == Send()


def test_so_many_messages_a_day_and_no_more() -> None:
    assert verdict(sent_today=POLICY.messages_per_day - 1) == Send()
    assert verdict(sent_today=POLICY.messages_per_day) == Wait(IN_THE_MORNING, SkipReason.CAP)
    assert verdict(sent_today=9, purpose=Purpose.EXPIRED, tasks=()) == Send()


def test_a_crowd_is_spread_over_the_day_if_there_is_time() -> None:
    evening = datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
    assert verdict(crowded=True, spread=0.5) == Wait(evening, SkipReason.OVERDUE)
    assert verdict(crowded=True, spread=0.5, deadline=evening) == Send()


def test_reminders_by_hand_are_kept_apart() -> None:
    soon = ByHand(NOON - timedelta(minutes=1), ())
    assert verdict(by_hand=soon) == Wait(NOON + timedelta(minutes=29), SkipReason.TOO_SOON, MESSAGE_JUST_LEFT)
    assert verdict(NIGHT, by_hand=ByHand(None, ()), answers_an_act=True) == Send()


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (replace(TASK, state=TaskState.SIGNED), SkipReason.SIGNED_MEANWHILE),
        (replace(TASK, state=TaskState.CLOSED), SkipReason.CLOSED),
        (replace(TASK, paused=True), SkipReason.PAUSED),
        (TASK, None),
    ],
)
def test_nobody_hears_of_a_task_that_is_settled(task: SigningTask, reason: SkipReason | None) -> None:
    assert settled(task) == reason
    assert verdict(tasks=[task]) == (Drop(reason) if reason else Send())
    assert verdict(tasks=[task, TASK]) == Send()


def test_a_number_that_is_silent_or_no_longer_theirs_hears_nothing() -> None:
    assert verdict(silent={"sms"}) == Drop(SkipReason.OPTED_OUT)
    assert verdict(channel="email", silent={"sms"}) == Send()
    assert verdict(purpose=Purpose.CODE, tasks=(), silent={"sms"}) == Send()
    assert verdict(to="+8613800000000", phone="+8613800000001") == Drop(SkipReason.PHONE_CHANGED)
    assert verdict(channel="email", to="parent@example.org", phone="+8613800000001") == Send()


def test_without_a_way_it_is_dropped() -> None:
    assert verdict(channel=None) == Drop(SkipReason.NO_CHANNEL)
    assert verdict(channel=None, silent={"sms", "voice"}) == Drop(SkipReason.OPTED_OUT)


def test_a_code_that_ran_out_is_not_sent() -> None:
    assert verdict(purpose=Purpose.CODE, tasks=(), code_is_live=False) == Drop(SkipReason.CODE_EXPIRED)


def test_what_is_dropped_is_never_put_off() -> None:
    paused = replace(TASK, paused=True)
    assert verdict(NIGHT, tasks=[paused], sent_today=9, crowded=True) == Drop(SkipReason.PAUSED)


def test_a_step_that_may_be_sent_in_the_morning_is_not_given_up_at_night() -> None:
    """By morning the person's question may be closed, or they may want messages again."""
    paused = replace(CASE, tasks=[replace(TASK, paused=True)])
    in_the_morning = Wait(IN_THE_MORNING, SkipReason.QUIET_HOURS)
    assert may_send_step(paused, "sms", POLICY, NIGHT) == in_the_morning
    assert may_send_step(CASE, None, POLICY, NIGHT) == in_the_morning
    assert may_send_step(paused, "sms", POLICY, NOON) == Drop(SkipReason.PAUSED)
    assert may_send_step(replace(paused, answers_an_act=True), "sms", POLICY, NIGHT) == Drop(SkipReason.PAUSED)
    signed = replace(CASE, tasks=[replace(TASK, state=TaskState.SIGNED)])
    assert may_send_step(signed, "sms", POLICY, NIGHT) == Drop(SkipReason.SIGNED_MEANWHILE)
