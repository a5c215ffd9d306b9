"""The console reads no more of a form than its route needs: much of it only where a file is sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import FormData

from hub.model.staff.roles import StaffRole
from hub.settings import PACKED
from hub.web.app import MAX_FORM_FIELDS
from hub.web.staff import ACTS
from hub.web.staff.staff.access import MAX_FORM_BYTES
from hub.web.staff.staff.log_in import CODE_PAGE, MAX_FORM_BYTES as LOGIN_FORM_BYTES
from tests.lent_hubs import lent_hub
from tests.web.staff.staff.test_own_account import PASSWORD, added, with_factor
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),
]
# Of a form: the file, and what surrounds it.
FILE, AROUND = 3 << 20, 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console() -> AsyncIterator[ConsoleBrowser]:
    async with lent_hub(with_worker=False) as running:
        await add_staff(running, "hq-office", "hq", role=StaffRole.HEADQUARTERS)
        yield await console_of(running, "hq-office")


def in_parts(name: str, value: bytes, file_name: str = "") -> FormData:
    """Return a form as a browser sends one with a file."""
    form = FormData(default_to_multipart=True)
    form.add_field(name, value if file_name else value.decode(), filename=file_name or None)
    return form


async def test_a_form_without_a_file_is_short(console: ConsoleBrowser) -> None:
    for path in ("/staff/tasks/done", "/staff/import", "/staff/school/apply"):
        long = await console.post(path, {"task": "x" * MAX_FORM_BYTES})
        assert long.status == 413 and "The request is too large" in long.words, path
    long = await console.send("/staff/tasks/done", in_parts("task", b"x" * MAX_FORM_BYTES))
    assert long.status == 413
    short = await console.send("/staff/tasks/done", in_parts("other", b"x" * (MAX_FORM_BYTES - AROUND)))
    assert short.status != 413, short.words


@pytest.mark.parametrize("path", ["/staff/login", CODE_PAGE])
async def test_who_is_not_inside_yet_sends_little(console: ConsoleBrowser, path: str) -> None:
    stranger = ConsoleBrowser(console.running)
    if path == CODE_PAGE:
        stranger = await waiting_for_code(console)
    assert (await stranger.post(path, {"code": "x" * LOGIN_FORM_BYTES})).status == 413
    assert (await stranger.post(path, {"code": "x" * (LOGIN_FORM_BYTES - AROUND)})).status == 403


async def waiting_for_code(console: ConsoleBrowser) -> ConsoleBrowser:
    """Return the browser of somebody who has entered their password, and not yet the code."""
    login = await added(console.running)
    await with_factor(console.running, login)
    stranger = ConsoleBrowser(console.running)
    await stranger.log_in(login, PASSWORD)
    return stranger


async def test_a_form_has_a_bounded_number_of_fields(console: ConsoleBrowser) -> None:
    few, many = ([("other", "x")] * number for number in (MAX_FORM_FIELDS, MAX_FORM_FIELDS + 1))
    assert (await console.post("/staff/tasks/done", few)).status != 413
    assert (await console.post("/staff/tasks/done", many)).status == 413
    form = FormData(many, default_to_multipart=True)
    assert (await console.send("/staff/import", form)).status == 413


async def test_a_file_may_be_long(console: ConsoleBrowser) -> None:
    page = await console.send("/staff/import", in_parts("roster", b"x" * FILE, "roster.xlsx"))
    assert page.status not in (413, 500), page.words
    page = await console.send("/staff/school", in_parts("text", b"x" * FILE))
    assert page.status == 422, page.words  # read, and longer than a school's file may be


async def test_the_forms_that_are_sent_in_parts_are_those_that_may_be_long() -> None:
    pages = "\n".join(path.read_text("utf-8") for path in (PACKED / "templates" / "pages" / "staff").rglob("*.html"))
    sent = re.findall(r'<form method="post" action="([^"]+)" enctype="multipart/form-data"', pages)
    named = {re.sub(r"\{\{ (\w+)\.id \}\}", r"{\1}", action) for action in sent}
    assert named == {path for path, route in ACTS.items() if route.takes_file}
