"""Which authority is asked, and which ones after it."""

from __future__ import annotations

import pytest

from hub.model.signing.authority_choice import AuthorityRule, choose_authorities, drop_trial_authorities

pytestmark = pytest.mark.custody
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
    assert choose_authorities(RULES, campuses, template, key) == chosen


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
    assert drop_trial_authorities(configured, {"builtin", "test"}, allowed) == asked
