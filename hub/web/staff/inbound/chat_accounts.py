"""Map chat users to staff accounts. Headquarters edits this list."""

from __future__ import annotations

from aiohttp import web

from hub.errors import AccessDenied, BadInput
from hub.lifecycle.evidence.school_acts import record_staff_act
from hub.lifecycle.inbound.chat_replies import MAX_PERSON_LENGTH
from hub.web.http.app_keys import HUB
from hub.web.staff.forms import Entered
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit


async def accounts(visit: StaffVisit, entered: Entered | None = None, problem: BadInput | None = None) -> web.Response:
    """Show the list and the form, after an error with the previous input."""
    _headquarters(visit)
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await tx.chats.list_accounts()
    chats = sorted(visit.request.app[HUB].chats)
    return await show(
        visit, "staff/inbound/chats.html", problem=problem, accounts=found, chats=chats, entered=entered or Entered()
    )


async def add(visit: StaffVisit) -> web.StreamResponse:
    _headquarters(visit)
    form = Entered({name: str(value).strip() for name, value in (await visit.request.post()).items()})
    try:
        await _map(visit, form)
    except BadInput as problem:
        return await accounts(visit, form, problem)
    raise web.HTTPSeeOther("/staff/chats?said=chat-added")


async def _map(visit: StaffVisit, form: Entered) -> None:
    chat, person, login = form["chat"], form["person"], form["login"]
    if chat not in visit.request.app[HUB].chats:
        raise BadInput("unknown chat", field="chat")
    if not person.isprintable() or not 0 < len(person) <= MAX_PERSON_LENGTH:
        raise BadInput("the id of a person as the chat's administration shows it", field="person")
    async with visit.services.database.transaction(visit.scope) as tx:
        account = await tx.accounts.find_by_login(login) if login.isprintable() else None
        if account is None:
            raise BadInput("no account has this login", field="login")
        former = await tx.chats.remove(chat, person)
        await tx.chats.put(chat, person, account[0].id, tx.now)
        if former and former.id != account[0].id:
            await record_staff_act(tx, "chat-unlinked", former, visit.actor)
        await record_staff_act(tx, "chat-linked", account[0], visit.actor)


async def remove(visit: StaffVisit) -> web.StreamResponse:
    """Remove the mapping of a chat user, also for a chat that is no longer configured."""
    _headquarters(visit)
    form = await visit.request.post()
    chat, person = str(form.get("chat", "")), str(form.get("person", ""))
    if chat.isprintable() and person.isprintable():
        async with visit.services.database.transaction(visit.scope) as tx:
            if former := await tx.chats.remove(chat, person):
                await record_staff_act(tx, "chat-unlinked", former, visit.actor)
    raise web.HTTPSeeOther("/staff/chats?said=chat-removed")


def _headquarters(visit: StaffVisit) -> None:
    if visit.scope.campuses is not None:
        raise AccessDenied("only headquarters may do this")
