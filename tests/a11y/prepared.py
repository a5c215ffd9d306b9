"""A hub in which every page has something to show: contracts in several states, an import, questions, posters."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pyotp

from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.lifecycle.signing.entry.verify_identity import send_code
from hub.lifecycle.signing.questions import ask
from hub.model.contract.contract import Contract
from hub.model.contract.contract_copy import CopyRecipient, CopyRole, derive_copy_ticket
from hub.model.contract.signer import Role
from hub.model.school.enrolment_list import EnrolmentFilter, EnrolmentState
from hub.model.school.issue_many import IssueAct
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED
from hub.web.app import make_app
from qianda.client import SigningClient
from tests.a11y.routes import page_routes, route_of
from tests.custody.app import Phones
from tests.lifecycle.phone_changes import asked as ask_for_another_phone
from tests.lifecycle.signer import Person, person
from tests.poster_visits import Family, admitted, cn_id, make_poster
from tests.running import PASSWORD, STUDENT_PHONE, Running, demanding_templates
from tests.sealing.clients import configured_seal
from tests.web.signer_visits import code_for
from tests.web.staff_visit import COOKIE as STAFF_COOKIE, ConsoleBrowser, add_staff, console_of

# Contract template for which a key made in a browser is not enough.
ANOTHER_KEY = "token"
SIGNER_COOKIE = "__Host-qianda"
# A sheet with a fault and with a column that nobody knows.
SHEET = (
    "校区,班级,学生姓名,身份证号,家长姓名,家长身份证号,家长电话,备注\r\n"
    "合肥,炼金术,陈小满,340104201209010016,陈建国,340104198501010019,19000000155,靠窗\r\n"
)
# Recovery codes of the account with a second factor, each of which counts once.
_recovery_codes: list[str] = []


def one_time_code() -> str:
    return _recovery_codes.pop()


@dataclass
class PreparedHub:
    """`paths`: a path for each route, and for the routes with several pages one for `route (which)`. `cookies`: name
    and value of the cookie of each browser."""

    running: Running
    paths: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, tuple[str, str]] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)


def templates_with_another_key(folder: Path) -> Path:
    """Return the project's contract templates with one more, which demands a key that no browser has."""
    copied = demanding_templates(folder, "")
    shutil.copytree(copied / "course-zh", copied / f"{ANOTHER_KEY}-zh")
    described = copied / f"{ANOTHER_KEY}-zh" / "template.toml"
    renamed = described.read_text("utf-8").replace('id = "course"', f'id = "{ANOTHER_KEY}"', 1)
    described.write_text(f'custody = ["usb-token", "app-keystore"]\n{renamed}', "utf-8")
    return copied


async def prepare(phones: Phones) -> PreparedHub:
    prepared = PreparedHub(phones.running)
    await _prepare_signers(prepared, phones)
    await _prepare_posters(prepared)
    await _prepare_staff(prepared)
    prepared.paths |= {
        "/problems/{code}": "/problems/bad-input",
        "/problems/{code} (unknown)": "/problems/nothing",
        "/demo/phone (one)": f"/demo/phone?phone=%2B{STUDENT_PHONE[1:]}",
        "/staff/contracts/{id} (unknown)": f"/staff/contracts/{uuid4()}",
    }
    return prepared


# ---- signers


async def _prepare_signers(prepared: PreparedHub, phones: Phones) -> None:
    running = prepared.running
    await _come_in(prepared, "open", await _with_a_sibling(running))
    async with SigningClient(running.origin) as app:
        app.resume(prepared.cookies["open"][1])
        await app.key(phones.android("Redmi 9A"))  # so that this signer has a device
    await _come_in(prepared, "another key", await _issued(running, template=ANOTHER_KEY))
    await _come_in(prepared, "to fill in", await _issued(running, template="safety-notice"))
    await _come_in(prepared, "waiting", await _of_two(running), number=1)
    await (await _come_in(prepared, "signed", await _of_two(running))).sign()
    done = await _issued(running, copies=(CopyRecipient(CopyRole.GUARDIAN, "mother@home.example"),))
    await (await _come_in(prepared, "completed", done)).sign()
    await running.completed(done)
    withdrawn = await _issued(running)
    await _come_in(prepared, "withdrawn", withdrawn)
    await void(running.hub.services, EVERYTHING, withdrawn.id, "a mistake", "test")
    prepared.paths["/staff/contracts/{id} (completed)"] = f"/staff/contracts/{done.id}"
    copy = derive_copy_ticket(running.hub.services.signing.keys.link, done.id, 0)
    prepared.paths["/copy/{contract}/{ticket}"] = f"/copy/{done.id}/{copy}"
    prepared.paths["/copy/{contract}/{ticket} (unknown)"] = f"/copy/{done.id}/0123456789ABC"
    prepared.paths["/s/{ticket}"] = f"/s/{await running.ticket(await _issued(running))}"
    prepared.paths["/s/{ticket} (unknown)"] = "/s/0123456789ABC"


