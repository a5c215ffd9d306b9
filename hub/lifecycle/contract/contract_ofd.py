"""Write a contract as OFD beside its PDF when it is issued, from the same pages, so that each signer's consent can name
the hash of the OFD. Signers sign the PDF; the school's seal is set on both."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hub.documents.contract.layout import LaidOut
from hub.documents.ofd.write import OfdFacts, write_ofd
from hub.errors import SealWithoutSm2
from hub.lifecycle.contract.draw import DrawnContract
from hub.lifecycle.services import Services
from hub.model.sealing.seal_grant import choose_contract_grant
from hub.model.staff.scope import EVERYTHING


@dataclass(frozen=True)
class StoredOfd:
    """The stored OFD of a contract that is to be issued. `size` is in bytes."""

    sha256: str
    size: int


async def store_contract_ofd(services: Services, drawn: DrawnContract, laid_out: LaidOut) -> StoredOfd | None:
    """Write and store the OFD. Return None for a contract that is issued as PDF alone.

    Raises SealWithoutSm2, before anything is stored, if the contract's seal cannot seal an OFD.
    """
    if not drawn.with_ofd:
        return None
    await _check_seal(services, drawn)
    terms = drawn.terms
    facts = OfdFacts(laid_out.title, terms.number, services.documents.school.name, terms.issued_at)
    content = await asyncio.to_thread(write_ofd, laid_out.pdf, facts)
    return StoredOfd(await services.files.put(content), len(content))


async def _check_seal(services: Services, drawn: DrawnContract) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        found = await tx.seals.get_contract_seals(drawn.terms.campus.id)
        grant = choose_contract_grant(found.candidates, drawn.asked.template, tx.now)
        seal = found.seals[grant.seal] if grant else found.configured
        side = await tx.sm2_seals.get(seal.id) if seal else None
    if side is None:
        raise SealWithoutSm2(seal.name if seal else "")
    side.check_valid(services.clock())
