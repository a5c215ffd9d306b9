"""Answer a signer's question by a text message, from the staff task about the question.

The answer is subject to the daily window, opt-outs and budgets, like all messages that the hub starts. The task stays
open, and reminders stay paused, until staff finish it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.errors import BadInput, IllegalMove, NotFound, TooSoon
from hub.lifecycle.messaging.preview_message import ReadableMessage, preview_message
from hub.lifecycle.messaging.quotas import alert_if_spent
from hub.lifecycle.messaging.send import NewMessage, get_channels, send_at_once
from hub.lifecycle.services import Services
from hub.lifecycle.signing.questions import QUESTIONS
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer
from hub.model.messaging.delivery import Delivery
from hub.model.messaging.message import Purpose
from hub.model.messaging.sms_length import utf16_units
from hub.model.reminders.may_send import MessageCase, Wait, may_send
from hub.model.staff.accounts import WROTE, StaffTask
from hub.model.staff.scope import Scope
from hub.router.policy import get_policy
from hub.store.transaction import Transaction

ANSWERED = "question-answered"
# Kinds of tasks that can be answered by a text message.
ANSWERABLE = (*QUESTIONS, WROTE)
# The most answers to one person within a day. For a longer exchange, staff should call.
MAX_ANSWERS_A_DAY = 5
A_DAY = timedelta(days=1)
# Text that phones turn into a link. There are 1,400 top-level domains, so any Latin one counts ("Mr.Wang" is a link).
# Only the common Chinese ones count, because a dot may also end a Chinese sentence. Four numbers are an IP address.
# Only the hub sends links, so that nobody learns to trust other links.
_ADDRESS = re.compile(
    r"://|\bwww\.|[^\W_]\.(?:[a-z]{2,}|中国|中國|公司|网络|网址|网店|在线|集团)|\d(?:\.\d+){3}", re.IGNORECASE
)


@dataclass(frozen=True)
class AnswerRequest:
    """An answer that staff want to send, and the staff task with the question."""

    staff_task: UUID
    text: str


@dataclass(frozen=True)
class Question:
    """An open staff task with a signer's question, and its `answers` so far, oldest first."""

    task: StaffTask
    contract: Contract
    signer: Signer
    answers: tuple[Delivery, ...]


@dataclass(frozen=True)
class AnswerDraft:
    """An answer as the signer will read it. `until`: when it goes out; None for at once."""

    question: Question
    message: ReadableMessage
    until: datetime | None


async def get_question(services: Services, scope: Scope, staff_task: UUID) -> Question:
    """Return an open question. Raises NotFound, also for a task that is finished, of another kind, or out of scope."""
    async with services.database.transaction(scope) as tx:
        return await _question(tx, staff_task)


async def preview_answer(services: Services, scope: Scope, asked: AnswerRequest) -> AnswerDraft:
    """Show the answer before it is sent. Raises as `send_answer` does, but counts nothing."""
    async with services.database.transaction(scope) as tx:
        question = await _question(tx, asked.staff_task)
        return await _draft(services, tx, question, _check_text(services, question, asked.text))


async def send_answer(services: Services, scope: Scope, asked: AnswerRequest, actor: str) -> Delivery:
    """Send the answer, now or when the daily window opens. Sending the same text twice makes only one message.

    Raises NotFound; BadInput for the text; IllegalMove if the number cannot get such a message; TooSoon after
    MAX_ANSWERS_A_DAY; BudgetSpent.
    """
    async with services.database.transaction(scope) as tx:
        contract = (await _question(tx, asked.staff_task)).contract.id
    async with alert_if_spent(services), services.database.transaction(scope) as tx:
        await tx.contracts.lock_contract(contract)
        question = await _question(tx, asked.staff_task)
        await tx.sessions.lock_persons(question.signer.person)
        text = _check_text(services, question, asked.text)
        key = compute_answer_key(asked.staff_task, text)
        if before := next((each for each in question.answers if each.key == key), None):
            return before
        draft = await _draft(services, tx, question, text)
        wait = draft.until - tx.planning_now if draft.until else timedelta(0)
        message = NewMessage(Purpose.REPLY, key, variables={"reply": text}, wait=wait)
        sent = await send_at_once(services, tx, question.contract, question.signer, message)
        assert sent, "the draft has found a channel, and the key is new"
        facts = {"signer": str(question.signer.id), "staff_task": str(asked.staff_task), "delivery": str(sent.id)}
        await tx.record.append(contract, question.contract.campus, ANSWERED, actor, facts | {"text": text})
        return sent


def compute_answer_key(staff_task: UUID, text: str) -> str:
    return f"{answer_prefix(staff_task)}{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def answer_prefix(staff_task: UUID) -> str:
    """Return the common prefix of the keys of all answers to this question."""
    return f"reply-{staff_task}-"


async def _question(tx: Transaction, staff_task: UUID) -> Question:
    task = await tx.staff_tasks.find_task(staff_task)
    if task is None or task.done_at or task.kind not in ANSWERABLE or not task.signer or not task.contract:
        raise NotFound
    contract, signer = await tx.contracts.get(task.contract), await tx.contracts.get_signer(task.signer)
    return Question(task, contract, signer, (await list_answers(tx, task))[task.id])


async def list_answers(tx: Transaction, *tasks: StaffTask) -> dict[UUID, tuple[Delivery, ...]]:
    """Return the answers to the questions of these tasks, by task id, oldest first."""
    about = {task.contract for task in tasks if task.contract}
    replies = await tx.deliveries.list_replies(about) if about else []
    return {task.id: tuple(each for each in replies if each.key.startswith(answer_prefix(task.id))) for task in tasks}


def _check_text(services: Services, question: Question, text: str) -> str:
    """Return the text in one line."""
    words, language = " ".join(text.split()), question.signer.language
    template = services.messaging.messages.get(Purpose.REPLY, "sms", language)
    longest = template.variables["reply"].max_length_in(language)
    if not words or utf16_units(words) > longest:
        raise BadInput(f"a text of up to {longest} characters", field="text")
    if _ADDRESS.search(unicodedata.normalize("NFKC", words)):
        raise BadInput("the text must not contain a web address: only the hub sends links", field="text")
    return words


async def _draft(services: Services, tx: Transaction, question: Question, text: str) -> AnswerDraft:
    contract, signer = question.contract, question.signer
    if not await get_channels(services, tx, signer, Purpose.REPLY):
        if "sms" in await tx.opt_outs.list_channels(signer.phone):
            raise IllegalMove("this number wants no messages any more, so please call")
        raise IllegalMove("no provider can send free text to this number, so please call")
    now = tx.planning_now
    sent = await tx.deliveries.list_sent_to_person(signer.person, now - A_DAY, [Purpose.REPLY.value])
    if len(sent) >= MAX_ANSWERS_A_DAY:
        why = "This person has got as many answers today as one may get in a day. Please call."
        raise TooSoon(why, retry_after=sent[-MAX_ANSWERS_A_DAY] + A_DAY - now, zone=signer.zone)
    # A single answer need not be spread over the day: it goes out as soon as the window opens.
    case = MessageCase(Purpose.REPLY, ZoneInfo(signer.zone), spread=0.0)
    verdict = may_send(case, "sms", await get_policy(tx, services.messaging.policy, contract), now)
    message = await preview_message(
        services, tx, contract, signer, NewMessage(Purpose.REPLY, "", variables={"reply": text})
    )
    assert message, "there is a channel"
    return AnswerDraft(question, message, verdict.until if isinstance(verdict, Wait) else None)
