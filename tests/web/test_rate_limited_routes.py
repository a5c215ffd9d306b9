"""Each route that somebody could call again and again counts its calls by address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import pytest_asyncio

from hub.lifecycle.staff.api_keys import add_key
from hub.model.staff.roles import StaffRole
from hub.web.app import make_app
from hub.web.http.rate_limit import PER_MINUTE, RateLimits
from tests.running import Running, running_hub
from tests.web.serving import served
from tests.web.staff.staff.test_own_account import with_factor
from tests.web.staff_visit import COOKIE, ISSUE_FORM, ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
SOMETHING, SIGN = UUID(int=0), "/sign/v1"
CONTRACT = f"/staff/contracts/{SOMETHING}"
LIMITED = [
    ("open", "POST", f"{SIGN}/open"),
    ("code", "POST", f"{SIGN}/code"),
    ("verify", "POST", f"{SIGN}/verify"),
    ("enrol", "POST", f"{SIGN}/enrol"),
    ("question", "POST", f"{SIGN}/question"),
    ("relink", "POST", f"{SIGN}/relink"),
    ("relink", "POST", f"{SIGN}/phone"),
    ("relink", "POST", f"{SIGN}/link"),
    ("passkeys", "POST", f"{SIGN}/passkeys"),
    ("pickup", "POST", f"{SIGN}/open"),
    ("attachment", "POST", f"{SIGN}/attachment"),
    ("answers", "POST", f"{SIGN}/answers"),
    ("claim", "POST", "/agent/v1/claim"),
    ("copy", "GET", f"/copy/{SOMETHING}/x"),
    ("copy", "POST", f"/copy/{SOMETHING}/x"),
    ("check", "POST", "/verify"),
    ("check", "POST", "/api/v1/documents"),
    ("login", "POST", "/staff/login"),
    ("login", "POST", "/staff/login/code"),
    ("login", "GET", "/staff/login/provider"),
    ("login", "GET", "/staff/login/provider/back"),
    ("check", "POST", "/staff/issue/document"),
    ("staff-read", "POST", "/staff/issue/preview"),
    ("staff-read", "POST", "/staff/export"),
    ("staff-read", "POST", "/staff/download"),
    ("staff-read", "POST", "/staff/persons"),
    ("staff-read", "GET", "/staff/reports/table"),
    ("staff-read", "GET", f"{CONTRACT}/read"),
    ("staff-read", "GET", f"{CONTRACT}/document.pdf"),
]
# What is read before the call is counted.
FORMS = {
    ("answers", f"{SIGN}/answers"): b'{"values": {}}',
    ("pickup", f"{SIGN}/open"): b'{"pickup_code": "2222-2222", "phone": "19000000101"}',
    ("staff-read", "/staff/issue/preview"): ISSUE_FORM,
}


@dataclass
class Place:
    running: Running
    inside: ConsoleBrowser
    before_code: ConsoleBrowser
    key: str

    def headers(self, path: str) -> dict[str, str]:
        """Return the headers of a visitor whom a proxy names, with what the route asks for first."""
        headers = {"X-Forwarded-For": "203.0.113.9", "Host": urlsplit(self.running.origin).netloc}
        if path.startswith("/staff"):
            console = self.before_code if path == "/staff/login/code" else self.inside
            headers |= {"Cookie": f"{COOKIE}={console.cookie}", "Origin": self.running.origin}
        return headers | ({"Authorization": f"Bearer {self.key}"} if path.startswith("/api") else {})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place() -> AsyncIterator[Place]:
    oidc = {"issuer": "http://127.0.0.1:9", "client_id": "qianda", "name": "Login"}
    async with running_hub(with_worker=False, configured={"oidc": oidc}) as running:
        for login in ("owner", "careful"):
            await add_staff(running, login, "hq", role=StaffRole.OWNER)
        await with_factor(running, "careful", running.password)
        before_code = ConsoleBrowser(running)
        await before_code.log_in("careful")
        key = await add_key(running.hub.services, "crm", "hefei", "staff:x")
        yield Place(running, await console_of(running, "owner"), before_code, key)


@pytest.mark.parametrize(("name", "method", "path"), LIMITED)
async def test_the_second_call_is_refused_where_one_a_minute_is_allowed(
    place: Place, name: str, method: str, path: str
) -> None:
    async with served(make_app(place.running.hub, rate_limits=RateLimits(PER_MINUTE | {name: 1}))) as origin:
        statuses = []
        for _ in range(2):
            async with place.running.http.request(
                method, origin + path, data=FORMS.get((name, path)), headers=place.headers(path), allow_redirects=False
            ) as answer:
                statuses.append(answer.status)
    assert statuses[0] not in (404, 405, 429) or (statuses[0] == 404 and str(SOMETHING) in path)
    assert statuses[1] == 429
