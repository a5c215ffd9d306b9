"""Take callbacks of chat platforms with questions from staff, `/callbacks/chat/{name}`: verify and answer them at once.

Unknown chats and forged requests get the same 403. A question from a person without a staff account gets an empty 200,
as does a callback without a question.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

import structlog
from aiohttp import web

from chats import Chat, ChatQuestion, ChatRequest, ForgedQuestion, NotSent, Reply
from hub.bounded_read import read_limited
from hub.errors import AccessDenied
from hub.lifecycle.inbound.chat_replies import answer_chat_question
from hub.measures import SecurityEvent
from hub.web.http.app_keys import HUB
from hub.web.http.security_events import report_event
from hub.wiring import Hub

MAX_CALL_BYTES = 64 * 1024
# Number of questions remembered for deduplication, because platforms retry when our response is late.
REMEMBERED = 1000
log = structlog.get_logger()


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    answers = Answers()
    hub.closing.push_async_callback(answers.close)
    chats = ChatCallbacks(answers)
    return [web.route(method, "/callbacks/chat/{name}", chats.take_callback) for method in ("GET", "POST")]


class Answers:
    """The answers that have to be sent by a request of our own. They are sent in the background, so that our response
    to the callback is not delayed."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._under_way: set[asyncio.Task[None]] = set()

    def is_new(self, name: str, question: ChatQuestion) -> bool:
        """Return whether this process has not seen the message yet, and remember it."""
        key = (name, question.reference)
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True

    def give(self, name: str, chat: Chat, question: ChatQuestion, text: str) -> None:
        task = asyncio.create_task(self._send(name, chat, question, text))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _send(self, name: str, chat: Chat, question: ChatQuestion, text: str) -> None:
        try:
            await chat.send(question, text)
        except NotSent as error:
            self._seen.pop((name, question.reference), None)  # so that a retry by the platform is answered
            log.warning("chat answer not sent", chat=name, reason=str(error))

    async def close(self) -> None:
        """Wait for the answers under way, each of which has a timeout."""
        await asyncio.gather(*self._under_way, return_exceptions=True)


class ChatCallbacks:
    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def take_callback(self, request: web.Request) -> web.Response:
        hub = request.app[HUB]
        name = request.match_info["name"]
        chat = hub.chats.get(name)
        if chat is None:
            raise AccessDenied
        try:
            asked = chat.read(await _call(request))
        except ForgedQuestion as error:
            log.warning("callback refused", chat=name, reason=str(error))
            report_event(request, SecurityEvent.CALL_REFUSED, chat=name)
            raise AccessDenied from None
        reply = asked if isinstance(asked, Reply) else await self._answer(hub, name, chat, asked)
        return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)

    async def _answer(self, hub: Hub, name: str, chat: Chat, question: ChatQuestion) -> Reply:
        text = await answer_chat_question(hub.services, name, question.person, question.text)
        if text is None:
            return Reply()
        if (reply := chat.reply(question, text)) is not None:
            return reply
        if self._answers.is_new(name, question):
            self._answers.give(name, chat, question, text)
        return Reply()


async def _call(request: web.Request) -> ChatRequest:
    body = await read_limited(request.content, MAX_CALL_BYTES, lambda _: ForgedQuestion("the request is too large"))
    headers = {name.lower(): value for name, value in request.headers.items()}
    return ChatRequest(request.method, dict(request.query), headers, body)
