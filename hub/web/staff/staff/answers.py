"""Answer signers' questions by text message: write the answer, show it with length and cost, then send it."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from hub.errors import NotFound, QiandaError
from hub.lifecycle.staff.answer_question import AnswerDraft, AnswerRequest, get_question, preview_answer, send_answer
from hub.web.staff.messaging.messages import price_of
from hub.web.staff.render import carry_out, show
from hub.web.staff.staff.access import StaffVisit


async def form(visit: StaffVisit) -> web.Response:
    return await _page(visit, "")


async def _page(
    visit: StaffVisit, text: str, draft: AnswerDraft | None = None, problem: QiandaError | None = None
) -> web.Response:
    question = await get_question(visit.services, visit.scope, visit.read_id("task"))
    return await show(
        visit,
        "staff/staff/answer.html",
        question=question,
        at=visit.campuses_by_id[question.contract.campus],
        text=text,
        draft=draft,
        price=price_of,
        problem=problem,
    )


async def preview(visit: StaffVisit) -> web.Response:
    asked = await _asked(visit)
    try:
        draft = await preview_answer(visit.services, visit.scope, asked)
    except NotFound:
        raise
    except QiandaError as error:
        return await _page(visit, asked.text, problem=error)
    return await _page(visit, asked.text, draft)


async def send(visit: StaffVisit) -> web.StreamResponse:
    asked = await _asked(visit)
    return await carry_out(
        send_answer(visit.services, visit.scope, asked, visit.actor),
        lambda sent: f"/staff/tasks?said={'answer-waits' if sent.not_before else 'answered'}",
        partial(_page, visit, asked.text, None),
    )


async def _asked(visit: StaffVisit) -> AnswerRequest:
    text = str((await visit.request.post()).get("text", ""))
    words = "".join(each if each.isprintable() else " " for each in text)
    return AnswerRequest(visit.read_id("task"), words)
