"""Show a contract before it is issued: the pages and the first messages as its signers will see them.

Nothing is stored, sent or counted, and no number is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from hub.lifecycle.contract.draw import DrawnContract, draft_contract, draft_signer
from hub.lifecycle.contract.issue import draw_documents
from hub.lifecycle.contract.lay_out import lay_out
from hub.lifecycle.contract.new_contract import NewContract
from hub.lifecycle.messaging.preview_message import ReadableMessage, preview_message
from hub.lifecycle.messaging.send import NewMessage
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.contract.contract_copy import CopyRecipient
from hub.model.contract.signer import Signer
from hub.model.messaging.message import Purpose
from hub.model.staff.scope import Scope
from hub.router.policy import get_policy_at
from hub.store.school.campuses import opening_of_campus
from hub.store.transaction import Transaction

# Stands for the number that the contract will get. Real numbers begin at 1.
UNNUMBERED = "QD-0000-000000"


@dataclass(frozen=True)
class InvitedSigner:
    """A signer with their first `message`, which is None if no channel reaches them. `later`: the message goes out when
    others have signed."""

    signer: Signer
    message: ReadableMessage | None
    later: bool


@dataclass(frozen=True)
class ContractPreview:
    """A contract as it would be issued now. `images`: one PNG for each page. `companions`: the titles of the documents
    that would be issued together with it. `copies`: who gets a copy, including recipients whose address is missing."""

    contract: Contract
    images: Sequence[bytes]
    invited: Sequence[InvitedSigner]
    zone: ZoneInfo
    companions: Sequence[str] = ()
    copies: Sequence[CopyRecipient] = ()


async def preview_contract(services: Services, scope: Scope, asked: NewContract) -> ContractPreview:
    """Draw and lay out a contract with the real data. Raises as `prepare_contract` does."""
    async with services.database.transaction(scope, opening_of_campus(asked.campus, asked.course)) as tx:
        drawn, *others = await draw_documents(services, tx, asked, UNNUMBERED)
    laid_out, document = await lay_out(services, drawn)
    images = await services.documents.pages.draw(document)
    contract = draft_contract(drawn, laid_out)
    async with services.database.transaction(scope) as tx:
        invited = await _invited(services, tx, contract, drawn)
    titles = [each.template.title for each in others]
    return ContractPreview(contract, images, invited, ZoneInfo(drawn.terms.campus.zone), titles, drawn.copies)


async def _invited(
    services: Services, tx: Transaction, contract: Contract, drawn: DrawnContract
) -> list[InvitedSigner]:
    policy = await get_policy_at(tx, services.messaging.policy, contract.campus, contract.course)
    in_order = sorted(drawn.terms.signers, key=lambda each: each.order)
    signers = [draft_signer(tx, contract, drawn, each) for each in in_order]
    invited = []
    for signer in signers:
        later = signer.order > signers[0].order
        purpose = Purpose.YOUR_TURN if later else Purpose.INVITATION
        wanted = NewMessage(purpose, "", first=policy.through(purpose))
        message = await preview_message(services, tx, contract, signer, wanted)
        invited.append(InvitedSigner(signer, message, later))
    return invited
