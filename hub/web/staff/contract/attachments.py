"""Attachments of signers, which staff may open."""

from __future__ import annotations

from aiohttp import web

from hub.lifecycle.evidence.open_attachment import read_attachment
from hub.model.contract.attachment import ENDINGS
from hub.web.http.app_keys import RATE_LIMITS
from hub.web.http.security import refuse_other_sites
from hub.web.pages.files import download
from hub.web.staff.contract.contract import get_contract
from hub.web.staff.staff.access import StaffVisit

OPENED = "attachment-opened"


async def attachment(visit: StaffVisit) -> web.Response:
    """Return an attachment, and record who has opened it. Scripts in it cannot act as our page."""
    refuse_other_sites(visit.request)
    await visit.request.app[RATE_LIMITS].slow_down(visit.request, "staff-read")
    wanted = visit.read_id("attachment")
    found = await get_contract(visit)
    media_type, content = await read_attachment(visit.services, visit.scope, found.id, wanted)
    async with visit.services.database.transaction(visit.scope) as tx:
        await tx.record.append(found.id, found.campus, OPENED, visit.actor, {"attachment": str(wanted)})
    name = f"{found.number}-{str(wanted)[:8]}.{ENDINGS[media_type]}"
    return download(content, name, media_type)
