"""Every route of the console, with every role, at its own campus and at a foreign one.

The routes are those of the table, so that a new one is tried without a line here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from hub.lifecycle.sealing.seals.manage_seals import list_seals
from hub.lifecycle.signing.questions import ask
from hub.lifecycle.staff import change_phone
from hub.model.contract.contract import Contract
from hub.model.school.roster_import import RosterUpload
from hub.model.staff.roles import PERMISSIONS, ROLES_OF_HEADQUARTERS, Permission, StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.web.staff import ACTS, PAGES
from tests.everything_stored import changed, fingerprint
from tests.lent_hubs import lent_hub
from tests.lifecycle.signer import person
from tests.poster_visits import make_poster
from tests.running import Running
from tests.web.staff_visit import ConsoleBrowser, Page, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROUTES = [("GET", path) for path in PAGES] + [("POST", path) for path in ACTS]
# Blanks in addresses for which everybody has to ask about something that exists.
BLANK = re.compile(r"\{(\w+)\}")
# A dozen people log in.
# Forms lead there as well: no routes of the table.
OUTSIDE = {"/staff/logout", "/staff/login"}


@dataclass
class Story:
    """A hub with something of each kind at one campus, and a browser for each role there and elsewhere.

    `blanks`: the value of each blank in an address.
    """

    running: Running
    contract: Contract
    blanks: dict[str, str]
    own: dict[StaffRole, ConsoleBrowser] = field(default_factory=dict)
    foreign: dict[StaffRole, ConsoleBrowser] = field(default_factory=dict)

    def address(self, path: str, blanks: dict[str, str] | None = None) -> str:
        known = blanks if blanks is not None else self.blanks
        return BLANK.sub(lambda found: known.get(found[1], str(uuid4())), path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story() -> AsyncIterator[Story]:
    async with lent_hub(with_worker=False) as running:
        contract = await running.issue_minor()
        signer = await person(running, contract)
        await signer.land()
        await ask(running.hub.services, signer.secret, "question", "when does it begin?")
        wanted = change_phone.PhoneRequest(contract.id, signer.signer.id, "+8619000000999", "lost")
        await change_phone.ask(running.hub.services, EVERYTHING, wanted, f"staff:{uuid4()}")
        poster, _ = await make_poster(running)
        upload = uuid4()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.rosters.add_upload(RosterUpload(upload, "hefei", "staff:x", "roster.csv", tx.now, b"x"))
            tasks = await tx.staff_tasks.list_open_tasks()
            (waiting,) = await tx.phone_changes.list_waiting(tx.now)
        question = next(each.id for each in tasks if each.kind == "question")
        blanks: dict[str, UUID | str] = {"id": contract.id, "signer": signer.signer.id, "poster": poster.id}
        blanks |= {"upload": upload, "task": question, "change": waiting.id, "number": "1"}
        found = Story(running, contract, {name: str(value) for name, value in blanks.items()})
        found.blanks["seal"] = str((await list_seals(running.hub.services, EVERYTHING))[0].id)
        for role in StaffRole:
            own = "hq" if role in ROLES_OF_HEADQUARTERS else "hefei"
            await add_staff(running, f"{role}-own", own, role=role)
            found.own[role] = await console_of(running, f"{role}-own")
            if role not in ROLES_OF_HEADQUARTERS:
                await add_staff(running, f"{role}-foreign", "beijing", role=role)
                found.foreign[role] = await console_of(running, f"{role}-foreign")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (account,) = await tx.accounts.list_accounts(tx.now, "clerk-own")
        found.blanks["account"] = str(account.staff.id)
        yield found


def permission_of(method: str, path: str) -> Permission:
    return (PAGES if method == "GET" else ACTS)[path].permission


async def asked(console: ConsoleBrowser, method: str, address: str) -> Page:
    return await (console.get(address) if method == "GET" else console.post(address, {}))


def is_refused(page: Page) -> bool:
    return page.status == 403 and "Your role is not allowed to do this" in page.words


async def test_a_role_without_the_permission_is_refused_and_nothing_changes(story: Story) -> None:
    """Whether what the address names exists or not, and whose it is: the answer does not say."""
    database = story.running.hub.database
    before, let_in = await fingerprint(database), []
    for method, path in ROUTES:
        for role in StaffRole:
            if permission_of(method, path) in PERMISSIONS[role]:
                continue
            ways = [(story.own[role], story.address(path)), (story.own[role], story.address(path, {}))]
            ways += [(story.foreign[role], story.address(path))] if role in story.foreign else []
            let_in += [(role, method, path) for each in ways if not is_refused(await asked(each[0], method, each[1]))]
    assert let_in == []
    assert set(changed(before, await fingerprint(database))) <= {"staff_session"}  # when it was last seen


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if "{" in route[1]])
async def test_what_is_of_a_foreign_campus_answers_as_what_does_not_exist(story: Story, method: str, path: str) -> None:
    for role, console in story.foreign.items():
        if permission_of(method, path) not in PERMISSIONS[role]:
            continue
        theirs = await asked(console, method, story.address(path))
        nothing = await asked(console, method, story.address(path, {}))
        assert (theirs.status, theirs.location) == (nothing.status, nothing.location), role
        assert _without_ids(theirs.text) == _without_ids(nothing.text), role
        assert story.contract.number not in theirs.text and "陈小满" not in theirs.text, role


@pytest.mark.parametrize("path", PAGES)
async def test_a_role_with_the_permission_sees_the_page_and_no_way_to_what_it_may_not(story: Story, path: str) -> None:
    """Each form and link of a page leads to a route that this role may use."""
    for role, console in story.own.items():
        if PAGES[path].permission not in PERMISSIONS[role]:
            continue
        page = await console.get(story.address(path))
        assert not is_refused(page) and page.status < 500, role
        for method, address in ways_on(page.text):
            permission = permission_of(method, route_of(method, address))
            assert permission in PERMISSIONS[role], f"{role} is shown {method} {address}"


async def test_who_may_not_issue_is_led_to_the_enrolments(story: Story) -> None:
    """Both are the same page."""
    for role, console in story.own.items():
        words = re.search(r'<a href="/staff/enrolments"[^>]*>([^<]*)</a>', (await console.get("/staff")).text)
        assert words and words[1] == ("Issue" if Permission.ISSUE in PERMISSIONS[role] else "Enrolments")


async def test_the_menu_names_the_templates_to_whom_reads_the_record(story: Story) -> None:
    for role, console in story.own.items():
        named = 'href="/staff/texts"' in (await console.get("/staff")).text
        assert named is (Permission.READ_RECORD in PERMISSIONS[role]), role


async def test_who_only_reads_is_asked_to_settle_and_to_make_nothing(story: Story) -> None:
    auditor, clerk = story.own[StaffRole.AUDITOR], story.own[StaffRole.CLERK]
    asking = {"/staff/tasks": "What only you can settle", "/staff": "Do something else with them"}
    asking |= {"/staff/policies": "Your changes apply"}
    for path, words in asking.items():
        assert words not in (await auditor.get(path)).words
    assert "What only you can settle" in (await clerk.get("/staff/tasks")).words
    board = await auditor.get("/staff")
    assert "Export a table" in board.words and '<details class="more"' not in board.text
    assert "Do something else with them" in (await clerk.get("/staff")).words
    manager = story.own[StaffRole.CAMPUS_MANAGER]
    assert "Your changes apply" in (await manager.get("/staff/policies")).words


async def test_a_page_that_another_site_has_opened_changes_nothing(story: Story) -> None:
    """A link from elsewhere carries the cookie: only reading may come of it. Reading a contract is recorded."""
    database, owner = story.running.hub.database, story.own[StaffRole.OWNER]
    before, changes = await fingerprint(database), {}
    for path in PAGES:
        page = await owner.get(story.address(path), site="cross-site")
        after = await fingerprint(database)
        looked = {"record_entry", "record_head"} if path == "/staff/contracts/{id}" else set()
        if tables := set(changed(before, after)) - {"staff_session"} - looked:
            changes[path] = (page.status, tables)
        before = after
    assert changes == {}


async def test_a_refusal_is_said_in_ones_own_language(story: Story) -> None:
    console = ConsoleBrowser(story.running, story.own[StaffRole.AUDITOR].cookie, "zh")
    page = await console.post(f"/staff/contracts/{story.contract.id}/void", {"reason": "x"})
    assert page.status == 403 and "您的角色无权进行此操作" in page.words and "返回工作台" in page.words


async def test_a_role_that_was_taken_away_counts_at_the_next_request(story: Story) -> None:
    await add_staff(story.running, "was-clerk", "hefei")
    console = await console_of(story.running, "was-clerk")
    assert (await console.get("/staff/import")).status == 200
    await add_staff(story.running, "was-clerk", "hefei", role=StaffRole.AUDITOR)
    assert is_refused(await console.get("/staff/import"))


def ways_on(text: str) -> list[tuple[str, str]]:
    """Return the addresses of the console to which a page's links (GET) and forms (POST) lead."""
    found = [("GET", each) for each in re.findall(r'<a [^>]*href="(/staff[^"]*)"', text)]
    forms = re.findall(r'<form (?=[^>]*method="post")[^>]*action="(/staff[^"]*)"', text)
    forms += re.findall(r'formaction="(/staff[^"]*)"', text)
    ways = found + [("POST", each) for each in forms]
    plain = [(method, re.split(r"[?#]", address)[0]) for method, address in ways]
    return [(method, address) for method, address in plain if address not in OUTSIDE]


def route_of(method: str, address: str) -> str:
    """Return the path of the table to which an address belongs; one without blanks before others."""
    table = PAGES if method == "GET" else ACTS
    fitting = [path for path in table if re.fullmatch(BLANK.sub("[^/]+", path), address)]
    assert fitting, f"no route for {method} {address}"
    return min(fitting, key=lambda path: path.count("{"))


def _without_ids(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "", text)
