"""A reminder policy in sentences, in both languages."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hub.model.reminders.policy import ReminderPolicy
from hub.web.staff.labels import Speech
from hub.web.staff.reminders.policy_words import describe_policy, list_countries
from tests.catalogues import catalogues

CATALOGUES = catalogues()


@pytest.mark.parametrize("number", [1, 2])
def test_a_sentence_fits_its_number(number: int) -> None:
    policy = replace(ReminderPolicy(), escalate_after=number, messages_per_day=number, manual_per_day=number)
    english, chinese = (
        describe_policy(
            Speech(CATALOGUES.translator(language), language, datetime(2026, 11, 27, tzinfo=UTC)), policy, "周示范"
        )
        for language in ("en", "zh")
    )
    said = " ".join(english)
    assert not re.search(r"\b1 (reminders|messages|times)\b|every 1\b", said)
    assert ("after every reminder without an answer" in said.lower()) is (number == 1)
    assert ("2 messages a day" in said and "2 times a day" in said) is (number == 2)
    assert all(re.search(r"[\u4e00-\u9fff]", each) for each in chinese) and len(chinese) == len(english)


def test_countries_have_the_names_of_official_texts() -> None:
    speech = Speech(CATALOGUES.translator("zh"), "zh", datetime(2026, 11, 27, tzinfo=UTC))
    named = list_countries(speech, "CN")
    assert (named["CN"], named["TW"], named["JP"]) == ("中国", "中国台湾", "日本")
