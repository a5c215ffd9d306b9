"""The SM2 side of a seal, with which it seals OFD files: one for trial, or what a seal maker made."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from hub.errors import QiandaError
from hub.lifecycle.sealing.seals.sm2_seals import GivenSm2Seal, install_sm2_seal, is_for_trial, make_sm2_seal
from hub.web.staff.forms import printable
from hub.web.staff.render import carry_out, show
from hub.web.staff.sealing.seals import seal_id, seal_page
from hub.web.staff.staff.access import StaffVisit

MAX_CERTIFICATES = 10


async def show_sm2_form(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    async with visit.services.database.transaction(visit.scope) as tx:
        seal = await tx.seals.get(seal_id(visit))
        side = await tx.sm2_seals.get(seal.id)
    bought = side is not None and not is_for_trial(side)
    return await show(visit, "staff/sealing/seal_sm2.html", problem=problem, seal=seal, sm2=side, bought=bought)


async def make(visit: StaffVisit) -> web.StreamResponse:
    """Make an SM2 side for trial, with a software key."""
    sent = await visit.request.post()
    replaces = sent.get("replace") == "yes"
    act = make_sm2_seal(visit.services, visit.person, seal_id(visit), replaces=replaces)
    return await carry_out(act, seal_page(visit), partial(show_sm2_form, visit))


async def install(visit: StaffVisit) -> web.StreamResponse:
    """Install an SM2 side that a seal maker made for a key on the token."""
    sent = await visit.request.post()
    seal, files = sent.get("seal"), sent.getall("certificate", [])[:MAX_CERTIFICATES]
    given = GivenSm2Seal(
        name=seal.filename if isinstance(seal, web.FileField) else "",
        encoded=seal.file.read() if isinstance(seal, web.FileField) else b"",
        certificates=[(each.filename, each.file.read()) for each in files if isinstance(each, web.FileField)],
        key_label=printable(str(sent.get("token_key", ""))),
    )
    act = install_sm2_seal(visit.services, visit.person, seal_id(visit), given)
    return await carry_out(act, seal_page(visit), partial(show_sm2_form, visit))
