"""Write refused keys, signatures and programs into the contract's record."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from hub.errors import KeyOfSomebodyElse, KeyRevoked, Refused, WrongProof
from hub.lifecycle.services import Services
from hub.lifecycle.signing.device_keys import Presented, ShownKey
from hub.lifecycle.signing.open_link import begin_visit
from hub.model.signing.pairing import Pairing
from hub.model.signing.signature_request import SignatureRequest
from hub.store.transaction import Transaction

Found = TypeVar("Found")
KeyCheck = Callable[[Services, str, UUID | None, ShownKey, Presented | None], Awaitable[Found]]


def noting_refused_keys(check: KeyCheck[Found]) -> KeyCheck[Found]:
    """Decorate a check of a key so that its refusals (WrongProof, KeyOfSomebodyElse, KeyRevoked) enter the record.

    The entry is written in a transaction of its own, so the check must have ended its transactions before it raises.
    """

    async def checked(
        services: Services, secret: str, contract: UUID | None, shown: ShownKey, presented: Presented | None
    ) -> Found:
        try:
            return await check(services, secret, contract, shown, presented)
        except (WrongProof, KeyOfSomebodyElse, KeyRevoked) as refusal:
            await _note_key(services, secret, contract, shown.spki, refusal)
            raise

    return checked


async def _note_key(services: Services, secret: str, contract_id: UUID | None, spki: bytes, refusal: Refused) -> None:
    async with begin_visit(services.database, secret, contract_id, agent=True) as (tx, visiting):
        facts = {"reason": refusal.code, "key_sha256": hashlib.sha256(spki).hexdigest()}
        contract = visiting.contract
        await tx.record.append(contract.id, contract.campus, "key-refused", visiting.actor, facts)


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
