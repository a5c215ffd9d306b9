"""The servers of DingTalk and Feishu to which our answers go: on loopback, with a ledger."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.chats.platforms import FeishuPlatform


class AnswerServer:
    """Both servers. `accepted`: place and text of each accepted answer. `refuse`: the next answer is refused."""

    def __init__(self, feishu: FeishuPlatform) -> None:
        self.feishu = feishu
        self.accepted: list[tuple[str, str]] = []
        self.tokens = 0
        self.refuse = False
        self.held: asyncio.Event | None = None
        self.words = "ok"
        self.life = 7200
        self.origin = ""
        self._once: set[str] = set()

    def webhook(self, session: str = "s1") -> str:
        return f"{self.origin}/robot/sendBySession?session={session}"

    def forget_tokens(self) -> None:
        """Invalidate the tokens that were given out."""
        self.tokens += 1

    async def _session(self, request: web.Request) -> web.Response:
        """Serve DingTalk's sessionWebhook: errcode 0 is success, whatever the HTTP status."""
        if self.held is not None:
            await self.held.wait()
        body: dict[str, Any] = await request.json()
        if self.refuse or body["msgtype"] != "text":
            self.refuse = False
            return web.json_response({"errcode": 310000, "errmsg": "refused"})
        self.accepted.append((request.query["session"], body["text"]["content"]))
        return web.json_response({"errmsg": self.words, "errcode": 0})

    async def _token(self, request: web.Request) -> web.Response:
        """Serve …/auth/v3/tenant_access_token/internal."""
        body: dict[str, Any] = await request.json()
        if body != {"app_id": self.feishu.app_id, "app_secret": self.feishu.app_secret}:
            return web.json_response({"code": 10014, "msg": "app secret invalid"})
        self.tokens += 1
        token = {"tenant_access_token": f"t-{self.tokens}", "expire": self.life}
        return web.json_response({"code": 0, "msg": "ok"} | token)

    async def _reply(self, request: web.Request) -> web.Response:
        """Serve …/im/v1/messages/:message_id/reply. Several replies with the same uuid count once."""
        if self.held is not None:
            await self.held.wait()
        if request.headers.get("Authorization") != f"Bearer t-{self.tokens}":
            return web.json_response({"code": 99991663, "msg": "Invalid access token"}, status=400)
        body: dict[str, Any] = await request.json()
        if self.refuse or body["msg_type"] != "text" or len(body["uuid"]) > 50:
            self.refuse = False
            return web.json_response({"code": 230002, "msg": "refused"}, status=400)
        if body["uuid"] not in self._once:
            self._once.add(body["uuid"])
            self.accepted.append((request.match_info["message"], json.loads(body["content"])["text"]))
        return web.json_response({"code": 0, "msg": "success", "data": {"message_id": "om_answer"}})


@contextlib.asynccontextmanager
async def answer_server(feishu: FeishuPlatform | None = None) -> AsyncIterator[AnswerServer]:
    found = AnswerServer(feishu or FeishuPlatform())
    app = web.Application()
    app.router.add_post("/robot/sendBySession", found._session)
    app.router.add_post("/open-apis/auth/v3/tenant_access_token/internal", found._token)
    app.router.add_post("/open-apis/im/v1/messages/{message}/reply", found._reply)
    async with TestServer(app) as server:
        found.origin = f"http://127.0.0.1:{server.port}"
        try:
            yield found
        finally:
            if found.held is not None:
                found.held.set()
