"""The set-up page: for one browser alone, one step a page, and nothing is made before all of it is right."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from hub.commands.setup import SchoolInstaller
from hub.setup.look_at_origin import MARK_PATH
from hub.web.setup.access import HOLDER_LIFE, TOKEN_LIFE
from hub.web.setup.app import COOKIE, make_setup_app
from hub.web.setup.state import SetupState
from tests.channels.doubles.email import PASSWORD, USERNAME, Double
from tests.channels.doubles.sms_twilio import Double as Twilio
from tests.running import ONE_TIME_CODE
from tests.setup.given import right_answers

ENGLISH = {"Accept-Language": "en"}


@dataclass
class Served:
    """The page of an empty data folder, and a clock that the test moves."""

    data: Path
    state: SetupState = field(init=False)
    offset: timedelta = timedelta(0)
    server: TestServer = field(init=False)
    http: aiohttp.ClientSession = field(init=False)

    def __post_init__(self) -> None:
        self.state = SetupState.begin(self.data, SchoolInstaller(self.data), lambda: datetime.now(UTC) + self.offset)
        self.server = TestServer(make_setup_app(self.state, "http://127.0.0.1:8080"))

    async def ask(
        self, path: str, *, form: dict[str, str] | None = None, secret: str = "", origin: str | None = None
    ) -> tuple[int, str, aiohttp.ClientResponse]:
        headers = ENGLISH | ({"Cookie": f"{COOKIE}={secret}"} if secret else {})
        headers |= {"Origin": str(self.server.make_url("")).rstrip("/") if origin is None else origin}
        method = "GET" if form is None else "POST"
        url = self.server.make_url(path)
        async with self.http.request(method, url, data=form, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer

    async def begin(self) -> str:
        """Begin, and return the holder's secret."""
        status, _, answer = await self.ask(f"/setup/{self.state.access.token}", form={})
        assert status == 303 and answer.headers["Location"] == "/setup/steps/origin"
        return answer.cookies[COOKIE].value


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    served = Served(tmp_path)
    await served.server.start_server()
    async with aiohttp.ClientSession() as served.http:
        yield served
    await served.server.close()


async def test_the_address_counts_for_one_browser_alone(served: Served) -> None:
    address = f"/setup/{served.state.access.token}"
    for _ in range(2):  # programs that look at addresses take nothing
        status, page, _ = await served.ask(address)
        assert status == 200 and "Begin" in page
    status, _, answer = await served.ask(address, form={})
    cookie = answer.cookies[COOKIE]
    assert status == 303 and cookie["httponly"] and cookie["secure"] and cookie["samesite"] == "Strict"
    assert (await served.ask("/setup/steps/origin", secret=cookie.value))[0] == 200
    for path, form in ((address, None), (address, {}), ("/setup/steps/origin", None), ("/setup/steps/origin", {})):
        assert (await served.ask(path, form=form))[0] == 403, path
        assert (await served.ask(path, form=form, secret="another-browser"))[0] == 403, path
    assert (await served.ask(f"/setup/{'x' * 43}"))[0] == 403


@pytest.mark.parametrize(
    "path",
    ["", "/origin", "/trial", "/check", "/installing", "/done", "/seal.csr", "/school.toml", "/steps/account"],
)
async def test_every_page_is_for_the_holder(served: Served, path: str) -> None:
    await served.begin()
    assert (await served.ask(f"/setup{path}"))[0] == 403
    for act in ("/trial/send", "/trial/code", "/install", "/seal", "/finish"):
        assert (await served.ask(f"/setup{act}", form={}))[0] == 403
    assert not served.state.finished.is_set() and served.state.installing is None


async def test_address_and_holder_run_out(served: Served) -> None:
    served.offset = TOKEN_LIFE
    assert (await served.ask(f"/setup/{served.state.access.token}", form={}))[0] == 403
    served.offset = timedelta(0)
    secret = await served.begin()
    served.offset = HOLDER_LIFE - timedelta(minutes=1)
    assert (await served.ask("/setup/check", secret=secret))[0] == 200
    served.offset += HOLDER_LIFE
    assert (await served.ask("/setup/check", secret=secret))[0] == 403


async def test_another_site_can_send_nothing(served: Served) -> None:
    secret = await served.begin()
    for origin in ("https://evil.example", "null"):
        status, _, _ = await served.ask("/setup/install", form={}, secret=secret, origin=origin)
        assert status == 403, origin


async def test_wrong_answers_are_asked_again_with_the_reason(served: Served) -> None:
    secret = await served.begin()
    form = right_answers()["organisation"] | {"credit_code": "52340100MJ00000014", "name": "<b>明德</b>"}
    status, page, _ = await served.ask("/setup/steps/organisation", form=form, secret=secret)
    assert status == 422 and "is not a valid credit code" in page
    assert "&lt;b&gt;明德&lt;/b&gt;" in page and "<b>明德" not in page
    assert served.state.answers == {}
    status, _, answer = await served.ask(
        "/setup/steps/organisation", form=right_answers()["organisation"], secret=secret
    )
    assert status == 303 and answer.headers["Location"] == "/setup/steps/campuses"
    again = SetupState.begin(served.data, SchoolInstaller(served.data), served.state.clock)
    assert again.answers == {"organisation": right_answers()["organisation"]}