def _guardian(family: Family) -> NewSigner:
    return NewSigner(Role.GUARDIAN, family.parent, family.phone, family.parent_id, relation="父亲")


async def _issued(running: Running, family: Family | None = None, **changes: Any) -> Contract:
    family = family or Family()
    student = NewStudent(family.child, "cn-id", family.child_id)
    return await running.issue_minor(student=student, signers=(_guardian(family),), **changes)


async def _of_two(running: Running) -> Contract:
    """Issue a contract that a student signs first and then a parent."""
    family = Family(child_id=cn_id("19990101"))
    student = NewSigner(Role.STUDENT, family.child, Family().phone, family.child_id, order=1)
    signers = (student, replace(_guardian(family), order=2))
    return await running.issue_minor(student=NewStudent(family.child, "cn-id", family.child_id), signers=signers)


async def _with_a_sibling(running: Running) -> Contract:
    family = Family()
    await _issued(running, family=replace(family, child="陈小雨", child_id=Family().child_id))
    return await _issued(running, family=family)


async def _come_in(prepared: PreparedHub, who: str, contract: Contract, number: int = 0) -> Person:
    signer = await person(prepared.running, contract, number)
    await signer.land()
    await send_code(prepared.running.hub.services, signer.secret)
    await signer.verify(await code_for(prepared.running, signer.signer.phone))
    prepared.cookies[who] = (SIGNER_COOKIE, signer.secret)
    prepared.queries[who] = f"?id={contract.id}"
    return signer


# ---- posters


async def _prepare_posters(prepared: PreparedHub) -> None:
    running = prepared.running
    _, one = await make_poster(running)
    poster, several = await make_poster(running, ("math-a", "english-b"), mode="ask", title="春季班报名")
    prepared.paths["/p/{poster}"] = f"/p/{one}"
    prepared.paths["/p/{poster} (several courses)"] = f"/p/{several}"
    prepared.paths["/p/{poster} (unknown)"] = "/p/0123456789ABC"
    family = Family(parent="王秀英", child="王小雨")
    async with admitted(running, several, family) as visitor:
        await visitor.enrol("math-a", family.student(), [family.guardian()])
    for part in ("", "/people", "/revoke"):
        prepared.paths[f"/staff/posters/{{poster}}{part}"] = f"/staff/posters/{poster.id}{part}"


# ---- staff


async def _prepare_staff(prepared: PreparedHub) -> None:
    running = prepared.running
    console = await console_of(running)
    prepared.cookies["staff"] = (STAFF_COOKIE, console.cookie)
    await add_staff(running, "clerk", "hefei")
    prepared.cookies["clerk"] = (STAFF_COOKIE, (await console_of(running, "clerk")).cookie)
    await add_staff(running, "keeper", "hq", role=StaffRole.SEAL_KEEPER)
    prepared.cookies["keeper"] = (STAFF_COOKIE, (await console_of(running, "keeper")).cookie)
    await _prepare_factors(prepared)
    contract = await _issued(running)
    guardian = await person(running, contract)
    await guardian.land()
    await ask(running.hub.services, guardian.secret, "question", "可以改到周三吗？")
    await ask_for_another_phone(running, guardian)
    prepared.paths["/staff/contracts/{id}"] = f"/staff/contracts/{contract.id}"
    prepared.paths["/staff/import/{upload}"] = await _upload(console, SHEET.encode("gbk"), "名单.csv")
    whole = await _upload(console, (PACKED / "demo" / "seeds" / "roster.xlsx").read_bytes(), "roster.xlsx")
    await console.post(whole)
    await _act_on_many(prepared, console, [str(contract.id)])
    await _extend_many(prepared, console, str((await _issued(running)).id))
    seal = f"/staff/seals/{(await configured_seal(running)).id}"
    prepared.paths |= {f"/staff/seals/{{seal}}{part}": seal + part for part in ("", "/grant", "/revoke", "/register")}
    await _write_texts(prepared, console)
    await _ask_to_issue(prepared)
    await _follow_links(prepared, console)


