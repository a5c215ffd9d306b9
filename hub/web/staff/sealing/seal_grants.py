"""Give and revoke grants of a seal."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from aiohttp import web

from hub.errors import QiandaError
from hub.lifecycle.sealing.seals.grant_seal import NewGrant, grant_seal, revoke_grant
from hub.model.school.entered_day import end_of_day, read_day
from hub.model.sealing.seal_grant import NEW_GRANTEE_KINDS, GranteeKind
from hub.web.staff.forms import Entered, printable, read_limit, read_texts
from hub.web.staff.render import carry_out, show
from hub.web.staff.sealing.seals import seal_id, seal_page, template_titles
from hub.web.staff.staff.access import StaffVisit

MAX_DIGITS = 9


async def form(visit: StaffVisit) -> web.Response:
    return await _form(visit, {"grantee_kind": GranteeKind.CONTRACTS.value}, [])


async def _form(
    visit: StaffVisit, entered: Mapping[str, str], chosen: list[str], problem: QiandaError | None = None
) -> web.Response:
    async with visit.services.database.transaction(visit.scope) as tx:
        seal = await tx.seals.get(seal_id(visit))
        clients = sorted({each.key.name for each in await tx.api_keys.list_all() if each.counts_at(tx.now)})
        titles = await template_titles(visit, tx)
    return await show(
        visit,
        "staff/sealing/seal_grant.html",
        problem=problem,
        seal=seal,
        entered=Entered(entered),
        chosen=chosen,
        kinds=NEW_GRANTEE_KINDS,
        clients=clients,
        titles=titles,
    )


async def grant(visit: StaffVisit) -> web.StreamResponse:
    sent = await visit.request.post()
    entered = read_texts(sent)
    chosen = [printable(str(value)) for value in sent.getall("template", [])]
    try:
        kind = entered["grantee_kind"]
        asked = NewGrant(
            grantee_kind=kind,
            grantee=entered[kind] if kind == GranteeKind.CLIENT else "",
            campus=entered["campus"],
            templates=chosen,
            expires_at=end_of_day(read_day(entered["expires_at"], "expires_at"), visit.zone),
            max_uses=read_limit(entered["max_uses"], MAX_DIGITS, "max_uses"),
        )
    except QiandaError as error:
        return await _form(visit, entered, chosen, error)
    act = grant_seal(visit.services, visit.person, seal_id(visit), asked)
    return await carry_out(act, seal_page(visit), partial(_form, visit, entered, chosen))


async def revoke(visit: StaffVisit) -> web.StreamResponse:
    which = visit.read_id("grant")
    await revoke_grant(visit.services, visit.person, seal_id(visit), which)
    raise web.HTTPSeeOther(seal_page(visit))