async def test_a_table_of_courses_begins_with_its_titles_and_may_stay_so(served: Served) -> None:
    secret = await served.begin()
    _, page, _ = await served.ask("/setup/steps/courses", secret=secret)
    (titles,) = re.findall(r"<textarea[^>]*>\n?([^<]*)</textarea>", page)
    assert titles.startswith("campus, id, name,") and titles.count(",") == 13
    for name in ("organisation", "campuses", "account"):
        await served.ask(f"/setup/steps/{name}", form=right_answers()[name], secret=secret)
    form = {"template": "course", "table": html.unescape(titles)}
    status, page, _ = await served.ask("/setup/steps/courses", form=form, secret=secret)
    assert status == 303, page


async def test_nothing_is_installed_before_all_is_right(served: Served) -> None:
    secret = await served.begin()
    answers = right_answers()
    del answers["account"]
    served.state.answers = answers
    status, page, _ = await served.ask("/setup/install", form={}, secret=secret)
    assert status == 422 and "is missing" in page and served.state.installing is None
    assert [each.name for each in served.data.iterdir()] == []


async def test_a_secret_is_never_shown_again(served: Served) -> None:
    secret = await served.begin()
    served.state.answers = right_answers()
    for path in ("/setup/steps/messages", "/setup/check", "/setup/school.toml"):
        status, page, _ = await served.ask(path, secret=secret)
        assert status == 200 and right_answers()["messages"]["password"] not in page, path


async def test_what_is_not_there_is_said_and_no_hub_is_needed_for_it(served: Served) -> None:
    secret = await served.begin()
    for path in ("/", "/staff", "/setup/steps/nothing"):
        status, page, _ = await served.ask(path, secret=secret)
        assert status == 404 and ("There is nothing here." in page or "there is no such step" in page), (path, page)


async def test_the_mark_shows_that_an_address_leads_here(served: Served) -> None:
    status, mark, _ = await served.ask(MARK_PATH)
    assert (status, mark) == (200, served.state.mark) and mark != served.state.access.token


async def test_a_real_mail_is_sent_and_its_code_taken(served: Served) -> None:
    secret, mail = await served.begin(), Double()
    async with mail.serving():
        options = mail.options()
        served.state.answers = right_answers()
        served.state.answers["messages"] |= {"host": "127.0.0.1", "port": str(options["port"]), "security": "none"}
        served.state.answers["messages"] |= {"username": USERNAME, "password": "wrong", "to": "me@c.example"}
        status, page, _ = await served.ask("/setup/trial/send", form={}, secret=secret)
        assert status == 422 and "the provider did not accept it" in page and mail.accepted == []
        served.state.answers["messages"]["password"] = PASSWORD
        assert (await served.ask("/setup/trial/send", form={}, secret=secret))[0] == 303
        assert [each.to for each in mail.accepted] == ["me@c.example"]
        again = await served.ask("/setup/trial/send", form={}, secret=secret)
        assert again[0] == 422 and "one was sent just now" in again[1] and len(mail.accepted) == 1
    found = ONE_TIME_CODE.search(mail.accepted[0].text)
    assert found
    wrong = "000000" if found[0] != "000000" else "111111"
    for _ in range(5):
        assert (await served.ask("/setup/trial/code", form={"code": wrong}, secret=secret))[0] == 422
    late = await served.ask("/setup/trial/code", form={"code": found[0]}, secret=secret)
    assert late[0] == 422 and "no longer valid" in late[1]
    assert served.state.trial is not None and not served.state.trial.seen


async def test_an_sms_is_seen_to_be_delivered(served: Served) -> None:
    secret, sms = await served.begin(), Twilio()
    async with sms.serving():
        options = sms.options()
        served.state.answers = right_answers() | {
            "messages": {"kind": "sms_twilio", "to": "+85251000101", "sms_sender": str(options["sender"])}
            | {name: str(options[name]) for name in ("account", "auth_token", "base_url")}
        }
        assert (await served.ask("/setup/trial/send", form={}, secret=secret))[0] == 303
        assert "has not said more so far" in (await served.ask("/setup/trial", secret=secret))[1]
        for status_of_message in ("sending", "sent", "delivered"):
            sms.advance(sms.accepted[0].reference, status_of_message)
        assert "The provider says: delivered." in (await served.ask("/setup/trial", secret=secret))[1]
        found = ONE_TIME_CODE.search(sms.accepted[0].text)
        assert found
        status, _, answer = await served.ask("/setup/trial/code", form={"code": found[0]}, secret=secret)
        assert (status, answer.headers["Location"]) == (303, "/setup/check")
