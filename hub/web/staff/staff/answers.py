"""Answer signers' questions by text message: write the answer, show it with length and cost, then send it."""

from __future__ import annotations

from aiohttp import web

from hub.errors import NotFound, QiandaError
from hub.lifecycle.staff.answer_question import AnswerDraft, AnswerRequest, get_question, preview_answer, send_answer
from hub.web.staff.messaging.messages import price_of
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit


async def form(visit: StaffVisit) -> web.Response:
    return await _page(visit, "")


async def _page(
    visit: StaffVisit, text: str, draft: AnswerDraft | None = None, problem: QiandaError | None = None
) -> web.Response:
    question = await get_question(visit.services, visit.scope, visit.read_id("task"))
    return await show(
        visit,
        "staff/answer.html",
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
    try:
        sent = await send_answer(visit.services, visit.scope, asked, visit.actor)
    except NotFound:
        raise
    except QiandaError as error:
        return await _page(visit, asked.text, problem=error)
    said = "answer-waits" if sent.not_before else "answered"
    raise web.HTTPSeeOther(f"/staff/tasks?said={said}")


async def _asked(visit: StaffVisit) -> AnswerRequest:
    text = str((await visit.request.post()).get("text", ""))
    words = "".join(each if each.isprintable() else " " for each in text)
    return AnswerRequest(visit.read_id("task"), words)
