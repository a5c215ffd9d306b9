"""Show staff the full number of a contract's signer, and let them revoke a signer's device."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from hub.errors import ContractNotFound, QiandaError
from hub.lifecycle.signing import device_keys
from hub.lifecycle.staff.reveal_contact import RevealRequest, reveal_contact
from hub.web.staff.contract.contract import contract_id, get_contract, show_contract
from hub.web.staff.render import carry_out, show
from hub.web.staff.staff.access import StaffVisit


async def reveal(visit: StaffVisit) -> web.Response:
    """Show a signer's full number once, as the answer to a form, so that it is in no URL and no browser history."""
    entered = {name: await visit.read_text(name) for name in ("choice", "reason")}
    wanted = visit.read_id("signer", ContractNotFound)
    asked = RevealRequest(contract_id(visit), wanted, entered["choice"], entered["reason"])
    try:
        signer = await reveal_contact(visit.services, visit.scope, asked, visit.staff)
    except QiandaError as error:
        return await show_contract(visit, error, f"reveal-{wanted}", entered)
    return await show(visit, "staff/contract/revealed.html", contract=await get_contract(visit), signer=signer)


async def revoke_device(visit: StaffVisit) -> web.StreamResponse:
    """Revoke a device of a signer: a key of an app that is bound to the signer."""
    device, found = visit.read_id("device"), contract_id(visit)
    act = device_keys.revoke_for(visit.services, visit.scope, found, device, visit.actor)
    return await carry_out(act, f"/staff/contracts/{found}?said=device-revoked", partial(show_contract, visit))
