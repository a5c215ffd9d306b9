"""Every word of the console and of the pretend phone exists in Chinese too."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

from hub.lifecycle.reminders.bulk_remind import BulkOutcome
from hub.model.board.bulk_act import BulkKind, BulkVerdict
from hub.model.evidence.school_record import SCHOOL_KINDS
from hub.model.reminders.policy import ReminderPolicy
from hub.settings import PACKED
from hub.web import staff
from hub.web.staff import labels, render
from hub.web.staff.board import dashboard, export
from hub.web.staff.bulk_labels import BULK, BULK_DONE, BULK_KINDS, MANY, MANY_DONE
from hub.web.staff.policy_labels import POLICY_GROUPS
from tests.catalogues import catalogues
from tests.unit.reminders.test_policy import TOO_MUCH
from tests.web.page_texts import texts_of

NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)
# Tables of something else than labels: settings, kinds of tasks, keys of a policy, shapes of sentences.
NO_TEXTS = {"LIMIT_SETTINGS", "APPROVALS", "ALL_OWN_WORDS", "THEN_OWN_WORDS", "POLICY_GROUPS", "WHY_KEPT"}


def test_the_pages_get_the_labels_of_every_module() -> None:
    """No two modules call different labels by one name."""
    modules = [name for _, name, _ in iter_modules(staff.__path__) if name.endswith("labels")]
    tables = [each for name in modules for each in vars(import_module(f"hub.web.staff.{name}")).items()]
    labels_by_name = [(name, table) for name, table in tables if name.isupper()]
    assert len(modules) > 5 and {name for name, _ in labels_by_name} == set(render.WORDS)
    assert [name for name, table in labels_by_name if table is not render.WORDS[name]] == []


def test_every_text_is_translated() -> None:
    known = catalogues().texts["zh"]
    words: dict[str, Any] = {name: table for name, table in render.WORDS.items() if name not in NO_TEXTS}
    texts = {text for table in words.values() for text in table.values()}
    texts |= {*POLICY_GROUPS, *SCHOOL_KINDS.values()}
    texts |= {*dashboard.VIEWS.values(), *dashboard.FUNNEL, *render.SAID.values(), *export.COLUMNS}
    for folder in ("staff", "demo"):
        for page in (PACKED / "templates" / "pages" / folder).rglob("*.html"):
            texts |= texts_of(page)
    assert len(texts) > 200 and texts - set(known) == set()


def test_whatever_becomes_of_one_of_many_contracts_has_its_words() -> None:
    wanted = {verdict.value for verdict in BulkVerdict} - {"done"} | {f"{kind.value}-done" for kind in BulkKind}
    assert set(BULK_DONE) == wanted and set(BULK) == wanted - {"failed"} and set(BULK_KINDS) == set(BulkKind)


def test_whatever_becomes_of_a_reminder_to_many_has_its_words() -> None:
    assert set(MANY_DONE) == set(BulkOutcome) and set(MANY) <= set(BulkOutcome)
    assert set(BulkOutcome) - set(MANY) == {
        BulkOutcome.BUDGET,
        BulkOutcome.FAILED,
    }  # which no preview can know


def test_translations_keep_the_placeholders() -> None:
    for text, translated in catalogues().texts["zh"].items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", translated)), text


@pytest.mark.parametrize(
    ("moment", "zh", "en"),
    [
        (NOW, "今天 12:00", "today 12:00"),
        (NOW - timedelta(hours=13), "昨天 23:00", "yesterday 23:00"),
        (NOW + timedelta(hours=12), "明天 00:00", "tomorrow 00:00"),
        (NOW + timedelta(days=9), "12月3日 12:00", "3 Dec 12:00"),
        (NOW + timedelta(days=60), "2027年1月23日 12:00", "23 Jan 2027 12:00"),
    ],
)
def test_moments_are_said_in_the_campus_own_time(moment: datetime, zh: str, en: str) -> None:
    for language, expected in (("zh", zh), ("en", en)):
        say = labels.Speech(catalogues().translator(language), language, NOW)
        assert say.when(moment, "Asia/Shanghai") == expected


def test_zones_are_named_by_their_offset() -> None:
    say = labels.Speech(catalogues().translator("en"), "en", NOW)
    assert [say.offset(zone) for zone in ("Asia/Shanghai", "Asia/Kolkata", "America/New_York")] == [
        "UTC+8",
        "UTC+5:30",
        "UTC-5",
    ]


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, value, _ in TOO_MUCH])
def test_what_is_too_much_for_a_policy_is_refused_in_chinese_too(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{key}: ") as refused:
        ReminderPolicy.from_dict({key: value})
    assert str(refused.value).partition(": ")[2] in catalogues().texts["zh"]