async def _ask_to_issue(prepared: PreparedHub) -> None:
    """Have an act wait until somebody else approves it."""
    async with prepared.running.hub.database.transaction(EVERYTHING) as tx:
        waiting = await tx.enrolments.list_fitting(EnrolmentFilter(state=EnrolmentState.WAITING), 3)
        act = IssueAct(uuid4(), "hq", "staff:somebody", tx.now, needs_approval=True)
        assert waiting and await tx.issue_acts.begin(act, waiting)
    prepared.paths["/staff/issued/{act} (waits for approval)"] = f"/staff/issued/{act.id}"


async def _write_texts(prepared: PreparedHub, console: ConsoleBrowser) -> None:
    """Begin to change a contract template, and submit a message."""
    route = "/staff/texts/{kind}/{subject}/{version}"
    for subject, which in (("contract/course", ""), ("message/reminder", " (a message that waits)")):
        begun = await console.post(f"/staff/texts/{subject}/begin", {"base": ""})
        prepared.paths[route + which] = begun.location.partition("?")[0]
    form = {"revision": "0", "note": "shorter", "voice.en": "A contract of {campus} waits for you.", "submit": "1"}
    submitted = await console.post(f"{prepared.paths[f'{route} (a message that waits)']}/save", form)
    assert submitted.status == 303, submitted.words


async def _prepare_factors(prepared: PreparedHub) -> None:
    """Make one account with a second factor, one that is half logged in, and one that is setting it up."""
    running = prepared.running
    for login in ("two-steps", "beginning"):
        await add_staff(running, login, "hefei", role=StaffRole.CAMPUS_MANAGER)
    console = await console_of(running, "two-steps")
    await console.post("/staff/account/second-factor/begin", {"password": PASSWORD})
    secret = re.search(r"<code>([A-Z2-7 ]{32,})</code>", (await console.get("/staff/account/second-factor")).text)
    assert secret
    code = pyotp.TOTP(secret[1].replace(" ", "")).at(running.clock())
    codes = await console.post("/staff/account/second-factor/confirm", {"code": code})
    _recovery_codes[:] = re.findall(r"<code>([a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4})</code>", codes.text)
    prepared.cookies["two-steps"] = (STAFF_COOKIE, console.cookie)
    prepared.cookies["half"] = (STAFF_COOKIE, (await console_of(running, "two-steps")).cookie)
    beginning = await console_of(running, "beginning")
    await beginning.post("/staff/account/second-factor/begin", {"password": PASSWORD})
    prepared.cookies["beginning"] = (STAFF_COOKIE, beginning.cookie)


async def _upload(console: ConsoleBrowser, sheet: bytes, name: str) -> str:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("roster", sheet, filename=name)
    headers = {"Cookie": f"{STAFF_COOKIE}={console.cookie}", "Origin": console.running.origin, "Accept": "text/html"}
    url = f"{console.running.origin}/staff/import"
    async with console.running.http.post(url, data=form, headers=headers, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
        return answer.headers["Location"]


async def _act_on_many(prepared: PreparedHub, console: ConsoleBrowser, contracts: list[str]) -> None:
    """Issue some enrolments and remind some people, as the pages for that do."""
    listed = await console.get("/staff/enrolments")
    chosen = re.findall(r'name="enrolment" value="([0-9a-f-]{36})"', listed.text)[:2]
    for at, act, ids in (("enrolments", "issue", chosen), ("remind", "", contracts)):
        name = "enrolment" if at == "enrolments" else "contract"
        preview = await console.post(f"/staff/{at}/preview", [(name, each) for each in ids])
        hidden = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', preview.text)
        begun = await console.post(f"/staff/{at}/{act}".rstrip("/"), hidden)
        assert begun.status == 303, preview.text
        prepared.paths["/staff/issued/{act}" if act else "/staff/remind/{act}"] = begun.location.partition("?")[0]


async def _extend_many(prepared: PreparedHub, console: ConsoleBrowser, contract: str) -> None:
    preview = await console.post("/staff/extend/preview", [("contract", contract)])
    hidden = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', preview.text)
    later = (prepared.running.clock() + timedelta(days=60)).date().isoformat()
    begun = await console.post("/staff/extend", [*hidden, ("deadline", later)])
    assert begun.status == 303, begun.words
    prepared.paths["/staff/bulk/{act}"] = begun.location.partition("?")[0]


async def _follow_links(prepared: PreparedHub, console: ConsoleBrowser) -> None:
    """Find a path for each further route of the console by following links, as a person does."""
    routes = page_routes(make_app(prepared.running.hub))
    ahead, seen = ["/staff", *prepared.paths.values()], set()
    while ahead:
        path = ahead.pop(0)
        for found in re.findall(r'href="(/staff[^"?#]*)', (await console.get(path)).text):
            route = route_of(found, routes)
            if route and route not in seen:
                seen.add(route)
                prepared.paths.setdefault(route, found)
                ahead.append(found)
