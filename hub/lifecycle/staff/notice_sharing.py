"""Alert staff when several people who are not one family use the same phone number.

The hub does not know the phone numbers of staff, so it cannot notice that a signer uses one of them.
"""

from __future__ import annotations

from uuid import uuid4

from hub.model.contract.person import parse_id_document
from hub.model.contract.signer import Signer
from hub.model.staff.accounts import StaffTask
from hub.model.staff.alert_texts import write_sentence
from hub.model.staff.phone_change import PhoneChange, PhoneChangeState, is_shared_by_strangers
from hub.store.transaction import Transaction

# The kind of the alert and of the staff task.
SHARED = "shared-phone"


async def notice_sharing(tx: Transaction, change: PhoneChange) -> None:
    """Create an alert and a staff task if strangers share the new number. Call it at the request and at the change."""
    if not await is_shared(tx, change):
        return
    moved = change.state is PhoneChangeState.CHANGED
    facts = {"which": "moved" if moved else "asked"}
    await tx.alerts.add(SHARED, facts, tx.now, change.campus)
    said = write_sentence(SHARED, facts, "en")
    task = StaffTask(uuid4(), SHARED, said, change.campus, tx.now, change.contract, change.signer)
    await tx.staff_tasks.add_task_once(task)


async def is_shared(tx: Transaction, change: PhoneChange) -> bool:
    """Return whether strangers at any campus share the number. The transaction's scope must be all campuses."""
    there: dict[str, list[Signer]] = {}
    for signer in await tx.contracts.list_signers_at(change.phone):
        if signer.person != change.person:
            there.setdefault(signer.person, []).append(signer)
    own = await tx.contracts.list_signers_of([change.person])
    return is_shared_by_strangers(await _ties(tx, own), [await _ties(tx, each) for each in there.values()])


async def _ties(tx: Transaction, signers: list[Signer]) -> frozenset[str]:
    """Return the ties that make people one family: the same document, contract or student."""
    ties = {tx.cipher.person(signer.id_type, signer.id_number) for signer in signers}
    ties |= {str(signer.contract) for signer in signers}
    for signer in signers:
        asked = (await tx.contracts.get(signer.contract)).data.get("asked", {}).get("student", {})
        if asked.get("id_number"):
            document = parse_id_document(asked["id_type"], asked["id_number"])
            ties.add(tx.cipher.person(document.id_type, document.number))
    return frozenset(ties)
