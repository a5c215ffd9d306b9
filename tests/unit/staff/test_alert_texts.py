"""The texts of alerts: the same in both languages, and not empty even if a value is missing."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from hub.lifecycle.staff.send_alerts import KINDS
from hub.model.staff.alert import MAX_FULL_BYTES, write_alert
from hub.model.staff.alert_texts import SENTENCES, Facts, write_sentence

CHINESE = re.compile("[\u4e00-\u9fff]")


def blanks(words: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(words) if name}


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_sentence_says_the_same_in_both_languages(kind: str) -> None:
    zh, en = SENTENCES[kind]
    assert blanks(zh) == blanks(en)
    assert not CHINESE.search(en) and CHINESE.search(zh)


def test_every_kind_that_has_a_title_has_a_sentence() -> None:
    assert set(KINDS) == {kind.partition("/")[0] for kind in SENTENCES}


@pytest.mark.parametrize(
    ("kind", "facts", "said"),
    [
        (
            "authority-away",
            {"which": "instead", "service": "szca", "instead": "gdca"},
            "The authority szca cannot issue certificates; gdca issues them instead",
        ),
        ("digest", {"name": "{Wang}", "open": 2, "overdue": 0}, "{Wang}: 2 to do, 0 overdue"),
        ("digest", {"name": "Wang"}, "Wang"),
        ("of-a-newer-hub", {"what": "something", "count": 3}, "something, 3"),
    ],
)
def test_a_sentence_names_its_facts(kind: str, facts: Facts, said: str) -> None:
    assert write_sentence(kind, facts, "en") == said


def test_a_message_is_in_both_languages_and_what_is_the_same_stands_there_once() -> None:
    lines = [(f"甲{number}", f"a{number}") for number in range(2)] + [("szca: 503", "szca: 503")]
    (said,) = write_alert("provider-broken", lines, 3, "https://sign.example/staff/tasks")
    assert said.splitlines() == ["甲0", "甲1", "szca: 503", "a0", "a1", "https://sign.example/staff/tasks"]
    (many,) = write_alert("provider-broken", [(f"甲{number}", f"a{number}") for number in range(20)], 20, "https://c")
    assert many.splitlines()[7:9] == ["甲7", "a0"] and many.splitlines()[-2:] == ["共 20 条 · 20 in all", "https://c"]


def test_a_digest_leaves_nobody_out_and_no_message_of_it_is_too_long() -> None:
    facts: list[Facts] = [{"name": f"欧阳{number}", "open": 2, "overdue": 0} for number in range(300)]
    lines = [(write_sentence("digest", each, "zh"), write_sentence("digest", each, "en")) for each in facts]
    messages = write_alert("digest", lines, 300, "https://c")
    told = [line for message in messages for line in message.splitlines()]
    assert sorted(told) == sorted([*(line for pair in lines for line in pair), *["https://c"] * len(messages)])
    assert len(messages) > 1 and all(len(message.encode()) <= MAX_FULL_BYTES + 9 for message in messages)
    (one,) = write_alert("digest", [("甲" * 700, "a")], 2, "https://c")  # two of the same name, with the same count
    assert one.splitlines() == ["甲" * 700, "a", "共 2 条 · 2 in all", "https://c"]
