"""Which messages the budgets count, and to which countries anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.model.messaging.budget import (
    BudgetLimits,
    Cause,
    CountedMessage,
    is_allowed_country,
    list_message_budgets,
)

NOW = datetime(2026, 12, 1, 10, tzinfo=UTC)
TO = "+8613900000001"


def test_a_country_is_that_of_a_number_and_an_e_mail_has_none() -> None:
    limits = BudgetLimits(countries=("+86",))
    allowed = {to: is_allowed_country(limits, to) for to in (TO, "+12025550101", "parent@example.org")}
    assert allowed == {TO: True, "+12025550101": False, "parent@example.org": True}
    assert is_allowed_country(BudgetLimits(), "+12025550101")


@pytest.mark.parametrize("cause", Cause)
def test_no_counter_shows_a_number(cause: Cause) -> None:
    budgets = list(list_message_budgets(BudgetLimits(), NOW, CountedMessage(TO, cause, "hefei")))
    about = [budget.hashed for budget in budgets if budget.subject == TO]
    assert all(about) and len(about) == (0 if cause is Cause.GUEST else 2)


@pytest.mark.parametrize(("cause", "most"), [(Cause.OURS, 1), (Cause.CODE, 2), (Cause.ANSWER, 2), (Cause.GUEST, 3)])
def test_a_prefix_has_a_limit_of_its_own_for_each_cause(cause: Cause, most: int) -> None:
    limits = BudgetLimits(per_prefix_hour=1, codes_per_prefix_hour=2, guest_codes_per_prefix_hour=3)
    found = [
        (budget.kind, budget.subject, budget.most)
        for budget in list_message_budgets(limits, NOW, CountedMessage(TO, cause))
        if budget.kind.endswith("prefix")
    ]
    assert found == [(f"{cause}prefix", TO[:-4], most)]
