"""The staff console `/staff`."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from hub.web.staff.contract import contract, issuing, reading, revealing
from hub.web.staff.inbound import chat_accounts
from hub.web.staff.messaging import messages
from hub.web.staff.reminders import bulk, policies
from hub.web.staff.school import posters, roster
from hub.web.staff.signing import device_keys
from hub.web.staff.staff import answers, dashboard, phone_changes, tasks
from hub.web.staff.staff.access import Handler, login_routes, staff_only
from hub.wiring import Hub

_ONE = "/staff/contracts/{id}"
_ROSTER = "/staff/import/{upload}"
_POSTER = "/staff/posters/{poster}"
PAGES: dict[str, Handler] = {
    "/staff": dashboard.board,
    "/staff/enrolments": issuing.enrolments,
    "/staff/issue": issuing.form,
    "/staff/import": roster.form,
    "/staff/import/template.xlsx": roster.template,
    _ROSTER: roster.check,
    f"{_ROSTER}/marked.xlsx": roster.marked,
    "/staff/tasks": tasks.tasks,
    "/staff/tasks/{task}/answer": answers.form,
    "/staff/messages": messages.messages,
    "/staff/chats": chat_accounts.accounts,
    "/staff/policies": policies.policies,
    "/staff/remind/{act}": bulk.progress,
    "/staff/phone-changes": phone_changes.changes,
    "/staff/phone-changes/{change}": phone_changes.change,
    "/staff/posters": posters.posters,
    "/staff/posters/new": posters.form,
    _POSTER: posters.poster,
    f"{_POSTER}/people": posters.people,
    f"{_POSTER}/a4.pdf": posters.sheet,
    f"{_POSTER}/stickers.pdf": posters.stickers,
    f"{_POSTER}/revoke": posters.ask_revoke,
    _ONE: contract.contract,
    f"{_ONE}/void": contract.ask_void,
    f"{_ONE}/paper": contract.ask_paper,
    f"{_ONE}/final.pdf": reading.final_file,
    f"{_ONE}/read": reading.pages,
    f"{_ONE}/pages/{{number}}.png": reading.page_image,
    f"{_ONE}/document.pdf": reading.document,
    f"{_ONE}/links/{{signer}}": contract.links,
    f"{_ONE}/desk/{{signer}}": contract.desk_code,
}
ACTS: dict[str, Handler] = {
    "/staff/enrolments/preview": issuing.preview,
    "/staff/enrolments/issue": issuing.issue_many,
    "/staff/issue": issuing.issue_by_hand,
    "/staff/issue/preview": issuing.preview_by_hand,
    "/staff/issue/change": issuing.change,
    "/staff/import": roster.take_in,
    _ROSTER: roster.bring_in,
    f"{_ROSTER}/columns": roster.choose_columns,
    "/staff/tasks/{task}/done": tasks.done,
    "/staff/tasks/{task}/answer/preview": answers.preview,
    "/staff/tasks/{task}/answer": answers.send,
    "/staff/tasks/{task}/take": tasks.taken,
    "/staff/tasks/{task}/hand": tasks.handed,
    "/staff/chats": chat_accounts.add,
    "/staff/policies": policies.change,
    "/staff/policies/calendar": policies.calendar,
    "/staff/remind/preview": bulk.ask,
    "/staff/remind": bulk.remind,
    "/staff/chats/remove": chat_accounts.remove,
    "/staff/phone-changes/{change}/approve": phone_changes.approve,
    "/staff/phone-changes/{change}/turn-down": phone_changes.turn_down,
    "/staff/posters/new": posters.put_up,
    f"{_POSTER}/revoke": posters.revoke,
    f"{_ONE}/remind": contract.remind,
    f"{_ONE}/extend": contract.extend,
    f"{_ONE}/void": contract.void,
    f"{_ONE}/paper": contract.paper,
    f"{_ONE}/reissue": contract.reissue,
    f"{_ONE}/phone/{{signer}}": contract.change_phone,
    f"{_ONE}/reveal/{{signer}}": revealing.reveal,
    f"{_ONE}/replace/{{signer}}": contract.replace_person,
    f"{_ONE}/devices/{{device}}/revoke": device_keys.revoke,
}


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    yield from login_routes(hub)
    yield web.get("/staff/", _without_slash)
    for path, page in PAGES.items():
        yield web.get(path, staff_only(page))
    for path, act in ACTS.items():
        yield web.post(path, staff_only(act))


async def _without_slash(_: web.Request) -> web.StreamResponse:
    """Redirect `/staff/`, which people type and the demo prints, to `/staff`."""
    raise web.HTTPSeeOther("/staff")
