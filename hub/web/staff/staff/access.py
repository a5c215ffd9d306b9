"""Determine who requests a page of the console, what they may do there, and which campuses they see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from aiohttp import web

from hub.errors import AccessDenied, AccountNotReady, LoginRequired, NotFound, QiandaError, RoleNotAllowed
from hub.lifecycle.services import Services
from hub.model.school.course import Campus
from hub.model.staff.accounts import CurrentSession, Staff
from hub.model.staff.administration import Administrator
from hub.model.staff.roles import SECOND_FACTOR_ROLES, Permission, may
from hub.model.staff.scope import EVERYTHING, Actor, Scope
from hub.web.http.app_keys import HUB
from hub.web.http.ids import read_id
from hub.web.http.security import cookie
from hub.web.staff.forms import Entered, read_texts

COOKIE = "__Host-qianda-staff"
MAX_INPUT_LENGTH = 200
# A form without a file. The longest is a contract's text of 60 000 Chinese characters, each sent as nine bytes.
MAX_FORM_BYTES = 1 << 20


@dataclass(frozen=True)
class StaffVisit:
    """A request by a logged-in member of staff. `scope`: campuses that they may see; `shown`: those selected now."""

    request: web.Request
    services: Services
    session: CurrentSession
    staff: Staff
    scope: Scope
    campuses: tuple[Campus, ...]
    campus: Campus | None
    shown: Scope

    @property
    def zone(self) -> str:
        """The time zone of this member of staff's campus."""
        return self.campuses_by_id[self.staff.campus].zone

    def zone_of(self, campus: str | None) -> str:
        """Return the time zone of a campus; of one that this member of staff does not see, that of their own."""
        return (self.campuses_by_id.get(campus or "") or self.campuses_by_id[self.staff.campus]).zone

    @property
    def campuses_by_id(self) -> Mapping[str, Campus]:
        return {each.id: each for each in self.campuses}

    @property
    def actor(self) -> str:
        return self.staff.actor

    @property
    def person(self) -> Actor:
        return Actor(self.actor, self.scope)

    @property
    def administrator(self) -> Administrator:
        return Administrator(self.actor, self.staff.role, self.scope, self.staff.id)

    def read_id(self, name: str, otherwise: QiandaError | type[QiandaError] = NotFound) -> UUID:
        """Return the id in the path that has this name. Raises `otherwise` if it is no id."""
        return read_id(self.request.match_info[name], otherwise)

    async def read_form(self) -> Entered:
        """Return the fields of the form that are texts of one line."""
        return read_texts(await self.request.post())

    async def read_text(self, name: str) -> str:
        """Return a field of the form as it was typed, also with several lines; empty if there is none."""
        return str((await self.request.post()).get(name, "")).replace("\x00", "")

    def may(self, permission: Permission) -> bool:
        return may(self.staff.role, permission)

    @property
    def needs_second_factor(self) -> bool:
        """Whether the role requires a second factor and the account has none yet. A demo requires none."""
        hub = self.request.app[HUB]
        required = hub.settings.staff.second_factor == "required" and not hub.demo
        if self.session.by_provider and hub.settings.oidc.second_factor == "provider":
            return False
        return required and self.staff.role in SECOND_FACTOR_ROLES and not self.session.second_factor

    @property
    def has_one_time_password(self) -> bool:
        """Whether this session began with a password that may be used only for the first login."""
        return self.session.one_time and not self.session.by_provider

    @property
    def is_ready(self) -> bool:
        """Whether this account is set up. If not, setting it up is all that is allowed."""
        return not (self.has_one_time_password or self.needs_second_factor)


Handler = Callable[[StaffVisit], Awaitable[web.StreamResponse]]


class StaffRoute(NamedTuple):
    """The handler of a route of the console, and the permission that the route requires. `takes_file`: its form may
    have any length that the server accepts; all other forms are bounded by MAX_FORM_BYTES."""

    permission: Permission
    handler: Handler
    takes_file: bool = False


def staff_only(route: StaffRoute) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Require a login, and a role that permits the route.

    Without a login, a GET is redirected to the login page, and a form is refused. The role is checked before anything
    is looked up, so that a refusal reveals nothing about what exists.
    """

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            visit = await _visit(_bounded(request, route))
        except LoginRequired:
            if request.method not in ("GET", "HEAD") or "part" in request.query:
                raise
            raise web.HTTPSeeOther(request.app.router["login"].url_for().with_query(next=request.path_qs)) from None
        if not visit.may(route.permission):
            raise RoleNotAllowed
        if not visit.is_ready and route.permission is not Permission.OWN_ACCOUNT:
            if request.method in ("GET", "HEAD") and "part" not in request.query:
                raise web.HTTPSeeOther("/staff/account")
            raise AccountNotReady
        return await route.handler(visit)

    return guarded


def _bounded(request: web.Request, route: StaffRoute) -> web.Request:
    """Return the request so that no more of its form is read than this route needs: decoding it blocks the server."""
    if route.takes_file and request.content_type == "multipart/form-data":
        return request
    return request.clone(client_max_size=MAX_FORM_BYTES)


async def _visit(request: web.Request) -> StaffVisit:
    services = request.app[HUB].services
    async with services.database.transaction(EVERYTHING) as tx:
        secret = cookie(request, COOKIE)
        idle = timedelta(minutes=request.app[HUB].settings.staff.idle_minutes)
        session = await tx.accounts.find_session(secret, tx.now, idle) if secret else None
        if session is None or session.pending:
            raise LoginRequired
        if "part" not in request.query:  # the page itself requests its parts, even if nobody is there
            await tx.accounts.note_seen(session.id, tx.now)
        staff = session.staff
        scope = await tx.school.get_scope_below(staff.campus)
        campuses = tuple(each for each in await tx.school.list_campuses() if scope.covers(each.id))
        wanted = request.query.get("campus", "")
        campus = next((each for each in campuses if each.id == wanted), None)
        if wanted and campus is None:
            raise AccessDenied("you have no access to this campus")
        shown = await tx.school.get_scope_below(campus.id) if campus else scope
    return StaffVisit(request, services, session, staff, scope, campuses, campus, shown)
