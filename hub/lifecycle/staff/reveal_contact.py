"""Show a member of staff a signer's full phone number and e-mail address, and record who saw them and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.errors import BadInput, ContractNotFound, TooSoon
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer
from hub.model.evidence.record_facts import list_commitments
from hub.model.reminders.schedule import local_day
from hub.model.staff.accounts import Staff
from hub.model.staff.scope import Scope
from hub.store.transaction import Transaction

REVEALED = "contact-revealed"
# Reasons to choose from. OTHER needs a text.
OTHER = "other"
CHOICES = ("call", "check", "compare", OTHER)
# The reason in the entry when both numbers are shown to decide about a phone change.
PHONE_CHANGE_REASON = "phone-change"
MAX_REASON_LENGTH = 500
# Enough for all calls that one person makes in a day, but far too few to copy a school's numbers.
MAX_REVEALS_A_DAY = 40
# A second click for the same reason within this time is neither recorded nor counted again.
SAME_LOOK = timedelta(minutes=1)


@dataclass(frozen=True)
class RevealRequest:
    """A request to see a signer's contact data. `choice`: one of CHOICES; `reason`: free text, required for OTHER."""

    contract: UUID
    signer: UUID
    choice: str
    reason: str


async def reveal_contact(services: Services, scope: Scope, asked: RevealRequest, staff: Staff) -> Signer:
    """Return the signer, whose number and e-mail address may then be shown once. The contract's record has an entry for
    each look, except for a repeated click (SAME_LOOK).

    Raises ContractNotFound; BadInput without a reason; TooSoon after MAX_REVEALS_A_DAY of this member of staff.
    """
    reason = _check_reason(asked)
    actor = staff.actor
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.lock_contract(asked.contract)  # the second of two clicks waits for the first
        signer = next((each for each in await tx.contracts.list_signers(contract.id) if each.id == asked.signer), None)
        if signer is None:
            raise ContractNotFound
        if not await _is_same_look(tx, asked, reason, actor):
            await _count(tx, staff)
            facts = {"signer": str(signer.id), "kind": asked.choice, "reason": reason}
            await tx.record.append(contract.id, contract.campus, REVEALED, actor, facts)
    return signer


async def note_phone_change_look(tx: Transaction, contract: Contract, signer: Signer, actor: str) -> None:
    """Record that a person who decides about a phone change saw both numbers."""
    facts = {"signer": str(signer.id), "kind": PHONE_CHANGE_REASON}
    await tx.record.append(contract.id, contract.campus, REVEALED, actor, facts)


def _check_reason(asked: RevealRequest) -> str:
    reason = asked.reason.strip()
    if asked.choice not in CHOICES:
        raise BadInput("choose a reason", field="reason")
    if len(reason) > MAX_REASON_LENGTH or (asked.choice == OTHER and not reason):
        raise BadInput(f"a reason of up to {MAX_REASON_LENGTH} characters is needed", field="reason")
    return reason


async def _is_same_look(tx: Transaction, asked: RevealRequest, reason: str, actor: str) -> bool:
    before = await tx.record.find_latest(asked.contract, REVEALED, actor)
    if before is None or tx.now - before.at >= SAME_LOOK:
        return False
    if (before.facts["signer"], before.facts["kind"]) != (str(asked.signer), asked.choice):
        return False
    values = await tx.record.get_values(asked.contract)
    words = [values[commitment][1] for _, commitment in list_commitments(before.facts) if commitment in values]
    return words == ([reason] if reason else [])


async def _count(tx: Transaction, staff: Staff) -> None:
    zone = (await tx.school.get_campus(staff.campus)).zone
    begins, ends = local_day(tx.now, ZoneInfo(zone))
    if not await tx.budgets.consume("reveal-day", str(staff.id), begins, MAX_REVEALS_A_DAY):
        why = "You have seen as many phone numbers today as one person may see in a day."
        raise TooSoon(why, retry_after=ends - tx.now, zone=zone)
