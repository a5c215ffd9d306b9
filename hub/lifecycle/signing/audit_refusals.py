"""Write refused keys, signatures, programs and files into the contract's record, up to a daily limit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import Visit
from hub.model.reminders.schedule import local_day
from hub.model.signing.pairing import Pairing
from hub.model.signing.signature_request import SignatureRequest
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

# For one contract and actor. Further attempts are refused, but add no entries to a record that others have to read.
MAX_REFUSALS_A_DAY: Final = 50
DAY_OF: Final = ZoneInfo("UTC")


async def append_refusal(
    tx: Transaction, contract: tuple[UUID, str], kind: str, actor: str, facts: Mapping[str, Any]
) -> None:
    """Append a refusal to the record of a contract, given with its campus, unless there are too many today."""
    begins, _ = local_day(tx.now, DAY_OF)
    if await tx.budgets.consume("refusal-day", f"{contract[0]}/{actor}", begins, MAX_REFUSALS_A_DAY):
        await tx.record.append(*contract, kind, actor, dict(facts))


async def note_refused(services: Services, visiting: Visit, kind: str, facts: Mapping[str, Any]) -> None:
    """Append the refusal to the record, after the transaction that refused has ended."""
    contract = visiting.contract
    async with services.database.transaction(EVERYTHING) as tx:
        await append_refusal(tx, (contract.id, contract.campus), kind, visiting.actor, facts)


async def note_refused_signature(tx: Transaction, request: SignatureRequest, actor: str, signature: bytes) -> None:
    """Append to the record that `signature` is not a valid signature of the request's document by the certified key."""
    contract = await tx.contracts.get(request.contract)
    facts = {
        "field": request.field,
        "prepared_sha256": request.prepared,
        "certificate_sha256": hashlib.sha256(request.chain[0]).hexdigest(),
        "signature_sha256": hashlib.sha256(signature).hexdigest(),
    }
    await append_refusal(tx, (contract.id, contract.campus), "signature-refused", actor, facts)


async def note_refused_program(tx: Transaction, pairing: Pairing) -> None:
    """Append to the record that a second program presented a pairing code that was already used."""
    contract = await tx.contracts.get(pairing.contract)
    facts = {"pairing": str(pairing.id), "reason": "claimed before"}
    await append_refusal(tx, (contract.id, contract.campus), "agent-refused", "somebody", facts)
