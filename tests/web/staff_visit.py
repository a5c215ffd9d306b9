"""A member of staff at a browser without JavaScript: a session, forms, and the text of pages."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiohttp import FormData
from argon2 import PasswordHasher

from hub.model.staff.accounts import Staff
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, MINOR_ID, QUICK, Running

COOKIE = "__Host-qianda-staff"
# One contract that is issued by hand, with all fields of its form.
ISSUE_FORM = {
    "course": "hefei/math-a",
    "student_name": "陈小满",
    "student_id_type": "cn-id",
    "student_id_number": MINOR_ID,
    "guardian_name": "陈建国",
    "relation": "父亲",
    "guardian_id_type": "cn-id",
    "guardian_id_number": GUARDIAN_ID,
    "phone": GUARDIAN_PHONE,
    "language": "zh",
    "send": "none",
    "deadline": "",
}
Form = Mapping[str, Any] | Sequence[tuple[str, Any]]


@dataclass
class Page:
    status: int
    text: str
    location: str
    headers: Mapping[str, str]

    @property
    def words(self) -> str:
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


@dataclass
class ConsoleBrowser:
    """A browser at a desk. `language`: that of the pages.

    The cookie is sent explicitly, because Python's cookie jars drop `__Host-` over http.
    """

    running: Running
    cookie: str = ""
    language: str = "en"

    async def get(self, path: str, site: str | None = None) -> Page:
        """Get a page. `site`: the value of Sec-Fetch-Site, by which a browser says where it was led from."""
        return await self._ask("GET", path, None, site=site)

    async def post(self, path: str, form: Form | None = None, origin: str | None = None) -> Page:
        return await self._ask("POST", path, dict(form) if isinstance(form, Mapping) else list(form or []), origin)

    async def send(self, path: str, form: FormData) -> Page:
        """Post a form with files."""
        return await self._ask("POST", path, form)

    async def _ask(self, method: str, path: str, form: Any, origin: str | None = None, site: str | None = None) -> Page:
        headers = {"Cookie": f"{COOKIE}={self.cookie}; qianda-language={self.language}", "Accept": "text/html"}
        if site is not None:
            headers["Sec-Fetch-Site"] = site
        if method == "POST":
            headers["Origin"] = origin or self.running.origin
        url = self.running.origin + path
        async with self.running.http.request(method, url, data=form, headers=headers, allow_redirects=False) as answer:
            cookie = re.match(rf"{COOKIE}=([^;]*)", answer.headers.get("Set-Cookie", ""))
            if cookie:
                self.cookie = cookie[1].strip('"')
            content = await answer.read()
            return Page(
                answer.status, content.decode(errors="replace"), answer.headers.get("Location", ""), answer.headers
            )

    async def log_in(self, login: str = "demo", password: str | None = None) -> Page:
        return await self.post("/staff/login", {"login": login, "password": password or self.running.password})


async def add_staff(
    running: Running,
    login: str,
    campus: str,
    hasher: PasswordHasher = QUICK,
    role: StaffRole = StaffRole.CLERK,
) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        staff = Staff(uuid4(), login, login.title(), campus, role)
        await tx.accounts.put_staff(staff, hasher.hash(running.password), tx.now)


async def console_of(running: Running, login: str = "demo", language: str = "en") -> ConsoleBrowser:
    console = ConsoleBrowser(running, language=language)
    assert (await console.log_in(login)).status == 303
    return console
