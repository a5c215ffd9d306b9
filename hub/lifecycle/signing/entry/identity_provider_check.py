"""Ask an outside provider, if one is configured, whether the name and document on file are true.

The call is made between two transactions: the first writes the attempt and counts its cost, the second writes the
result. What was sent to the provider is not stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hub.errors import IdentityUnavailable, TooSoon
from hub.identity import IdentityVerdict, PersonOnFile
from hub.lifecycle.messaging.service_alerts import warn
from hub.lifecycle.services import Services
from hub.model.contract.signer import Signer
from hub.model.messaging.budget import Budget
from hub.model.reminders.schedule import local_day
from hub.model.signing.session import PassedIdentityCheck, SigningSession
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

# Limits for one person. They equal those of one-time codes, since each check needs a correct code.
CHECKS_AN_HOUR, CHECKS_A_DAY = 5, 10


# The signer declared the identity document, and it was compared with nothing. The record says so.
BY_POSTER = PassedIdentityCheck("poster", "declared", result="declared")


@dataclass(frozen=True)
class IdentityQuestion:
    """A check for which the provider may be called once its attempt row and its budgets are committed.

    `counted`: the person's budgets that were charged. They are credited if the provider does not answer.
    """

    attempt: UUID
    person: PersonOnFile
    counted: tuple[Budget, ...]


def identify_by_data_on_file(services: Services, signer: Signer) -> PassedIdentityCheck:
    """Return the result for a person whose entries match the data on file. It is only as reliable as those data."""
    if signer.declared:
        return BY_POSTER
    return PassedIdentityCheck(services.signing.identity.name, services.signing.identity.method)


async def begin_check(
    services: Services, tx: Transaction, session: SigningSession, signer: Signer
) -> IdentityQuestion | None:
    """Begin a check by the outside provider. Return None if no provider is configured or it does not serve this person.

    Raises TooSoon (with `retry_after`).
    """
    person = PersonOnFile(signer.name, signer.id_type, signer.id_number, signer.phone)
    if services.signing.real_names is None or not services.signing.real_names.serves(person):
        return None
    begins, ends = local_day(tx.now, ZoneInfo(signer.zone))
    hour = tx.now.replace(minute=0, second=0, microsecond=0)
    counted = (
        Budget("identity-hour", signer.person, hour, hour + timedelta(hours=1), CHECKS_AN_HOUR),
        Budget("identity-day", signer.person, begins, ends, CHECKS_A_DAY),
    )
    if spent := await tx.budgets.consume_all(counted):
        raise TooSoon(retry_after=max(each.ends_at for each in spent) - tx.now, zone=signer.zone)
    attempt = await tx.signatures.begin_attempt("identity", session.contract, None, tx.now)
    return IdentityQuestion(attempt, person, counted)


async def ask_provider(services: Services, asked: IdentityQuestion) -> tuple[IdentityVerdict, PassedIdentityCheck]:
    """Ask the provider and return its verdict. Raises IdentityUnavailable, which does not count as a wrong answer."""
    provider = services.signing.real_names
    assert provider is not None
    try:
        verdict = await provider.check(asked.person)
    except IdentityUnavailable as error:
        await _end(services, asked, f"{error.code}: {error}")
        await warn(services.database, "identity-away", provider.name)
        raise
    await _end(services, asked, None)
    return verdict, PassedIdentityCheck(provider.name, provider.method, verdict.reference)


async def _end(services: Services, asked: IdentityQuestion, failure: str | None) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(asked.attempt, tx.now, failure=failure)
        for each in asked.counted if failure else ():
            await tx.budgets.give_back(each)


async def note_not_matched(
    tx: Transaction, session: SigningSession, signer: Signer, identified: PassedIdentityCheck
) -> None:
    """Record that the provider did not confirm the data on file, which the person knew, and create a staff task."""
    refused = replace(identified, result="not-matched")
    await tx.sessions.add_identity_check(session, signer.contract, signer.id, refused, tx.now)
    text = "The identity provider says that name and document on file do not belong together."
    task = StaffTask(uuid4(), "identity-refused", text, signer.campus, tx.now, signer.contract, signer.id)
    await tx.staff_tasks.add_task_once(task)
