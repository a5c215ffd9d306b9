"""Look up and export everything stored about a person at their request, and ask for their erasure.

All pages answer a form, so that numbers are in no URL and no browser history. Each act is in the school's record, with
its reason. A member of staff asks for an erasure here, and another one confirms it. A command carries it out, since no
serving process has the database role that may change evidence.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from aiohttp import web

from hub.errors import QiandaError
from hub.lifecycle.evidence.ask_erasure import ask_erasure, confirm_erasure, list_erasures, turn_erasure_down
from hub.lifecycle.evidence.person import PersonAct, export_person, find_persons, plan_erasure
from hub.lifecycle.services import Services
from hub.model.evidence.person_data import SoughtPerson
from hub.model.staff.scope import Scope
from hub.web.http.app_keys import RATE_LIMITS
from hub.web.pages.files import download
from hub.web.pages.i18n import Translate
from hub.web.pages.render import translator
from hub.web.pages.shaped_sentences import ShapedSentences
from hub.web.staff.actors import names_of
from hub.web.staff.forms import Entered
from hub.web.staff.labels import STATES
from hub.web.staff.person_labels import PERSON_PARTS, WHY_KEPT
from hub.web.staff.render import carry_out, show
from hub.web.staff.staff.access import StaffVisit

TEMPLATE, HERE = "staff/evidence/persons.html", "/staff/persons"
Decision = Callable[[Services, Scope, UUID, str], Awaitable[None]]
_WHY_KEPT = ShapedSentences(WHY_KEPT)
# Who placed a hold, in the sentence of `LegalHold`: a member of staff, or a command on the server.
_PLACED_BY = re.compile(r"it is held [^,:]+, by (staff:[0-9a-f-]{36}|command-line): ")


async def find(visit: StaffVisit) -> web.Response:
    """Show all matching people, and where data about each of them are stored."""

    async def act(asked: PersonAct, entered: Entered) -> web.Response:
        return await show_persons(visit, entered, found=await find_persons(visit.services, asked))

    return await _answer(visit, act)


async def export(visit: StaffVisit) -> web.Response:
    """Export everything about a person as one ZIP, to which the person is entitled."""

    async def act(asked: PersonAct, _: Entered) -> web.Response:
        content = await export_person(visit.services, asked)
        return download(content, "person.zip", "application/zip")

    return await _answer(visit, act)


async def erasure(visit: StaffVisit) -> web.Response:
    """Show what an erasure would erase and what has to stay. Change nothing."""

    async def act(asked: PersonAct, entered: Entered) -> web.Response:
        plan = await plan_erasure(visit.services, asked)
        say = translator(visit.request)
        named = await _name_holders(visit, plan.kept, say)
        kept = {number: _say_reason(reason, say) for number, reason in named.items()}
        return await show_persons(visit, entered, plan=replace(plan, kept=kept))

    return await _answer(visit, act)


async def ask(visit: StaffVisit) -> web.StreamResponse:
    """Ask for the erasure, which another member of staff has to confirm."""

    async def act(asked: PersonAct, _: Entered) -> web.Response:
        await ask_erasure(visit.services, asked, visit.staff.campus)
        raise web.HTTPSeeOther(f"{HERE}?said=erasure-asked")

    return await _answer(visit, act)


async def confirm(visit: StaffVisit) -> web.StreamResponse:
    return await _decide(visit, confirm_erasure, "erasure-confirmed")


async def turn_down(visit: StaffVisit) -> web.StreamResponse:
    return await _decide(visit, turn_erasure_down, "erasure-turned-down")


async def _decide(visit: StaffVisit, verb: Decision, said: str) -> web.StreamResponse:
    act = verb(visit.services, visit.scope, visit.read_id("request"), visit.actor)
    return await carry_out(act, f"{HERE}?said={said}", partial(show_persons, visit, None))


async def _name_holders(visit: StaffVisit, kept: Mapping[str, str], say: Translate) -> dict[str, str]:
    """Return the reasons with the names of those who placed the holds, in place of their ids."""
    found = {number: _PLACED_BY.match(reason) for number, reason in kept.items()}
    async with visit.services.database.transaction(visit.shown) as tx:
        names = await names_of(tx, [match[1] for match in found.values() if match])
    named = dict(kept)
    for number, match in found.items():
        if match:
            who = say("a command on the server") if match[1] == "command-line" else names.get(match[1], match[1])
            named[number] = named[number][: match.start(1)] + who + named[number][match.end(1) :]
    return named


def _say_reason(reason: str, say: Translate) -> str:
    """Return why a contract is kept, in the reader's language, with its state in words."""
    words = _WHY_KEPT.say(reason, say)
    state = next((each for each in STATES if f"({each})" in reason), "")
    return words.replace(state, say(STATES[state])) if state else words


async def _answer(visit: StaffVisit, act: Callable[[PersonAct, Entered], Awaitable[web.Response]]) -> web.Response:
    """Answer the form. If there is a problem, show the form again with it."""
    await visit.request.app[RATE_LIMITS].slow_down(visit.request, "staff-read")
    entered = await visit.read_form()
    try:
        sought = SoughtPerson.typed(entered["phone"], entered["id_number"], entered["name"])
        return await act(PersonAct(sought, visit.scope, visit.actor, entered["reason"]), entered)
    except QiandaError as problem:
        return await show_persons(visit, entered, problem)


async def show_persons(
    visit: StaffVisit, entered: Entered | None = None, problem: QiandaError | None = None, **shown: Any
) -> web.Response:
    requests = await list_erasures(visit.services, visit.scope)
    async with visit.services.database.transaction(visit.scope) as tx:
        asked = await names_of(tx, [each.asked_by for each in requests])
    known: dict[str, Any] = {"found": None, "plan": None, "parts": PERSON_PARTS, "entered": entered or Entered()}
    known |= {"requests": requests, "asked": asked}
    return await show(visit, TEMPLATE, problem=problem, **(known | shown))
