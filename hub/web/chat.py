"""`/callbacks/chat/{name}`: what chat platforms tell us of questions that staff ask. Verified, then answered at once.

A chat that does not exist and a call that is not genuine answer alike: 403. A question of somebody who is not mapped to
an account of staff gets an empty 200, as do calls that ask nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

import structlog
from aiohttp import web

from chats import Chat, ChatQuestion, ChatRequest, ForgedQuestion, NotSent, Reply
from hub.errors import AccessDenied
from hub.lifecycle.inbound.chat_replies import inform
from hub.web.app_keys import HUB
from hub.wiring import Hub

MAX_CALL_BYTES = 64 * 1024
# So many questions are remembered: a platform that did not get our response in time asks again.
REMEMBERED = 1000
log = structlog.get_logger()


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    answers = Answers()
    hub.closing.push_async_callback(answers.close)
    desk = ChatDesk(answers)
    return [web.route(method, "/callbacks/chat/{name}", desk.called) for method in ("GET", "POST")]


class Answers:
    """Answers that go by a call of ours: in the background, so that the platform has our response in time."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._under_way: set[asyncio.Task[None]] = set()

    def is_new(self, name: str, question: ChatQuestion) -> bool:
        """Whether this message was not answered yet, by this process; and now it is."""
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
            self._seen.pop((name, question.reference), None)  # when it is asked again, we try again
            log.warning("a chat answer did not get through", chat=name, reason=str(error))

    async def close(self) -> None:
        """What is under way has its own deadline."""
        await asyncio.gather(*self._under_way, return_exceptions=True)


class ChatDesk:
    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def called(self, request: web.Request) -> web.Response:
        hub = request.app[HUB]
        name = request.match_info["name"]
        chat = hub.chats.get(name)
        if chat is None:
            raise AccessDenied
        try:
            asked = chat.read(await _call(request))
        except ForgedQuestion as error:
            log.warning("a call was refused", chat=name, reason=str(error))
            raise AccessDenied from None
        return _response(asked if isinstance(asked, Reply) else await self._answer(hub, name, chat, asked))

    async def _answer(self, hub: Hub, name: str, chat: Chat, question: ChatQuestion) -> Reply:
        text = await inform(hub.services, name, question.person, question.text)
        if text is None:
            return Reply()
        if (reply := chat.reply(question, text)) is not None:
            return reply
        if self._answers.is_new(name, question):
            self._answers.give(name, chat, question, text)
        return Reply()


async def _call(request: web.Request) -> ChatRequest:
    body = b""
    while len(body) <= MAX_CALL_BYTES and (more := await request.content.read(MAX_CALL_BYTES + 1 - len(body))):
        body += more
    if len(body) > MAX_CALL_BYTES:
        raise ForgedQuestion("the call is too large")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return ChatRequest(request.method, dict(request.query), headers, body)


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)
