"""Count messages, certificates and prepared files against their budgets before they are made.

Budgets stop visitors who make the hub write to invented numbers, make it pay for certificates that nobody needs, or
keep a document busy for the other signers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from hub.errors import BudgetSpent, CountryNotAllowed
from hub.lifecycle.services import Services
from hub.model.contract.signer import Signer
from hub.model.messaging.budget import (
    Budget,
    Cause,
    CountedMessage,
    is_allowed_country,
    list_certificate_budgets,
    list_message_budgets,
    list_prepare_budgets,
)
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

# Staff are alerted when a budget of one of these kinds is spent, because it protects money. A single number that asks
# too often is no reason for an alert.
ALERTING = ("prefix", "campus", "poster", "code-prefix", "answer-prefix", "guest-prefix")

# Kind of the budget of files that a signer sent and nobody could read.
UNREADABLE = "unreadable"


async def consume_message_quota(
    services: Services, tx: Transaction, messages: Sequence[CountedMessage], at: datetime
) -> None:
    """Count these messages, in this transaction, in the budget periods that contain `at`, the time of sending.

    Raises CountryNotAllowed, and BudgetSpent (with `retry_after`, and the `zone` of one of the messages) if the budgets
    do not have room for all of them.
    """
    counted_for: dict[Budget, CountedMessage] = {}
    wanted: list[Budget] = []
    for message in messages:
        if not is_allowed_country(services.messaging.budgets, message.to):
            raise CountryNotAllowed
        theirs = list(list_message_budgets(services.messaging.budgets, at, message))
        counted_for |= dict.fromkeys(theirs, message)
        wanted += theirs
    if spent := await tx.budgets.consume_all(wanted):
        message = counted_for[spent[0]]
        _refuse(tx, spent, message.campus, message.zone)


async def refuse_code(services: Services, tx: Transaction, to: str, zone: str) -> None:
    """Raise BudgetSpent if a code to this number would exceed a budget, without counting anything.

    Used for visitors who never get a code, so that the answer does not reveal this.
    """
    wanted = list_message_budgets(services.messaging.budgets, tx.now, CountedMessage(to, Cause.CODE))
    _refuse(tx, await tx.budgets.list_spent(wanted), None, zone)


async def consume_certificate_quota(services: Services, tx: Transaction, signer: Signer) -> None:
    """Count one key or certificate that a signer shows, in this transaction. Raises BudgetSpent with `retry_after`."""
    budgets = list_certificate_budgets(services.messaging.budgets, tx.now, signer.person)
    _refuse(tx, await tx.budgets.consume_all(budgets), signer.campus, signer.zone)


async def consume_prepare_quota(
    services: Services, tx: Transaction, task: UUID, signer: Signer, *, kind: str = "prepared"
) -> None:
    """Count one file that was made for this task, in this transaction. Raises BudgetSpent with `retry_after`.

    `kind`: `prepared`, `answered` for a document with a signer's answers, or `unreadable` for a file that they sent.
    """
    budgets = list_prepare_budgets(services.messaging.budgets, tx.now, task, kind)
    _refuse(tx, await tx.budgets.consume_all(budgets), signer.campus, signer.zone)


async def refuse_files(services: Services, tx: Transaction, task: UUID, signer: Signer, kind: str) -> None:
    """Raise BudgetSpent (with `retry_after`) if no more files of this kind are counted for this task in this hour."""
    budgets = list_prepare_budgets(services.messaging.budgets, tx.now, task, kind)
    _refuse(tx, await tx.budgets.list_spent(budgets), signer.campus, signer.zone)


def _refuse(tx: Transaction, spent: Sequence[Budget], campus: str | None, zone: str) -> None:
    """Raise BudgetSpent if any budget is spent, for the one whose period ends last: an earlier try would fail."""
    if spent:
        last = max(spent, key=lambda each: each.ends_at)
        wait = last.ends_at - tx.now
        raise BudgetSpent(last.kind, campus, (last.begins_at, last.ends_at), retry_after=wait, zone=zone)


@asynccontextmanager
async def alert_if_spent(services: Services) -> AsyncIterator[None]:
    """Alert staff, as `alert_spent` does, if the block raises BudgetSpent. A transaction belongs inside the block."""
    try:
        yield
    except BudgetSpent as spent:
        await alert_spent(services, spent)
        raise


async def alert_spent(services: Services, spent: BudgetSpent) -> None:
    """Alert staff that a budget is spent, once in each period.

    The alert is written in a separate transaction, because the one that exceeded the budget was rolled back.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        await alert_spent_in(tx, spent)


async def alert_spent_in(tx: Transaction, spent: BudgetSpent) -> None:
    """Alert staff, as `alert_spent` does, in the caller's transaction, which continues.

    If many transactions exceed a budget at once, a second connection for each would be too many.
    """
    subject = f"{spent.kind}/{spent.campus or ''}"
    if spent.kind not in ALERTING or await tx.budgets.get_spent("alarm", subject, spent.begins_at):
        return
    if await tx.budgets.consume("alarm", subject, spent.begins_at, 1):
        facts = {"which": spent.kind, "campus": spent.campus or "–", "until": spent.ends_at.isoformat()}
        await tx.alerts.add("budget-spent", facts, tx.now, spent.campus)
