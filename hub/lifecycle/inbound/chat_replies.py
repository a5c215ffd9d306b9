"""A member of staff asks in a chat how contracts stand, and hears it: counts of their own campuses and where to look.

Whoever is not mapped to an account of staff hears nothing at all.
"""

from __future__ import annotations

from urllib.parse import urlencode

import structlog

from hub.lifecycle.services import Parts
from hub.model.messaging.chat_query import Inquiry, Standing, Topic, help_text, read_inquiry, standing_text
from hub.model.staff.accounts import EVERYTHING, Scope

LONGEST_PERSON = 200
log = structlog.get_logger()


async def inform(parts: Parts, chat: str, person: str, text: str) -> str | None:
    """The answer to a question; None for a person who is not mapped. `person` is the platform's id of them."""
    if not 0 < len(person) <= LONGEST_PERSON or not person.isprintable():
        return None
    async with parts.database.unit(EVERYTHING) as unit:
        staff = await unit.chats.staff_of(chat, person)
        if staff is None:
            who = unit.cipher.found_by("chat-person", f"{chat}:{person}").hex()[:16]
            log.info("a chat question of nobody", chat=chat, person=who)
            return None
        scope = await unit.school.scope_below(staff.campus)
        campuses = [campus for campus in await unit.school.campuses() if scope.covers(campus.id)]
        inquiry = read_inquiry(text, campuses)
        if inquiry.campus:
            scope = await unit.school.scope_below(inquiry.campus.id)
    if inquiry.topic is Topic.HELP or inquiry.unknown_campus:
        return help_text(inquiry, f"{parts.origin}/staff")
    return standing_text(inquiry, await _standing(parts, scope), _console(parts.origin, inquiry))


async def _standing(parts: Parts, scope: Scope) -> Standing:
    """Counted within the scope: row-level security sees to it that nothing else is."""
    async with parts.database.unit(scope) as unit:
        counts, overdue = await unit.board.counts(), await unit.board.overdue(await unit.planning_now())
    return Standing(
        issued=counts["issued"], signed=counts["signed"], completed=counts["completed"], pending=counts["pending"],
        delivered=counts["reached"], opened=counts["read"], overdue=overdue, stuck=counts["stuck"],
    )  # fmt: skip


def _console(origin: str, inquiry: Inquiry) -> str:
    wanted = {"campus": inquiry.campus.id} if inquiry.campus else {}
    return f"{origin}/staff?{urlencode(wanted | {'view': 'pending'})}"
