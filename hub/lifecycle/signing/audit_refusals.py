"""Write refused keys, signatures and programs into the contract's record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import Visit
from hub.model.signing.pairing import Pairing
from hub.model.signing.signature_request import SignatureRequest
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction


async def note_refused(services: Services, visiting: Visit, kind: str, facts: Mapping[str, Any]) -> None:
    """Append what was refused to the record, after the transaction in which it was refused has ended."""
    contract = visiting.contract
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.record.append(contract.id, contract.campus, kind, visiting.actor, facts)


async def note_refused_signature(tx: Transaction, request: SignatureRequest, actor: str, signature: bytes) -> None:
    """Append to the record that `signature` is not a valid signature of the request's document by the certified key."""
    contract = await tx.contracts.get(request.contract)
    await tx.record.append(
        contract.id,
        contract.campus,
        "signature-refused",
        actor,
        {
            "field": request.field,
            "prepared_sha256": request.prepared,
            "certificate_sha256": hashlib.sha256(request.chain[0]).hexdigest(),
            "signature_sha256": hashlib.sha256(signature).hexdigest(),
        },
    )


async def note_refused_program(tx: Transaction, pairing: Pairing) -> None:
    """Append to the record that a second program presented a pairing code that was already used."""
    contract = await tx.contracts.get(pairing.contract)
    facts = {"pairing": str(pairing.id), "reason": "claimed before"}
    await tx.record.append(contract.id, contract.campus, "agent-refused", "somebody", facts)
