"""Answer chat questions from staff with counts for their own campuses and the URL of the console.

People without a staff account get no answer.
"""

from __future__ import annotations

from urllib.parse import urlencode

import structlog

from hub.lifecycle.services import Services
from hub.model.messaging.chat_query import (
    ChatQuery,
    ContractCounts,
    Topic,
    parse_chat_query,
    render_chat_help,
    render_contract_counts,
)
from hub.model.staff.scope import EVERYTHING, Scope

MAX_PERSON_LENGTH = 200
log = structlog.get_logger()


async def answer_chat_question(services: Services, chat: str, person: str, text: str) -> str | None:
    """Return the answer to a question; None for a person without a staff account. `person`: their platform id."""
    if not 0 < len(person) <= MAX_PERSON_LENGTH or not person.isprintable():
        return None
    async with services.database.transaction(EVERYTHING) as tx:
        staff = await tx.chats.find_staff(chat, person)
        if staff is None:
            who = tx.cipher.found_by("chat-person", f"{chat}:{person}").hex()[:16]
            log.info("chat question from unknown person", chat=chat, person=who)
            return None
        scope = await tx.school.get_scope_below(staff.campus)
        campuses = [campus for campus in await tx.school.list_campuses() if scope.covers(campus.id)]
        query = parse_chat_query(text, campuses)
        if query.campus:
            scope = await tx.school.get_scope_below(query.campus.id)
    if query.topic is Topic.HELP or query.unknown_campus:
        return render_chat_help(query, campuses[-1], f"{services.origin}/staff")
    return render_contract_counts(
        query, await _count_contracts(services, scope), _console_address(services.origin, query)
    )


async def _count_contracts(services: Services, scope: Scope) -> ContractCounts:
    """Count the contracts within the scope, which row-level security enforces."""
    async with services.database.transaction(scope) as tx:
        _, counts = await tx.board.get_counts(tx.planning_now)
    return ContractCounts(
        issued=counts["issued"],
        signed=counts["signed"],
        completed=counts["completed"],
        pending=counts["pending"],
        delivered=counts["reached"],
        opened=counts["read"],
        overdue=counts["overdue"],
        stuck=counts["stuck"],
    )


def _console_address(origin: str, query: ChatQuery) -> str:
    wanted = {"campus": query.campus.id} if query.campus else {}
    return f"{origin}/staff?{urlencode(wanted | {'view': 'pending'})}"
