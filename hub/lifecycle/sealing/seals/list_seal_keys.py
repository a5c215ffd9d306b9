"""List the keys of all seals: where each is, which seal uses it for what, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.lifecycle.sealing.seals.manage_seals import list_seals
from hub.lifecycle.services import Services
from hub.model.sealing.seal import KeyPlace, Seal
from hub.model.sealing.sm2_seal import Sm2KeyPlace, Sm2Seal
from hub.model.staff.scope import Scope


class KeyCustody(StrEnum):
    """Where the key of a seal is kept."""

    TOKEN = "token"
    SOFTWARE = "software"
    """In the database, encrypted by the hub's key."""
    CONFIGURED = "configured"
    """The one that the configuration names; `qianda seal status` says where it is."""


@dataclass(frozen=True)
class SealKeyUse:
    """A key, and the seal that uses it: for PDF files, or (`is_sm2`) for OFD files."""

    label: str
    custody: KeyCustody
    seal: Seal
    is_sm2: bool
    ends_at: datetime | None


async def list_seal_keys(services: Services, scope: Scope) -> list[SealKeyUse]:
    """Return the keys of the seals within the scope that are neither rejected, revoked nor archived. Asks no token."""
    seals = [seal for seal in await list_seals(services, scope) if not seal.state.is_over]
    async with services.database.transaction(scope) as tx:
        sides = {side.seal: side for side in await tx.sm2_seals.list_all()}
    return list_key_uses(seals, sides)


def list_key_uses(seals: list[Seal], sides: dict[UUID, Sm2Seal]) -> list[SealKeyUse]:
    """Return the keys of these seals, and of the SM2 side of each that has one. Pure."""
    uses = []
    for seal in seals:
        if seal.key_label:
            place = KeyCustody.CONFIGURED if seal.key_place is KeyPlace.CONFIGURED else KeyCustody.TOKEN
            uses.append(SealKeyUse(seal.key_label, place, seal, is_sm2=False, ends_at=seal.ends_at))
        if side := sides.get(seal.id):
            place = KeyCustody.SOFTWARE if side.key_place is Sm2KeyPlace.SOFTWARE else KeyCustody.TOKEN
            uses.append(SealKeyUse(side.key_label, place, seal, is_sm2=True, ends_at=side.ends_at))
    return uses


async def describe_seal_keys(services: Services, scope: Scope) -> list[str]:
    """Return a line for each key of a seal, and for each key on the tokens that no seal uses. Raises
    TokenUnavailable."""
    uses, held = await list_seal_keys(services, scope), await services.sealing.token.list_keys()
    lines = []
    for use in uses:
        where = f"on {', '.join(held[use.label])}" if use.label in held else "on no token"
        if use.custody is KeyCustody.SOFTWARE:
            where = "a software key"
        ends = f"until {use.ends_at:%Y-%m-%d}" if use.ends_at else ""
        what = "OFD (SM2)" if use.is_sm2 else "PDF"
        lines.append("  ".join(filter(None, (use.label, where, use.seal.name, what, ends))))
    used = {use.label for use in uses}
    lines += [f"{label}  on {', '.join(names)}  no seal" for label, names in held.items() if label not in used]
    return lines
