"""Show and revoke the devices of a signer: keys of apps that are bound to the signer."""

from __future__ import annotations

from aiohttp import web

from hub.errors import QiandaError
from hub.lifecycle.signing import device_keys
from hub.web.staff.contract import contract
from hub.web.staff.staff.access import StaffVisit


async def revoke(visit: StaffVisit) -> web.StreamResponse:
    device = visit.read_id("device")
    found = contract.contract_id(visit)
    try:
        await device_keys.revoke_for(visit.services, visit.scope, found, device, visit.actor)
    except QiandaError as error:
        return await contract.show_contract(visit, error)
    raise web.HTTPSeeOther(f"/staff/contracts/{found}?said=device-revoked")
