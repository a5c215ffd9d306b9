"""Give staff a signer's link to hand on: as a QR code, an address to copy, an app link, or a code shown at a desk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from channels import Rendering
from hub.errors import BadInput, IllegalMove
from hub.lifecycle.services import Services
from hub.model.contract.contract import ContractState
from hub.model.contract.signer import Signer
from hub.model.signing.link import DoorKind, SignLink, format_ticket
from hub.store.transaction import Transaction

DESK_CODE_LIFE = timedelta(minutes=10)
_HAVE_LINKS = (ContractState.ISSUED, ContractState.SIGNED, ContractState.COMPLETED)


@dataclass(frozen=True)
class WantedLink:
    """The signer, contract and door for which staff want a link."""

    contract: UUID
    signer: UUID
    door: DoorKind


@dataclass(frozen=True)
class HandedLink:
    """A link to hand on, its ticket in a readable form, and what the link's door shows."""

    link: SignLink
    short_code: str
    rendering: Rendering


async def hand_out_link(services: Services, tx: Transaction, wanted: WantedLink, actor: str) -> HandedLink:
    """Return the signer's link for one door. Except for a desk code, further calls return the same link.

    Raises ContractNotFound; IllegalMove if the contract has ended other than by completion, or the signer was erased;
    BadInput for a door that is not configured, or for a signer who is not in the contract.
    """
    door = wanted.door
    if door.value not in services.messaging.doors:
        raise BadInput(f"there is no door {door.value}", field="door")
    case = await tx.cases.lock(wanted.contract)  # consistent lock order: contract before record
    contract, party = case.contract, case.find_signer(wanted.signer)
    if contract.state not in _HAVE_LINKS:
        raise IllegalMove(f"a contract in this state has no links:\n{contract.state}")
    if party is None:
        raise BadInput("the contract has no such signer", field="signer")
    if party.signer.erased:
        raise IllegalMove("this person was erased")
    link = await _make_link(tx, party.signer, door)
    facts = {"signer": str(party.signer.id), "door": door.value, "link": str(link.id)}
    await tx.record.append(contract.id, contract.campus, "link-handed-out", actor, facts)
    ticket = tx.links.ticket(link)
    shown = services.messaging.doors[door.value].render(services.messaging.router.renderer.build_doorway(ticket))
    return HandedLink(link, format_ticket(ticket), shown)


async def _make_link(tx: Transaction, signer: Signer, door: DoorKind) -> SignLink:
    # A desk code is on a screen that others can see, so each one is new and expires soon.
    if door is DoorKind.DESK:
        return await tx.links.add(signer, door, tx.now, tx.now + DESK_CODE_LIFE)
    return await tx.links.get_for_door(signer, door, tx.now)
