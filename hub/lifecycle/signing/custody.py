"""Check where a signer's key is kept against the demands of the contract's template."""

from __future__ import annotations

import hashlib

from hub.errors import CustodyTooLow
from hub.lifecycle.services import Services
from hub.lifecycle.signing.audit_refusals import note_refused
from hub.lifecycle.signing.entry.open_link import Visit
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer
from hub.model.signing.signature_request import Custody


def accepted_custody(services: Services, contract: Contract, signer: Signer) -> tuple[Custody, ...]:
    """Return the kinds of custody that the template allows for this signer's key. Empty: all kinds."""
    return services.documents.printer.templates.demands_on(contract).custody.get(signer.role, ())


def check_custody(services: Services, visiting: Visit, proved: str | None) -> None:
    """Check a key's proved custody against the template; a mere claim does not count. Raises CustodyTooLow."""
    accepted = accepted_custody(services, visiting.contract, visiting.signer)
    if accepted and proved not in accepted:
        raise CustodyTooLow(proved or Custody.SOFTWARE, accepted)


async def note_refused_custody(
    services: Services, visiting: Visit, spki: bytes, claimed: str, why: CustodyTooLow
) -> None:
    facts = {
        "field": visiting.signer.field,
        "key_sha256": hashlib.sha256(spki).hexdigest(),
        "custody_claimed": claimed,
        "custody": why.held,
        "accepted": list(why.accepted),
    }
    await note_refused(services, visiting, "custody-refused", facts)
