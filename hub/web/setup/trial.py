"""The trial message: send it to the person who sets the hub up, and let them confirm it by its code."""

from __future__ import annotations

from aiohttp import web

from hub.errors import BadInput
from hub.setup.answers import channel_entry
from hub.setup.provider_trial import ask_about_trial, check_pause, send_trial, take_code
from hub.web.pages.fault_words import say_fault
from hub.web.pages.i18n import language_of
from hub.web.pages.render import page, translator
from hub.web.setup.state import STATE
from hub.web.setup.steps import progress


async def show_trial(request: web.Request) -> web.Response:
    state = request.app[STATE]
    given = state.answers.get("messages", {})
    if given.get("kind", "none") == "none":
        raise web.HTTPSeeOther("/setup/steps/messages")
    if state.trial and not state.trial.seen:
        state.trial = await ask_about_trial(given["kind"], channel_entry(state.answers), state.trial)
    return _page(request)


async def send(request: web.Request) -> web.StreamResponse:
    state = request.app[STATE]
    given = state.answers.get("messages", {})
    if given.get("kind", "none") == "none":
        raise web.HTTPSeeOther("/setup/steps/messages")
    try:
        check_pause(state.sent, state.trial.sent_at if state.trial else None, state.clock())
        state.sent += 1
        state.trial = await send_trial(given["kind"], channel_entry(state.answers), given["to"], language_of(request))
    except BadInput as error:
        return _page(request, fault=str(error), status=422)
    raise web.HTTPSeeOther("/setup/trial")


async def take(request: web.Request) -> web.StreamResponse:
    """Take the code that the message contained."""
    state = request.app[STATE]
    typed = (await request.post()).get("code", "")
    if state.trial is None or not isinstance(typed, str):
        raise web.HTTPSeeOther("/setup/trial")
    try:
        state.trial = take_code(state.trial, typed[:20], state.clock())
    except BadInput as error:
        return _page(request, fault=str(error), status=422)
    if not state.trial.seen:
        return _page(request, fault="this is not the code of the last message", status=422)
    raise web.HTTPSeeOther("/setup/check")


def _page(request: web.Request, *, fault: str = "", status: int = 200) -> web.Response:
    state = request.app[STATE]
    return page(
        request,
        "setup/trial.html",
        status=status,
        trial=state.trial,
        to=state.answers["messages"]["to"],
        fault=say_fault(fault, translator(request)) if fault else "",
        **progress(request, "messages"),
    )
