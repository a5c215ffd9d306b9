"""Which authority is asked, and who comes after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.model.authority import AuthorityRule, Rests, authorities_for, without_trial

pytestmark = pytest.mark.custody
NOW = datetime(2026, 11, 25, tzinfo=UTC)
RULES = [
    AuthorityRule(("gdca",), campuses=("guangzhou",), keys=("rsa",)),
    AuthorityRule(("szca", "gdca"), campuses=("guangdong",)),
    AuthorityRule(("builtin",), templates=("trial-lesson",)),
]


@pytest.mark.parametrize(
    ("campuses", "template", "key", "chosen"),
    [
        ({"guangzhou", "guangdong", "hq"}, "course", "rsa", ("gdca",)),
        ({"guangzhou", "guangdong", "hq"}, "course", "ec", ("szca", "gdca")),
        ({"guangdong", "hq"}, "trial-lesson", "rsa", ("szca", "gdca")),
        ({"hefei", "hq"}, "trial-lesson", "ec", ("builtin",)),
        ({"hefei", "hq"}, "course", "ec", ()),
        (set(), "course", "ec", ()),
    ],
)
def test_the_first_rule_that_fits_decides(campuses: set[str], template: str, key: str, chosen: tuple[str, ...]) -> None:
    assert authorities_for(RULES, campuses, template, key) == chosen


@pytest.mark.parametrize(
    ("configured", "allowed", "asked"),
    [
        (["szca", "builtin"], False, ["szca"]),
        (["szca", "builtin"], True, ["szca", "builtin"]),
        (["szca", "builtin", "gdca"], False, ["szca", "gdca"]),
        (["builtin", "szca"], False, ["builtin", "szca"]),
        (["builtin", "szca", "test"], False, ["builtin", "szca"]),
        (["builtin"], False, ["builtin"]),
        ([], False, []),
    ],
)
def test_no_trial_authority_stands_in_for_a_licensed_one_unless_the_template_allows_it(
    configured: list[str], allowed: bool, asked: list[str]
) -> None:
    assert without_trial(configured, {"builtin", "test"}, allowed) == asked


def test_who_failed_is_asked_last_for_a_while_and_longer_each_time() -> None:
    rests = Rests()
    rests.failed("a", NOW)
    assert rests.in_order(["a", "b", "c"], NOW) == ["b", "c", "a"]
    assert rests.in_order(["a"], NOW) == ["a"]
    later = NOW + timedelta(seconds=30)
    assert rests.in_order(["a", "b"], later) == ["a", "b"]
    rests.failed("a", later)
    assert rests.resting("a", later + timedelta(seconds=59)) and not rests.resting("a", later + timedelta(seconds=60))
    for _ in range(9):
        rests.failed("a", later)
    assert not rests.resting("a", later + timedelta(minutes=10))
    rests.served("a")
    assert not rests.resting("a", later)
