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
