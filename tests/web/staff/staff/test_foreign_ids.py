"""What belongs to one campus, named by somebody of another one: in addresses, in queries, and in all fields of forms.

The routes are those of the table, and each form gets every field, so that a new one is tried without a line here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio

from hub.lifecycle.board.bulk_acts import begin_bulk_act
from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.lifecycle.evidence.ask_erasure import ask_erasure
from hub.lifecycle.evidence.hold import place_hold
from hub.lifecycle.evidence.person import PersonAct
from hub.lifecycle.reminders import bulk_remind
from hub.lifecycle.signing.questions import ask
from hub.lifecycle.staff import change_phone
from hub.lifecycle.staff.api_keys import add_key
from hub.model.board.bulk_act import BulkAct, BulkKind
from hub.model.contract.signer import Role
from hub.model.evidence.person_data import SoughtPerson
from hub.model.school.issue_many import IssueAct
from hub.model.school.roster_import import RosterImport, RosterUpload
from hub.model.signing.device_key import AppKey, Attestation
from hub.model.staff.roles import PERMISSIONS, ROLES_OF_HEADQUARTERS, Permission, StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.store.tables.columns import metadata
from hub.web.staff import ACTS, PAGES
from tests.everything_stored import fingerprint_of_campus
from tests.lent_hubs import lent_hub
from tests.lifecycle.signer import person
from tests.poster_visits import Family, make_poster
from tests.running import Running
from tests.store.server.test_scope import OF_THE_HUB, READ_BY_ALL, WITHOUT
from tests.web.staff.school.test_staff_enrolments import enrolled
from tests.web.staff_visit import ConsoleBrowser, Page, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
BLANK = re.compile(r"\{(\w+)\}")
ROLES = [role for role in StaffRole if role not in ROLES_OF_HEADQUARTERS]
# Rows of these tables belong to a campus, and only its people change them.
OWNED = sorted(set(metadata.tables) - set(WITHOUT) - READ_BY_ALL - OF_THE_HUB)
# What no page of another campus may show.
GUARDIAN = "陈外人"


@dataclass
class Story:
    """A hub with something of each kind in Hefei. `blanks`: the value of each blank in an address. `form`: the fields
    of all forms about these. `elsewhere`: a browser for each role in Beijing. `own`: a contract of Beijing. `known`: a
    digest of the rows of Hefei, by table."""

    running: Running
    blanks: dict[str, str]
    form: dict[str, str]
    elsewhere: dict[StaffRole, ConsoleBrowser]
    own: str
    known: dict[str, str] = field(default_factory=dict)

    def address(self, path: str, blanks: dict[str, str]) -> str:
        return BLANK.sub(lambda found: blanks.get(found[1], str(uuid4())), path)

    async def changes(self) -> list[str]:
        """Return the tables in which a row of Hefei has changed since this was asked last."""
        before, self.known = self.known, await fingerprint_of_campus(self.running.hub.database, "hefei", OWNED)
        return [name for name in OWNED if before.get(name) != self.known[name]]


@contextlib.asynccontextmanager
async def new_story() -> AsyncIterator[Story]:
    async with lent_hub(with_worker=False) as running:
        services, database, family = running.hub.services, running.hub.database, Family(parent=GUARDIAN)
        contract = await running.issue_minor()
        signer = await person(running, contract)
        await signer.land()
        await ask(services, signer.secret, "question", "when does it begin?")
        wanted = change_phone.PhoneRequest(contract.id, signer.signer.id, "+8619000000999", "lost")
        change = await change_phone.ask(services, EVERYTHING, wanted, f"staff:{uuid4()}")
        poster, _ = await make_poster(running)
        enrolment = await enrolled(running, "陈外小", family)
        await place_hold(services, EVERYTHING, contract.id, ("a court", None), "staff:x")
        await add_key(services, "crm-of-hefei", "hefei", "staff:x")
        await add_staff(running, "li-of-hefei", "hefei")
        sought = PersonAct(SoughtPerson(id_number=signer.signer.id_number), EVERYTHING, f"staff:{uuid4()}", "asked")
        erasure = await ask_erasure(services, sought, "hefei")
        act = await bulk_remind.begin_reminding(services, EVERYTHING, [contract.id], "staff:x")
        async with database.transaction(EVERYTHING) as tx:
            now, device, roster = tx.now, uuid4(), RosterUpload(uuid4(), "hefei", "staff:x", "r.csv", tx.now, b"x")
            asked = IssueAct(act, "hefei", f"staff:{uuid4()}", now, needs_approval=True)
            assert await tx.issue_acts.begin(asked, [enrolment])
            await begin_bulk_act(tx, BulkAct(act, "hefei", BulkKind.VOID, "staff:x", now, reason="x"), [contract.id])
            await tx.rosters.add_upload(roster)
            came = await tx.roster_imports.begin(RosterImport(uuid4(), "hefei", "staff:x", "r.csv", now))
            key = AppKey(device, b"k", signer.signer.person, contract.id, signer.signer.id, "x", Attestation.NONE, now)
            assert await tx.app_keys.add(key)
            (account,) = await tx.accounts.list_accounts(now, "li-of-hefei")
            task = next(each.id for each in await tx.staff_tasks.list_open_tasks() if each.kind == "question")
        session = await console_of(running, "li-of-hefei")
        async with database.transaction(EVERYTHING) as tx:
            (open_session,) = await tx.accounts.list_sessions(account.staff.id, tx.now)
        assert session.cookie
        named = {"id": contract.id, "contract": contract.id, "signer": signer.signer.id, "poster": poster.id}
        named |= {"enrolment": enrolment.id, "upload": roster.id, "import": came, "task": task, "change": change.id}
        named |= {"act": act, "device": device, "request": erasure.id, "account": account.staff.id}
        named |= {"session": open_session.id}
        blanks = {name: str(value) for name, value in named.items()} | {"number": "1"}
        others = Family("周示例", "周小例")
        adult = NewSigner(Role.GUARDIAN, others.parent, others.phone, others.parent_id, relation="父亲")
        child = NewStudent(others.child, "cn-id", others.child_id)
        own = await running.issue_minor(campus="beijing", student=child, signers=(adult,))
        found = Story(running, blanks, form_about(blanks, contract.number, family), {}, str(own.id))
        for role in ROLES:
            await add_staff(running, f"{role}-of-beijing", "beijing", role=role)
            found.elsewhere[role] = await console_of(running, f"{role}-of-beijing")
        assert await found.changes()
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story() -> AsyncIterator[Story]:
    async with new_story() as found:
        yield found


def form_about(blanks: dict[str, str], number: str, family: Family) -> dict[str, str]:
    """Return all fields that any form of the console has, about what is in Hefei."""
    day, deadline = "2999-01-01", datetime.now(UTC) + timedelta(days=60)
    form = {name: blanks[name] for name in ("contract", "enrolment", "task", "act", "signer", "import", "account")}
    form |= {"contracts": blanks["contract"], "number": number, "name": "crm-of-hefei", "login": "li-of-hefei"}
    form |= {"campus": "hefei", "at": "hefei/math-a", "course": "hefei/math-a", "role": "auditor", "subject": "x"}
    form |= {"reason": "because", "why_lifted": "because", "note": "because", "text": "because", "outcome": "settled"}
    form |= {"deadline": f"{deadline:%Y-%m-%d}", "until": day, "expires": day, "expires_at": day, "choice": "call"}
    form |= {"phone": family.phone, "id_number": family.parent_id, "id_type": "cn-id", "title": "x", "mode": "ask"}
    form |= {"form": "csv", "send": "none", "student_name": "王小明", "student_id_type": "cn-id"}
    form |= {"student_id_number": family.child_id, "guardian_name": "王大明", "guardian_id_number": family.parent_id}
    form |= {"guardian_id_type": "cn-id", "language": "zh", "signer0_phone": "+8619000000998", "reminders_after": "1d"}
    return form | {"grantee_kind": "contracts", "kind": "contract", "registered_name": "x", "chat": "x", "person": "x"}


def permission_of(method: str, path: str) -> Permission:
    return (PAGES if method == "GET" else ACTS)[path].permission


def without_ids(page: Page) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "", page.text)


NAMED = [(method, path) for method, table in (("GET", PAGES), ("POST", ACTS)) for path in table if "{" in path]


@pytest.mark.parametrize(("method", "path"), NAMED)
async def test_an_address_of_another_campus_leads_nowhere(story: Story, method: str, path: str) -> None:
    """The answer is the same as about what nobody has, and changes nothing."""
    for role, console in story.elsewhere.items():
        if permission_of(method, path) not in PERMISSIONS[role]:
            continue
        pages = []
        for blanks in (story.blanks, {}):
            address = story.address(path, blanks)
            pages.append(await (console.get(address) if method == "GET" else console.post(address, story.form)))
        theirs, nothing = pages
        assert (theirs.status, theirs.location) == (nothing.status, nothing.location), role
        assert without_ids(theirs) == without_ids(nothing), role
    assert await story.changes() == []


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path in NAMED if path.count("{") > 1])
async def test_what_another_campus_has_is_not_reached_by_way_of_what_is_ones_own(
    story: Story, method: str, path: str
) -> None:
    """The address names the own contract, and a signer, device or file of another one."""
    for role, console in story.elsewhere.items():
        if permission_of(method, path) not in PERMISSIONS[role]:
            continue
        pages = []
        for blanks in (story.blanks | {"id": story.own}, {"id": story.own, "number": "1"}):
            address = story.address(path, blanks)
            pages.append(await (console.get(address) if method == "GET" else console.post(address, story.form)))
        theirs, nothing = pages
        assert (theirs.status, theirs.location) == (nothing.status, nothing.location), role
        assert GUARDIAN not in theirs.words and "陈建国" not in theirs.words, role
    assert await story.changes() == []


@pytest.mark.parametrize("path", ACTS)
async def test_no_field_of_a_form_reaches_another_campus(story: Story, path: str) -> None:
    for role, console in story.elsewhere.items():
        if ACTS[path].permission in PERMISSIONS[role]:
            page = await console.post(story.address(path, {}), story.form)
            assert page.status < 500 and GUARDIAN not in page.words and "陈外小" not in page.words, role
    assert await story.changes() == []


@pytest.mark.parametrize("path", [path for path in PAGES if "{" not in path])
async def test_no_query_shows_what_is_of_another_campus(story: Story, path: str) -> None:
    query = "&".join(f"{name}={value}" for name, value in story.form.items() if name not in ("campus", "form", "text"))
    for role, console in story.elsewhere.items():
        if PAGES[path].permission in PERMISSIONS[role] and path != "/staff/changes":
            for more in ("", f"&campus=hefei&q={GUARDIAN}", "&q=陈外小&whose=all&done=1"):
                page = await console.get(f"{path}?{query}{more}")
                assert page.status < 500, (role, more)
                shown = re.sub(r'value="[^"]*"|href="[^"]*"', "", page.text)
                assert "陈外小" not in shown and "陈小满" not in shown, (role, more)


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        ("/staff", "number"),
        ("/staff/tasks", "number"),
        ("/staff/phone-changes", "number"),
        ("/staff/holds", "number"),
        ("/staff/keys", "name"),
        ("/staff/accounts", "login"),
        ("/staff/enrolments", "陈外小"),
    ],
)
async def test_a_list_shows_only_the_campus_that_is_chosen(story: Story, path: str, mark: str) -> None:
    """Headquarters sees both."""
    headquarters, shown = await console_of(story.running), story.form.get(mark, mark)
    for campus, is_there in (("hefei", True), ("beijing", False)):
        page = await headquarters.get(f"{path}?campus={campus}&whose=all")
        assert page.status == 200 and (shown in page.words) is is_there, (campus, page.words)


async def test_the_same_forms_act_at_the_own_campus() -> None:
    """The control: forms with all fields are not refused for having too many. They change the story."""
    acted = set()
    async with new_story() as story:
        consoles = {}
        for role in (StaffRole.CAMPUS_MANAGER, StaffRole.LEGAL):
            await add_staff(story.running, f"{role}-of-hefei", "hefei", role=role)
            consoles[role] = await console_of(story.running, f"{role}-of-hefei")
        await story.changes()
        for path in sorted(ACTS, key=lambda path: "void" in path or "paper" in path):
            for role, console in consoles.items():
                if ACTS[path].permission not in PERMISSIONS[role]:
                    continue
                await console.post(story.address(path, story.blanks), story.form)
                if set(await story.changes()) - {"staff_session"}:
                    acted.add(path)
    assert len(acted) >= 20, sorted(acted)
