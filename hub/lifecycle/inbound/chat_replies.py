"""A member of staff asks in a chat how contracts stand, and hears it: counts of their own campuses and where to look.

Whoever is not mapped to an account of staff hears nothing at all.
"""

from __future__ import annotations

from urllib.parse import urlencode

import structlog

from hub.lifecycle.services import Services
from hub.model.messaging.chat_query import ContractCounts, Inquiry, Topic, help_text, read_inquiry, standing_text
from hub.model.staff.accounts import EVERYTHING, Scope

MAX_PERSON_LENGTH = 200
log = structlog.get_logger()


async def inform(services: Services, chat: str, person: str, text: str) -> str | None:
    """The answer to a question; None for a person who is not mapped. `person` is the platform's id of them."""
    if not 0 < len(person) <= MAX_PERSON_LENGTH or not person.isprintable():
        return None
    async with services.database.transaction(EVERYTHING) as tx:
        staff = await tx.chats.staff_of(chat, person)
        if staff is None:
            who = tx.cipher.found_by("chat-person", f"{chat}:{person}").hex()[:16]
            log.info("a chat question of nobody", chat=chat, person=who)
            return None
        scope = await tx.school.scope_below(staff.campus)
        campuses = [campus for campus in await tx.school.campuses() if scope.covers(campus.id)]
        inquiry = read_inquiry(text, campuses)
        if inquiry.campus:
            scope = await tx.school.scope_below(inquiry.campus.id)
    if inquiry.topic is Topic.HELP or inquiry.unknown_campus:
        return help_text(inquiry, f"{services.origin}/staff")
    return standing_text(inquiry, await _standing(services, scope), _console(services.origin, inquiry))


async def _standing(services: Services, scope: Scope) -> ContractCounts:
    """Counted within the scope: row-level security sees to it that nothing else is."""
    async with services.database.transaction(scope) as tx:
        counts, overdue = await tx.board.counts(), await tx.board.overdue(tx.planning_now)
    return ContractCounts(
        issued=counts["issued"],
        signed=counts["signed"],
        completed=counts["completed"],
        pending=counts["pending"],
        delivered=counts["reached"],
        opened=counts["read"],
        overdue=overdue,
        stuck=counts["stuck"],
    )


def _console(origin: str, inquiry: Inquiry) -> str:
    wanted = {"campus": inquiry.campus.id} if inquiry.campus else {}
    return f"{origin}/staff?{urlencode(wanted | {'view': 'pending'})}"
