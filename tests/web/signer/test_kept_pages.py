"""The landing page is rendered once for all who see the same: each language, device and state gets its own."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from hub.web.app import make_app
from hub.web.pages.render import MAX_KEPT_PAGES, MAX_KEPT_QUERY, RENDERED
from tests.lent_hubs import lent_hub
from tests.web.serving import served

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"


async def test_whoever_sees_the_same_gets_the_same_and_others_do_not() -> None:
    async with lent_hub(with_worker=False) as running:

        async def shown(query: str = "", language: str = "zh", agent: str = "x") -> tuple[str, dict[str, str]]:
            headers = {"Accept-Language": language, "User-Agent": agent}
            async with running.http.get(f"{running.origin}/s/0123456789ABC{query}", headers=headers) as answer:
                assert answer.status == 200
                return await answer.text(), dict(answer.headers)

        first, headers = await shown()
        again, later = await shown()
        assert first == again and 'lang="zh-CN"' in first
        assert {name for name in headers if name != "Date"} == {name for name in later if name != "Date"}
        assert later["Content-Type"] == headers["Content-Type"] == "text/html; charset=utf-8"
        assert later["Cache-Control"] == "no-store" and "Content-Security-Policy" in later
        english = [(await shown(language="en"))[0] for _ in range(2)]
        assert english[0] == english[1] and 'lang="en"' in english[0]
        on_a_phone = [(await shown(agent=PHONE))[0] for _ in range(2)]
        assert on_a_phone[0] == on_a_phone[1] != first
        chosen, with_cookie = await shown("?lang=en")
        _, with_cookie_again = await shown("?lang=en")
        assert 'lang="en"' in chosen and "Set-Cookie" in with_cookie and "Set-Cookie" in with_cookie_again


async def test_invented_addresses_do_not_fill_the_memory() -> None:
    async with lent_hub(with_web=False, with_worker=False) as running:
        app = make_app(running.hub)
        here = {"Host": running.hub.services.origin.partition("://")[2]}
        async with served(app) as origin, ClientSession() as http:
            for number in range(MAX_KEPT_PAGES + 10):
                query = f"?x={number}" if number % 2 else f"?x={number}{'x' * MAX_KEPT_QUERY}"
                async with http.get(
                    f"{origin}/s/0123456789ABC{query}",
                    headers=here,
                ) as answer:
                    assert answer.status == 200 and query[3:] in await answer.text()
            assert 0 < len(app[RENDERED]) <= MAX_KEPT_PAGES
            assert not any("xxx" in str(key) for key in app[RENDERED])
            for number in range(MAX_KEPT_PAGES + 10):
                async with http.get(
                    f"{origin}/s/0123456789ABC?y={number}",
                    headers=here,
                ):
                    pass
            assert len(app[RENDERED]) == MAX_KEPT_PAGES
