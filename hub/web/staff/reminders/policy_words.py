"""A reminder policy in words: the fields of its form without codes, and what it means in sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import time, timedelta
from itertools import permutations

from babel import Locale

from hub.model.reminders.policy import CHANNELS, THROUGH, ReminderPolicy
from hub.web.staff import labels
from hub.web.staff.labels import Speech


def _keys_of(kind: type) -> tuple[str, ...]:
    """Return the keys of a policy whose values have this type."""
    return tuple(each.name for each in fields(ReminderPolicy) if type(each.default) is kind)


DURATIONS, TIMES, NUMBERS, SWITCHES = (_keys_of(kind) for kind in (timedelta, time, int, bool))
# Ending of the name of the field for a duration's unit.
UNIT = "_unit"
UNITS: Mapping[str, str] = {"d": "days", "h": "hours", "m": "minutes"}
COUNTRIES = ("CN", "HK", "MO", "TW", "SG", "MY", "JP", "KR", "US", "CA", "GB", "AU", "DE", "FR")
# As official texts in mainland China write them, where the Unicode data of babel does not.
_OTHER_NAMES = {"zh": {"TW": "中国台湾"}}
_ONE = {"d": "1 day", "h": "1 hour", "m": "1 minute"}
_MANY = {"d": "{n} days", "h": "{n} hours", "m": "{n} minutes"}
_LENGTHS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_WRITTEN = re.compile(r"\s*(\d{1,5})([dhm])\s*")
# Sentences with a number above 1, and the same where it is 1.
_MESSAGES = ("One person gets at most {messages_per_day} messages a day.", "One person gets at most one message a day.")
_BY_HAND = (
    (
        "Staff can remind by hand {manual_after_message} after a message, {manual_apart} after the last reminder by "
        "hand, and at most {manual_per_day} times a day."
    ),
    (
        "Staff can remind by hand {manual_after_message} after a message, {manual_apart} after the last reminder by "
        "hand, and at most once a day."
    ),
)
_TASKS = (
    (
        "After every {escalate_after} reminders without an answer, and at the last one, {who} gets a task, "
        "to be settled within {escalate_within}."
    ),
    "After every reminder without an answer, {who} gets a task, to be settled within {escalate_within}.",
)
_SEPARATORS = re.compile(r"[,，、;；\s]+")


# ---- the form


def write_durations(sent: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a form as the configuration writes them: a number and its unit are one value."""
    found = {key: text for key, text in sent.items() if not key.endswith(UNIT)}
    for key in DURATIONS:
        number, unit = found.get(key, "").strip(), sent.get(key + UNIT, "")
        if number.isascii() and number.isdigit() and unit in UNITS:
            found[key] = number + unit
    days = [word for word in _SEPARATORS.split(found.get("reminders_after", "")) if word]
    found["reminders_after"] = ", ".join(f"{day}d" if day.isascii() and day.isdigit() else day for day in days)
    return found


def split_duration(written: str, unit: str) -> tuple[str, str]:
    """Return number and unit of a written duration. A text that is none is returned unchanged, with `unit`."""
    match = _WRITTEN.fullmatch(written)
    return (match[1], match[2]) if match else (written, unit)


def show_days(written: str) -> str:
    """Return a list of durations, without the units if all are days."""
    parts = [split_duration(word, "") for word in _SEPARATORS.split(written) if word]
    return ", ".join(number for number, _ in parts) if all(unit == "d" for _, unit in parts) else written


def list_ladders(say: Speech) -> dict[str, str]:
    """Return every order of channels that a policy may name, in words."""
    orders = [order for count in range(1, len(CHANNELS) + 1) for order in permutations(CHANNELS, count)]
    return {", ".join(order): describe_ladder(say, order) for order in orders}


def list_countries(say: Speech, *more: str) -> dict[str, str]:
    """Return countries by their two letters, with their names; `more`: countries that are already chosen."""
    names = {**Locale(say.lang).territories, **_OTHER_NAMES.get(say.lang, {})}
    return {code: names.get(code, code) for code in dict.fromkeys((*COUNTRIES, *(each for each in more if each)))}


# ---- in sentences


def describe_duration(say: Speech, length: timedelta) -> str:
    unit = next(unit for unit, one in _LENGTHS.items() if length % one == timedelta(0))
    number = length // _LENGTHS[unit]
    return say.translate(_ONE[unit]) if number == 1 else say.translate(_MANY[unit], n=number)


def _describe_durations(say: Speech, lengths: Sequence[timedelta]) -> str:
    """Return several durations: 1, 3, 7 days."""
    comma, day = say.translate(", "), _LENGTHS["d"]
    if len(lengths) > 1 and all(length % day == timedelta(0) for length in lengths):
        return say.translate(_MANY["d"], n=comma.join(str(length // day) for length in lengths))
    return comma.join(describe_duration(say, length) for length in lengths)


def describe_ladder(say: Speech, channels: Sequence[str]) -> str:
    """Return the channels in their order: a text message, then a call."""
    if not channels:
        return say.translate("as the signer wished")
    return say.translate(", then ").join(say.word(labels.CHANNELS, channel) for channel in channels)


def describe_policy(say: Speech, policy: ReminderPolicy, owner: str) -> list[str]:
    """Return what a policy means. `owner`: the name of the person who gets its tasks; empty for the issuer of the
    contract."""
    words = {key: describe_duration(say, getattr(policy, key)) for key in DURATIONS}
    after = _describe_durations(say, policy.reminders_after)
    ladders = {key: describe_ladder(say, getattr(policy, key)) for key in THROUGH}
    country = list_countries(say, policy.holidays_of)[policy.holidays_of]
    who = owner or say.translate("whoever issued the contract")
    times = {key: f"{getattr(policy, key):%H:%M}" for key in TIMES}
    days = (
        "No messages are sent on public holidays of {country} and on closed days of your calendar."
        if policy.skip_holidays
        else "Messages go out on public holidays too."
    )
    through = (
        "Invitations go out: {invitation_through}. Reminders: {reminders_through}. Last reminder: {last_call_through}."
        if any(getattr(policy, key) for key in THROUGH)
        else "All messages go out as the signer wished."
    )
    share = (
        "Several contracts of one person share a message." if policy.bundle else "Each contract has its own message."
    )
    sentences = (
        "People who have not signed are reminded {after} after the invitation, then again every {repeat_every}.",
        "The last reminder comes {last_call_before} before the deadline.",
        "Messages go out from {window_opens} to {window_closes} in the signer's local time.",
        days,
        through,
        _MESSAGES[policy.messages_per_day == 1],
        share,
        _BY_HAND[policy.manual_per_day == 1],
        _TASKS[policy.escalate_after == 1],
        "A task that nobody takes within {climbs_after} goes to the manager.",
        "The daily list of tasks comes at {digest_at}.",
    )
    numbers = {key: getattr(policy, key) for key in ("messages_per_day", "manual_per_day", "escalate_after")}
    values = words | ladders | times | numbers | {"after": after, "country": country, "who": who}
    return [say.translate(sentence, **values) for sentence in sentences]
