"""Pages for one's own account: password, sessions, second factor."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from channels.qr import svg
from hub.errors import QiandaError
from hub.lifecycle.staff import own_account
from hub.lifecycle.staff.own_account import PasswordChange
from hub.model.staff.second_factor import app_address
from hub.web.http.app_keys import PASSWORDS
from hub.web.http.security import refuse_other_sites
from hub.web.pages.files import data_url
from hub.web.pages.i18n import language_of
from hub.web.staff.render import carry_out, show
from hub.web.staff.staff.access import StaffVisit

HERE = "/staff/account"
FACTOR = f"{HERE}/second-factor"
MAX_TYPED = 400


async def show_own_account(visit: StaffVisit, problem: QiandaError | None = None, form: str = "") -> web.Response:
    """Show the account. `form`: the form that was refused; the problem is shown at it."""
    async with visit.services.database.transaction(visit.scope) as tx:
        sessions = await tx.accounts.list_sessions(visit.staff.id, tx.now)
        codes = await tx.second_factors.count_codes(visit.staff.id)
        waits = await tx.second_factors.get(visit.staff.id) if not visit.session.second_factor else None
    return await show(
        visit, "staff/staff/own_account.html", problem=problem, form=form, sessions=sessions, codes=codes, waits=waits
    )


async def change_password(visit: StaffVisit) -> web.StreamResponse:
    form = await visit.request.post()
    change = PasswordChange(_typed(form.get("present")), _typed(form.get("new")))
    act = own_account.change_own_password(visit.services, visit.request.app[PASSWORDS], visit.session, change)
    return await carry_out(act, f"{HERE}?said=password-changed", partial(show_own_account, visit, form="password"))


async def end_session(visit: StaffVisit) -> web.StreamResponse:
    session = visit.read_id("session")
    await own_account.end_own_session(visit.services, visit.staff, session)
    raise web.HTTPSeeOther(f"{HERE}?said=sessions-ended")


async def end_others(visit: StaffVisit) -> web.StreamResponse:
    await own_account.end_other_sessions(visit.services, visit.session)
    raise web.HTTPSeeOther(f"{HERE}?said=sessions-ended")


# ---- the second factor


async def begin_factor(visit: StaffVisit) -> web.StreamResponse:
    password = _typed((await visit.request.post()).get("password"))
    act = own_account.begin_second_factor(visit.services, visit.request.app[PASSWORDS], visit.session, password)
    return await carry_out(act, FACTOR, partial(show_own_account, visit, form="begin"))


async def factor(visit: StaffVisit) -> web.StreamResponse:
    refuse_other_sites(visit.request)
    return await _factor_page(visit)


async def _factor_page(visit: StaffVisit, problem: QiandaError | None = None) -> web.StreamResponse:
    """Show the secret as a QR code, until a first code has confirmed it."""
    secret = await own_account.get_unconfirmed_secret(visit.services, visit.staff)
    if secret is None:
        raise web.HTTPSeeOther(HERE)
    school = visit.services.documents.school_called(language_of(visit.request))
    data = data_url(svg(app_address(secret, visit.staff.login, school)).encode(), "image/svg+xml")
    groups = " ".join(secret[each : each + 4] for each in range(0, len(secret), 4))
    return await show(visit, "staff/staff/second_factor.html", problem=problem, qr_svg=data, secret=groups)


async def confirm_factor(visit: StaffVisit) -> web.StreamResponse:
    code = _typed((await visit.request.post()).get("code"))
    try:
        codes = await own_account.confirm_second_factor(visit.services, visit.session, code)
    except QiandaError as problem:
        return await _factor_page(visit, problem)
    return await show(visit, "staff/staff/recovery_codes.html", codes=codes)


async def renew_codes(visit: StaffVisit) -> web.Response:
    code = _typed((await visit.request.post()).get("code"))
    try:
        codes = await own_account.renew_recovery_codes(visit.services, visit.session, code)
    except QiandaError as problem:
        return await show_own_account(visit, problem, "codes")
    return await show(visit, "staff/staff/recovery_codes.html", codes=codes)


async def remove_factor(visit: StaffVisit) -> web.StreamResponse:
    code = _typed((await visit.request.post()).get("code"))
    act = own_account.remove_own_second_factor(visit.services, visit.session, code)
    return await carry_out(act, f"{HERE}?said=second-factor-removed", partial(show_own_account, visit, form="remove"))


def _typed(value: object) -> str:
    """Return a field as it was typed, since a password may begin or end with spaces."""
    return value[:MAX_TYPED] if isinstance(value, str) else ""
