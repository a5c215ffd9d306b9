"""One's own account: a first login, another password, sessions, and a second factor from its first code to its end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pyotp
import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.lifecycle.staff.accounts import ONE_TIME_LIFE, unlock_staff
from hub.model.evidence.record import RecordEntry
from hub.model.staff.accounts import Staff
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.model.staff.second_factor import STEP_SECONDS
from hub.web.app import make_app
from hub.web.staff.staff.log_in import browser_name
from tests.lent_hubs import lent_hub
from tests.running import QUICK, Running
from tests.web.serving import served
from tests.web.staff_visit import COOKIE, ConsoleBrowser, Page

pytestmark = pytest.mark.asyncio(loop_scope="module")
PASSWORD, ANOTHER = "correct-horse-battery", "staple-of-another-day"
PASSWORD_PAGE, FACTOR = "/staff/account/password", "/staff/account/second-factor"

_KEPT = text(
    "SELECT string_agg(staff::text || code::text, ' ') FROM staff"
    " JOIN staff_recovery_code AS code ON code.staff = staff.id WHERE staff.id = :staff"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(with_worker=False) as hub:
        yield hub


async def added(running: Running, *, one_time: bool = False, role: StaffRole = StaffRole.CLERK) -> str:
    """Add an account of its own for a test. Return its login."""
    login = f"staff-{uuid4().hex[:8]}"
    staff = Staff(uuid4(), login, "周示范", "hq" if role is StaffRole.OWNER else "hefei", role)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        expires_at = tx.now + ONE_TIME_LIFE if one_time else None
        await tx.accounts.put_staff(staff, QUICK.hash(PASSWORD), tx.now, expires_at)
    return login


async def inside(running: Running, login: str, password: str = PASSWORD) -> ConsoleBrowser:
    console = ConsoleBrowser(running)
    assert (await console.log_in(login, password)).location == "/staff"
    return console


async def change(console: ConsoleBrowser, present: str, new: str) -> Page:
    return await console.post(PASSWORD_PAGE, {"present": present, "new": new})


async def last_act(running: Running) -> RecordEntry:
    return (await running.school_record())[-1]


def code_of(running: Running, secret: str, later: int = 0) -> str:
    """Return the present code, or one of so many steps later."""
    return pyotp.TOTP(secret).at(running.clock(), counter_offset=later)


async def with_factor(running: Running, login: str, password: str = PASSWORD) -> tuple[ConsoleBrowser, str, list[str]]:
    """Set a second factor up as its person does, at the beginning of a time step. Return the browser, the secret and
    the recovery codes."""
    running.clock.advance(timedelta(seconds=STEP_SECONDS - running.clock().timestamp() % STEP_SECONDS))
    console = await inside(running, login, password)
    assert (await console.post(f"{FACTOR}/begin", {"password": password})).location == FACTOR
    shown = re.search(r"<code>([A-Z2-7 ]{32,})</code>", (await console.get(FACTOR)).text)
    assert shown
    secret = shown[1].replace(" ", "")
    page = await console.post(f"{FACTOR}/confirm", {"code": code_of(running, secret)})
    codes = re.findall(r"<code>([a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4})</code>", page.text)
    assert len(codes) == 10
    return console, secret, codes


# ---- password


async def test_a_one_time_password_opens_nothing_but_the_page_where_it_is_changed(running: Running) -> None:
    console = await inside(running, await added(running, one_time=True))
    for path in ("/staff", "/staff/import", "/staff/tasks"):
        assert (await console.get(path)).location == "/staff/account"
    refused = await console.post("/staff/remind", {})
    assert refused.status == 403 and "finish setting up your account" in refused.words
    assert "only for the first login" in (await console.get("/staff/account")).words
    assert (await change(console, PASSWORD, ANOTHER)).location == "/staff/account?said=password-changed"
    assert (await console.get("/staff")).status == 200


async def test_a_one_time_password_waits_for_seven_days(running: Running) -> None:
    login = await added(running, one_time=True)
    before = running.clock.offset
    running.clock.advance(timedelta(days=7, minutes=1))
    assert (await ConsoleBrowser(running).log_in(login, PASSWORD)).status == 403
    running.clock.offset = before
    assert (await ConsoleBrowser(running).log_in(login, PASSWORD)).status == 303


async def test_another_password_ends_all_other_sessions_and_stands_in_the_record(running: Running) -> None:
    login = await added(running)
    here, elsewhere = await inside(running, login), await inside(running, login)
    assert (await change(here, PASSWORD, ANOTHER)).status == 303
    assert (await here.get("/staff")).status == 200 and (await elsewhere.get("/staff")).status == 303
    entry = await last_act(running)
    assert entry.kind == "staff-password-changed" and entry.actor == f"staff:{entry.facts['staff']}"
    assert ANOTHER not in str(entry.facts)
    assert (await ConsoleBrowser(running).log_in(login, PASSWORD)).status == 403
    await inside(running, login, ANOTHER)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("short", "12 to 200 characters"),
        ("Password2026!!", "easy to guess"),
        ("新航线教育集团新航线教育集团", "easy to guess"),
        ("{login}2026", "easy to guess"),
        (PASSWORD, "present password"),
    ],
)
async def test_a_bad_password_is_refused_with_the_reason(running: Running, new: str, words: str) -> None:
    login = await added(running)
    console = await inside(running, login)
    page = await change(console, PASSWORD, new.format(login=login))
    assert page.status == 422 and words in page.words
    chinese = await change(ConsoleBrowser(running, console.cookie, "zh"), PASSWORD, new.format(login=login))
    assert words not in chinese.words


async def test_wrong_present_passwords_lock_as_at_the_login(running: Running) -> None:
    login = await added(running)
    console = await inside(running, login)
    pages = [await change(console, "wrong", ANOTHER) for _ in range(11)]
    assert [page.status for page in pages] == [403] * 10 + [429]
    assert (await ConsoleBrowser(running).log_in(login, PASSWORD)).status == 429
    await unlock_staff(running.hub.services, login, COMMAND_LINE)
    await inside(running, login)


# ---- sessions


async def test_a_session_ends_when_nobody_uses_it_and_what_a_page_asks_by_itself_is_no_use(running: Running) -> None:
    console, watching = await inside(running, await added(running)), await inside(running, await added(running))
    for _ in range(3):
        running.clock.advance(timedelta(minutes=25))
        assert (await console.get("/staff")).status == 200
        await watching.get("/staff?part=live")
    assert (await watching.get("/staff")).location.startswith("/staff/login")
    running.clock.advance(timedelta(minutes=61))
    assert (await console.get("/staff")).location.startswith("/staff/login")


async def test_sessions_are_seen_and_ended_and_only_ones_own(running: Running) -> None:
    login = await added(running)
    here, elsewhere = await inside(running, login), await inside(running, login)
    stranger = await inside(running, await added(running))
    page = await here.get("/staff/account")
    (theirs,) = re.findall(r"/staff/account/sessions/([0-9a-f-]+)/end", page.text)
    for session in (theirs, str(uuid4()), "x"):
        assert (await stranger.post(f"/staff/account/sessions/{session}/end")).status == 404
    assert (await here.post(f"/staff/account/sessions/{theirs}/end")).status == 303
    assert (await elsewhere.get("/staff")).status == 303 and (await here.get("/staff")).status == 200
    third = await inside(running, login)
    assert (await here.post("/staff/account/sessions/end-others")).status == 303
    assert (await third.get("/staff")).status == 303 and (await stranger.get("/staff")).status == 200
    assert (await last_act(running)).kind == "staff-sessions-ended"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome, Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari, iPhone"),
        ("<script>", ""),
        ("x" * 100_000, ""),
    ],
)
async def test_a_browser_is_named_as_people_know_it(agent: str, name: str) -> None:
    assert browser_name(agent) == name


# ---- second factor


async def test_a_password_alone_leads_no_further_than_to_the_code(running: Running) -> None:
    login = await added(running)
    _, secret, _ = await with_factor(running, login)
    console = ConsoleBrowser(running)
    assert (await console.log_in(login, PASSWORD)).location == "/staff/login/code?next=/staff"
    half = console.cookie
    assert (await console.get("/staff")).location.startswith("/staff/login")
    assert (await console.get("/staff/account")).location.startswith("/staff/login")
    assert (await console.post(PASSWORD_PAGE, {"present": PASSWORD, "new": ANOTHER})).status == 401
    assert (await console.get("/staff/login/code")).status == 200
    running.clock.advance(timedelta(seconds=60))
    entered = await console.post("/staff/login/code?next=/staff/tasks", {"code": code_of(running, secret)})
    assert (entered.status, entered.location) == (303, "/staff/tasks")
    assert console.cookie != half and (await console.get("/staff")).status == 200
    assert (await ConsoleBrowser(running, half).get("/staff/login/code")).location == "/staff/login"


async def test_a_code_counts_once_even_at_the_same_moment(running: Running) -> None:
    login = await added(running)
    _, secret, _ = await with_factor(running, login)
    used = code_of(running, secret)
    consoles = [ConsoleBrowser(running) for _ in range(4)]
    for console in consoles:
        await console.log_in(login, PASSWORD)
    if used != code_of(running, secret, later=1):
        assert (await consoles[0].post("/staff/login/code", {"code": used})).status == 403  # it confirmed the set-up
    running.clock.advance(timedelta(seconds=60))
    fresh = code_of(running, secret)
    pages = await asyncio.gather(*(console.post("/staff/login/code", {"code": fresh}) for console in consoles))
    assert sorted(page.status for page in pages) == [303, 403, 403, 403]


async def test_a_recovery_code_counts_once_and_the_record_says_so(running: Running) -> None:
    login = await added(running)
    console, _, codes = await with_factor(running, login)
    for typed, status in ((codes[0].upper(), 303), (codes[0], 403), (codes[1].replace("-", " "), 303)):
        visitor = ConsoleBrowser(running)
        await visitor.log_in(login, PASSWORD)
        assert (await visitor.post("/staff/login/code", {"code": typed})).status == status
    assert (await last_act(running)).kind == "staff-recovery-code-used"
    assert "8 recovery codes are left" in (await console.get("/staff/account")).words


async def test_a_code_is_waited_for_only_minutes_and_the_session_counts_as_none_meanwhile(running: Running) -> None:
    login = await added(running)
    inside_, _, codes = await with_factor(running, login)
    late = ConsoleBrowser(running)
    await late.log_in(login, PASSWORD)
    assert "/staff/account/sessions/" not in (await inside_.get("/staff/account")).text.replace("/end-others", "")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (account,) = await tx.accounts.list_accounts(tx.now, login)
    assert account.sessions == 1
    assert (await inside_.get("/staff/login/code")).location == "/staff/login"  # there is nothing to be entered
    running.clock.advance(timedelta(minutes=5, seconds=1))
    assert (await late.get("/staff/login/code")).location == "/staff/login"
    assert (await late.post("/staff/login/code", {"code": codes[0]})).status == 401


async def test_a_recovery_code_is_of_one_account(running: Running) -> None:
    login, other = await added(running), await added(running)
    _, _, codes = await with_factor(running, login)
    await with_factor(running, other)
    for name, status in ((other, 403), (login, 303)):
        console = ConsoleBrowser(running)
        await console.log_in(name, PASSWORD)
        assert (await console.post("/staff/login/code", {"code": codes[0]})).status == status


async def test_the_code_that_confirms_a_factor_cannot_be_guessed_either(running: Running) -> None:
    console = await inside(running, await added(running))
    await console.post(f"{FACTOR}/begin", {"password": PASSWORD})
    pages = [await console.post(f"{FACTOR}/confirm", {"code": "12345"}) for _ in range(11)]
    assert [page.status for page in pages] == [403] * 10 + [429]


async def test_wrong_codes_lock_as_wrong_passwords_do(running: Running) -> None:
    login = await added(running)
    _, secret, _ = await with_factor(running, login)
    console = ConsoleBrowser(running)
    await console.log_in(login, PASSWORD)
    valid_soon = {code_of(running, secret, step) for step in range(-2, 9)}
    wrong = next(code for code in ("000000", "111111", "222222") if code not in valid_soon)
    pages = [await console.post("/staff/login/code", {"code": wrong}) for _ in range(11)]
    assert {page.status for page in pages[:10]} == {403} and pages[10].status == 429
    assert (await ConsoleBrowser(running).log_in(login, PASSWORD)).status == 429


async def test_somebody_at_an_open_session_sets_up_no_factor_of_theirs(running: Running) -> None:
    login = await added(running)
    console = await inside(running, login)
    refused = await console.post(f"{FACTOR}/begin", {"password": "wrong"})
    assert refused.status == 403 and "The password is wrong." in refused.words
    assert (await console.get(FACTOR)).location == "/staff/account"
    beginner = await inside(running, login)
    assert (await beginner.post(f"{FACTOR}/begin", {"password": PASSWORD})).status == 303
    assert (await console.get(FACTOR)).location.startswith("/staff/login")  # it could read the secret
    owner, _, _ = await with_factor(running, login)
    again = await owner.post(f"{FACTOR}/begin", {"password": PASSWORD})
    assert again.status == 409 and "has a second factor already" in again.words
    assert (await owner.get(FACTOR)).location == "/staff/account"  # the secret is not shown again
    assert (await beginner.get("/staff")).status == 303  # it ended when the factor was set up


async def test_sessions_elsewhere_end_when_a_factor_is_confirmed_and_when_it_is_removed(running: Running) -> None:
    """Whoever came in by the password alone before the first code, or by a factor that counts no more, comes again."""
    login = await added(running)
    console = await inside(running, login)
    await console.post(f"{FACTOR}/begin", {"password": PASSWORD})
    by_password = await inside(running, login)
    shown = re.search(r"<code>([A-Z2-7 ]{32,})</code>", (await console.get(FACTOR)).text)
    assert shown
    confirmed = await console.post(f"{FACTOR}/confirm", {"code": code_of(running, shown[1].replace(" ", ""))})
    codes = re.findall(r"<code>([a-z2-9-]{14})</code>", confirmed.text)
    assert (await by_password.get("/staff")).status == 303 and (await console.get("/staff")).status == 200
    by_factor = ConsoleBrowser(running)
    await by_factor.log_in(login, PASSWORD)
    assert (await by_factor.post("/staff/login/code", {"code": codes[0]})).location == "/staff"
    assert (await console.post(f"{FACTOR}/remove", {"code": codes[1]})).status == 303
    assert (await by_factor.get("/staff")).status == 303 and (await console.get("/staff")).status == 200


async def test_codes_are_renewed_and_the_factor_removed_by_a_code_alone(running: Running) -> None:
    login = await added(running)
    console, secret, codes = await with_factor(running, login)
    for act in ("codes", "remove"):
        assert (await console.post(f"{FACTOR}/{act}", {"code": "123"})).status == 403
    running.clock.advance(timedelta(seconds=60))
    renewed = await console.post(f"{FACTOR}/codes", {"code": code_of(running, secret)})
    assert renewed.status == 200 and codes[0] not in renewed.text
    assert (await console.post(f"{FACTOR}/remove", {"code": codes[0]})).status == 403
    fresh = re.findall(r"<code>([a-z2-9-]{14})</code>", renewed.text)
    assert (await console.post(f"{FACTOR}/remove", {"code": fresh[0]})).status == 303
    assert (await last_act(running)).kind == "staff-second-factor-removed"
    await inside(running, login)


async def test_the_secret_is_sealed_and_codes_are_hashed(running: Running) -> None:
    login = await added(running)
    _, secret, codes = await with_factor(running, login)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.owners.find_named(login)
        assert found is not None
        kept = await tx.connection.scalar(_KEPT, {"staff": found.id})
    assert secret not in kept and secret.encode().hex() not in kept
    assert all(each not in kept and each.replace("-", "").encode().hex() not in kept for each in codes)


async def test_whoever_can_do_most_needs_a_second_factor_outside_of_a_demo(running: Running) -> None:
    owner = await inside(running, await added(running, role=StaffRole.OWNER))
    clerk = await inside(running, await added(running))
    ready, _, _ = await with_factor(running, await added(running, role=StaffRole.OWNER))
    async with served(make_app(replace(running.hub, demo=False))) as address:

        async def asked(console: ConsoleBrowser, path: str = "/staff") -> tuple[str, str]:
            """Ask the hub that is no demo. Its public address is that of the other one."""
            headers = {"Host": running.origin.partition("//")[2], "Cookie": f"{COOKIE}={console.cookie}"}
            async with running.http.get(address + path, headers=headers, allow_redirects=False) as answer:
                return answer.headers.get("Location", ""), await answer.text()

        assert (await asked(owner))[0] == "/staff/account"
        assert "您的角色须设置二次验证" in (await asked(owner, "/staff/account"))[1]
        for console in (clerk, ready):
            assert (await asked(console))[0] == ""
    assert (await owner.get("/staff")).status == 200  # in a demo nobody has to
