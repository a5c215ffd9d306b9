"""Determine who gets the completed contract besides its signers, as the issuer and the template say."""

from __future__ import annotations

from collections.abc import Sequence

from hub.errors import BadInput
from hub.lifecycle.contract.template_in_force import TemplateInForce
from hub.lifecycle.contract.terms import DrawnSigner
from hub.lifecycle.services import Services
from hub.model.contract.contract_copy import CopyRecipient, KnownAddress, check_copies, choose_copies
from hub.store.transaction import Transaction


async def name_copies(
    services: Services,
    tx: Transaction,
    entered: tuple[str, Sequence[CopyRecipient]],
    template: TemplateInForce,
    signers: Sequence[DrawnSigner],
) -> tuple[CopyRecipient, ...]:
    """Return who gets a copy. `entered`: the campus, and the recipients that were entered for this contract.

    Raises BadInput for a wrong address, or if no provider sends e-mail.
    """
    campus, named = entered
    if not named and not template.copies:
        return ()
    if named and "email" not in services.messaging.router.providers.channels:
        raise BadInput("no provider sends e-mail, so nobody can get a copy", field="copies")
    known = [KnownAddress(each.role, each.email, each.name, each.language) for each in signers if each.email]
    office = await _get_office(services, tx, campus)
    return choose_copies(check_copies(named), template.copies, known, office)


async def _get_office(services: Services, tx: Transaction, campus: str) -> str | None:
    """Return the address of the office of this campus, or of the nearest one above it."""
    offices = services.messaging.offices
    above = await tx.school.list_campuses_above(campus) if offices else ()
    return next((offices[at] for at in above if at in offices), None)
