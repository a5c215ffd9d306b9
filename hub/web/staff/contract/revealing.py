"""Show a signer's full number once, as the answer to a form, so that it is in no URL and no browser history."""

from __future__ import annotations

from aiohttp import web

from hub.errors import ContractNotFound, QiandaError
from hub.lifecycle.staff.reveal_contact import RevealRequest, reveal_contact
from hub.web.staff.contract.contract import contract_id, get_contract, show_contract
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit


async def reveal(visit: StaffVisit) -> web.Response:
    entered = {name: await visit.read_text(name) for name in ("choice", "reason")}
    wanted = visit.read_id("signer", ContractNotFound)
    asked = RevealRequest(contract_id(visit), wanted, entered["choice"], entered["reason"])
    try:
        signer = await reveal_contact(visit.services, visit.scope, asked, visit.staff)
    except QiandaError as error:
        return await show_contract(visit, error, f"reveal-{wanted}", entered)
    return await show(visit, "staff/revealed.html", contract=await get_contract(visit), signer=signer)
