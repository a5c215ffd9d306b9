"""What a message, a certificate or a prepared file costs is counted before it is made: budgets stop whoever makes us
write to invented numbers, pay for certificates that nobody needs, or keep a document from the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from hub.errors import BudgetSpent, CountryNotAllowed
from hub.lifecycle.services import Parts
from hub.model.contract.signer import Signer
from hub.model.messaging.budget import Budget, Cause, allowed_country, budgets, certificate_budgets, prepared_budgets
from hub.model.staff.accounts import EVERYTHING
from hub.store.messaging.budgets import Spending
from hub.store.unit import Unit

ALARMING = ("prefix", "campus", "poster", "code-prefix", "answer-prefix", "guest-prefix")
"""One number that asks too often is a child playing with a phone; these are money."""


async def spend(
    parts: Parts, unit: Unit, to: str, cause: Cause, *, campus: str, zone: str, poster: UUID | None = None,
    part: int = 0, at: datetime | None = None,
) -> None:  # fmt: skip
    """Count one message, in this transaction; `at`: in the period of that moment, in which it is going to be sent.
    Raises CountryNotAllowed, or BudgetSpent with `retry_after`, which is told in the time `zone`."""
    if not allowed_country(parts.budgets, to):
        raise CountryNotAllowed
    counted_in = budgets(parts.budgets, at or unit.now, cause, to=to, campus=campus, poster=poster, part=part)
    await _count(parts, unit, counted_in, campus, zone)


async def refuse_code(parts: Parts, unit: Unit, to: str, zone: str) -> None:
    """Raise BudgetSpent where a code to this number would not go out, as `spend` does. Nothing is counted: it is for
    those who get none whatever they do, and must not learn it."""
    wanted = _spendings(parts, budgets(parts.budgets, unit.now, Cause.CODE, to=to))
    spent = [each for each in wanted if await unit.budgets.spent(each.kind, each.subject, each.begins_at) >= each.most]
    _refuse(unit, [wanted[each] for each in spent], None, zone)


async def spend_certificate(parts: Parts, unit: Unit, signer: Signer) -> None:
    """Count one certificate for a fresh key, in this transaction. Raises BudgetSpent with `retry_after`."""
    counted_in = certificate_budgets(parts.budgets, unit.now, signer.person)
    await _count(parts, unit, counted_in, signer.campus, signer.zone)


async def spend_prepared(parts: Parts, unit: Unit, task: UUID, signer: Signer) -> None:
    """Count one prepared file, in this transaction. Raises BudgetSpent with `retry_after`."""
    await _count(parts, unit, prepared_budgets(parts.budgets, unit.now, task), signer.campus, signer.zone)


async def _count(parts: Parts, unit: Unit, counted_in: Iterable[Budget], campus: str, zone: str) -> None:
    wanted = _spendings(parts, counted_in)
    _refuse(unit, [wanted[each] for each in await unit.budgets.spend_all(list(wanted))], campus, zone)


def _spendings(parts: Parts, counted_in: Iterable[Budget]) -> dict[Spending, Budget]:
    return {Spending(each.kind, _subject(parts, each), each.begins_at, each.most): each for each in counted_in}


def _refuse(unit: Unit, spent: Sequence[Budget], campus: str | None, zone: str) -> None:
    """Raise BudgetSpent, if any is spent, for the one that ends last: an earlier moment would be no help."""
    if spent:
        last = max(spent, key=lambda each: each.ends_at)
        wait = last.ends_at - unit.now
        raise BudgetSpent(last.kind, campus, (last.begins_at, last.ends_at), retry_after=wait, zone=zone)


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
        facts = {"which": spent.kind, "campus": spent.campus or "–", "until": spent.ends_at.isoformat()}
        await unit.alerts.add("budget-spent", facts, unit.now, spent.campus)
