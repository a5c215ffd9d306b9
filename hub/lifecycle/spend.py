"""What a message, a certificate or a prepared file costs is counted before it is made: budgets stop whoever makes us
write to invented numbers, pay for certificates that nobody needs, or keep a document from the others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from hub.errors import BudgetSpent, CountryNotAllowed
from hub.lifecycle.parts import Parts
from hub.model.budget import Budget, allowed_country, budgets, certificate_budgets, prepared_budgets
from hub.model.staff import EVERYTHING
from hub.store.budgets import Spending
from hub.store.unit import Unit

ALARMING = ("prefix", "campus", "poster")
"""One number that asks too often is a child playing with a phone; these are money."""


async def spend(
    parts: Parts, unit: Unit, to: str, *, campus: str | None = None, poster: UUID | None = None, part: int = 0,
    at: datetime | None = None,
) -> None:  # fmt: skip
    """Count one message, in this transaction; `at`: in the period of that moment, in which it is going to be sent.
    Raises CountryNotAllowed, or BudgetSpent with `retry_after`."""
    if not allowed_country(parts.budgets, to):
        raise CountryNotAllowed
    counted_in = budgets(parts.budgets, at or unit.now, to=to, campus=campus, poster=poster, part=part)
    await _count(parts, unit, counted_in, campus)


async def spend_certificate(parts: Parts, unit: Unit, person: str, campus: str) -> None:
    """Count one certificate for a fresh key, in this transaction. Raises BudgetSpent with `retry_after`."""
    await _count(parts, unit, certificate_budgets(parts.budgets, unit.now, person), campus)


async def spend_prepared(parts: Parts, unit: Unit, task: UUID, campus: str) -> None:
    """Count one prepared file, in this transaction. Raises BudgetSpent with `retry_after`."""
    await _count(parts, unit, prepared_budgets(parts.budgets, unit.now, task), campus)


async def _count(parts: Parts, unit: Unit, counted_in: Iterable[Budget], campus: str | None) -> None:
    wanted = {Spending(each.kind, _subject(parts, each), each.begins_at, each.most): each for each in counted_in}
    if refused := await unit.budgets.spend_all(list(wanted)):
        ends_at = wanted[refused].ends_at
        raise BudgetSpent(refused.kind, campus, refused.begins_at, retry_after=ends_at - unit.now)


def _subject(parts: Parts, budget: Budget) -> str:
    """Personal ones are counted by their hash."""
    return parts.database.cipher.found_by("budget", budget.subject).hex() if budget.hashed else budget.subject


async def raise_alarm(parts: Parts, spent: BudgetSpent) -> None:
    """Staff hear of it once in each period. In a transaction of its own: the one that ran into the limit is undone."""
    async with parts.database.unit(EVERYTHING) as unit:
        await alarm(unit, spent)


async def alarm(unit: Unit, spent: BudgetSpent) -> None:
    """The same in this transaction, for one that goes on: a second connection would be one too many when many ran into
    the limit at once, and each of them holds one already."""
    subject = f"{spent.kind}/{spent.campus or ''}"
    if spent.kind not in ALARMING or await unit.budgets.spent("alarm", subject, spent.begins_at):
        return
    if await unit.budgets.spend("alarm", subject, spent.begins_at, 1):
        facts = {"which": spent.kind, "campus": spent.campus or "–"}
        await unit.alerts.add("budget-spent", facts, unit.now, spent.campus)
