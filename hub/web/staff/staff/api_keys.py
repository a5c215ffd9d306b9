"""Manage API keys of other systems. A secret is shown once, as the answer to the form that made it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from functools import partial

from aiohttp import web

from hub.errors import BadInput, QiandaError
from hub.lifecycle.staff import api_keys
from hub.model.school.entered_day import end_of_day, read_day
from hub.model.staff.accounts import ApiKeyEntry
from hub.model.staff.key_scopes import SEAL_SCOPES, USUAL_SCOPES, KeyScope, KeyTerms
from hub.model.staff.roles import Permission
from hub.web.staff.forms import Entered, read_texts
from hub.web.staff.render import carry_out, show
from hub.web.staff.staff.access import StaffVisit

HERE = "/staff/keys"
# How long the former secret stays valid after a rotation, unless the form says that it ends at once.
USUAL_OVERLAP = timedelta(days=7)


async def list_keys(
    visit: StaffVisit, problem: QiandaError | None = None, entered: Entered | None = None
) -> web.Response:
    found = [each for each in await api_keys.list_keys(visit.services) if visit.shown.covers(each.key.campus)]
    now = visit.services.clock()
    return await show(
        visit,
        "staff/staff/keys.html",
        problem=problem,
        live=[each for each in found if each.counts_at(now)],
        ended=[each for each in found if not each.counts_at(now)],
        rotating=_names_twice(found, now),
        scopes=[each for each in KeyScope if each not in SEAL_SCOPES or visit.may(Permission.USE_SEAL)],
        chosen=entered.get("scopes", "").split() if entered else sorted(USUAL_SCOPES),
        entered=entered or Entered(campus=visit.staff.campus),
    )


def _names_twice(found: list[ApiKeyEntry], now: datetime) -> set[str]:
    """Return the names of keys whose former secret is still valid."""
    names = [each.key.name for each in found if each.counts_at(now)]
    return {name for name in names if names.count(name) > 1}


async def add(visit: StaffVisit) -> web.Response:
    form = await _form(visit)
    try:
        if not visit.scope.covers(form["campus"]):
            raise BadInput(f"there is no campus {form['campus']}", field="campus")
        scopes = frozenset(scope for scope in KeyScope if scope in form["scopes"].split())
        terms = KeyTerms(scopes, end_of_day(read_day(form["expires"], "expires"), visit.zone))
        _check_seal_scopes(visit, terms.scopes)
        secret = await api_keys.add_key(visit.services, form["name"], form["campus"], visit.actor, terms)
    except QiandaError as problem:
        return await list_keys(visit, problem, form)
    return await show(visit, "staff/staff/key_secret.html", name=form["name"], secret=secret, overlap=None)


async def rotate(visit: StaffVisit) -> web.Response:
    name = await _own_key(visit)
    overlap = timedelta(0) if (await _form(visit)).get("overlap") == "0" else USUAL_OVERLAP
    try:
        for each in await api_keys.list_keys(visit.services):
            if each.key.name == name and each.counts_at(visit.services.clock()):
                _check_seal_scopes(visit, each.key.scopes)
        secret = await api_keys.rotate_key(visit.services, name, overlap, visit.actor)
    except QiandaError as problem:
        return await list_keys(visit, problem)
    return await show(visit, "staff/staff/key_secret.html", name=name, secret=secret, overlap=overlap.days)


async def revoke(visit: StaffVisit) -> web.StreamResponse:
    name = await _own_key(visit)
    act = api_keys.revoke_key(visit.services, name, visit.actor)
    return await carry_out(act, f"{HERE}?said=key-revoked", partial(list_keys, visit))


async def _own_key(visit: StaffVisit) -> str:
    """Return the name in the form if this account may see the key, else a name that no key has."""
    name = (await _form(visit))["name"]
    keys = await api_keys.list_keys(visit.services)
    return name if all(visit.scope.covers(each.key.campus) for each in keys if each.key.name == name) else ""


def _check_seal_scopes(visit: StaffVisit, scopes: AbstractSet[KeyScope]) -> None:
    """Refuse scopes for seals that this account may not give. Raises BadInput."""
    if scopes & SEAL_SCOPES and not visit.may(Permission.USE_SEAL):
        raise BadInput("only somebody who may use the seal gives a key for it", field="scopes")


async def _form(visit: StaffVisit) -> Entered:
    sent = await visit.request.post()
    form = read_texts(sent)
    form["scopes"] = " ".join(str(each) for each in sent.getall("scope", []))
    return form
