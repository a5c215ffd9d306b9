"""Show and revoke the devices of a signer: keys of apps that are bound to the signer."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from hub.lifecycle.signing import device_keys
from hub.web.staff.contract import contract
from hub.web.staff.render import carry_out
from hub.web.staff.staff.access import StaffVisit


async def revoke(visit: StaffVisit) -> web.StreamResponse:
    device = visit.read_id("device")
    found = contract.contract_id(visit)
    act = device_keys.revoke_for(visit.services, visit.scope, found, device, visit.actor)
    return await carry_out(act, f"/staff/contracts/{found}?said=device-revoked", partial(contract.show_contract, visit))
