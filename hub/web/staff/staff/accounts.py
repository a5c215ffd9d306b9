"""Manage staff accounts. Managers see the accounts of their campuses, and change those whose roles are included in
their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from hub.errors import AccountNotFound, BadInput, QiandaError
from hub.lifecycle.services import Services
from hub.lifecycle.staff import accounts
from hub.lifecycle.staff.accounts import NewStaff
from hub.lifecycle.staff.provider_login import link_staff_login, unlink_staff_login
from hub.model.staff.accounts import StaffAccount
from hub.model.staff.administration import Administrator
from hub.model.staff.password import new_password
from hub.model.staff.roles import StaffRole, list_grantable_roles, may_grant
from hub.web.http.app_keys import HUB
from hub.web.staff.forms import Entered
from hub.web.staff.render import carry_out, show
from hub.web.staff.staff.access import Handler, StaffVisit


async def list_accounts(
    visit: StaffVisit, problem: QiandaError | None = None, entered: Entered | None = None
) -> web.Response:
    found = await accounts.list_staff(visit.services, visit.administrator)
    return await show(
        visit,
        "staff/staff/accounts.html",
        problem=problem,
        accounts=[each for each in found if visit.shown.covers(each.staff.campus)],
        roles=list_grantable_roles(visit.staff.role, at_headquarters=_is_root(visit, visit.staff.campus)),
        entered=entered or Entered(campus=visit.staff.campus, role=StaffRole.CLERK),
    )


async def add(visit: StaffVisit) -> web.Response:
    form = await visit.read_form()
    password = new_password()
    try:
        new = NewStaff(form["login"], form["name"], form["campus"], _role(form["role"]))
        staff = await accounts.add_staff(visit.services, new, password, visit.administrator, one_time=True)
    except QiandaError as problem:
        return await list_accounts(visit, problem, form)
    return await show(visit, "staff/staff/one_time_password.html", account=staff, password=password)


async def account(visit: StaffVisit) -> web.Response:
    return await _show(visit, await _account(visit))


async def _show(visit: StaffVisit, found: StaffAccount, problem: QiandaError | None = None) -> web.Response:
    staff = found.staff
    return await show(
        visit,
        "staff/staff/account.html",
        problem=problem,
        found=found,
        account=staff,
        at=visit.campuses_by_id[staff.campus],
        sessions=await accounts.list_sessions(visit.services, staff.login, visit.administrator),
        roles=list_grantable_roles(visit.staff.role, at_headquarters=_is_root(visit, staff.campus)),
        provider=visit.request.app[HUB].settings.oidc.issuer,
        manageable=staff.id != visit.staff.id and may_grant(visit.staff.role, staff.role),
    )


def _act_on(verb: Callable[[Services, str, Administrator], Awaitable[object]]) -> Handler:
    """Return the handler of an act on the account in the URL, which needs no form."""

    async def handler(visit: StaffVisit) -> web.StreamResponse:
        return await _act(visit, lambda login: verb(visit.services, login, visit.administrator))

    return handler


disable, enable = _act_on(accounts.disable_staff), _act_on(accounts.enable_staff)
unlock, end_sessions = _act_on(accounts.unlock_staff), _act_on(accounts.end_sessions)
remove_second_factor = _act_on(accounts.remove_second_factor)
unlink_login = _act_on(unlink_staff_login)


async def link_login(visit: StaffVisit) -> web.StreamResponse:
    form, issuer = await visit.read_form(), visit.request.app[HUB].settings.oidc.issuer
    subject = form["subject"].strip()
    return await _act(
        visit, lambda login: link_staff_login(visit.services, login, issuer, subject, visit.administrator)
    )


async def change_role(visit: StaffVisit) -> web.StreamResponse:
    form = await visit.read_form()

    async def act(login: str) -> object:
        return await accounts.change_role(visit.services, login, _role(form["role"]), visit.administrator)

    return await _act(visit, act)


async def reset(visit: StaffVisit) -> web.StreamResponse:
    """Make a new password, and show it as the answer to the form, so that it is in no URL and no browser history."""
    found, password = await _account(visit), new_password()
    try:
        staff = await accounts.reset_password(
            visit.services, found.staff.login, password, visit.administrator, one_time=True
        )
    except QiandaError as problem:
        return await _show(visit, found, problem)
    return await show(visit, "staff/staff/one_time_password.html", account=staff, password=password)


async def _act(visit: StaffVisit, act: Callable[[str], Awaitable[object]]) -> web.StreamResponse:
    """Carry out an act on the account in the URL, then show the account with a confirmation or with the error."""
    found = await _account(visit)
    there = f"/staff/accounts/{found.staff.id}?said=account-changed"
    return await carry_out(act(found.staff.login), there, partial(_show, visit, found))


async def _account(visit: StaffVisit) -> StaffAccount:
    """Return the account in the URL. Raises AccountNotFound, also for an account of another campus."""
    wanted = visit.read_id("account", AccountNotFound)
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await tx.accounts.find_account(wanted, tx.now)
    if found is None:
        raise AccountNotFound
    return found


def _is_root(visit: StaffVisit, campus: str) -> bool:
    return any(each.id == campus and each.parent is None for each in visit.campuses)


def _role(text: str) -> StaffRole:
    try:
        return StaffRole(text)
    except ValueError:
        raise BadInput("there is no such role", field="role") from None
