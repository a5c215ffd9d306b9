"""Every route of the signing pages and the signing protocol, with a session that has no business there.

The routes are those of the hub, so that a new one is tried without a line here, but for what it is sent (`BODIES`).
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from aiohttp import web
from sqlalchemy import text

from hub.lifecycle.contract.decline import decline
from hub.lifecycle.contract.end import expire, sign_on_paper, void
from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.lifecycle.school import guests
from hub.lifecycle.signing import pair_agent
from hub.lifecycle.signing.entry.pickup_codes import open_pickup
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.signing.device_key import AppKey, Attestation
from hub.model.signing.passkey import Passkey
from hub.model.signing.signature_request import SignatureRequest
from hub.model.staff.scope import EVERYTHING
from hub.store.tables.columns import metadata
from hub.web import signer as signer_routes
from hub.web.http.security import COOKIE
from tests.everything_stored import changed, fingerprint, fingerprint_of_campus
from tests.lent_hubs import lent_hub
from tests.lifecycle.signer import Person, completed as take_own_steps, person
from tests.poster_visits import Family, make_poster
from tests.running import Running
from tests.store.server.test_scope import OF_THE_HUB, READ_BY_ALL, WITHOUT
from tests.web.signer_visits import stands_alone

pytestmark = pytest.mark.asyncio(loop_scope="module")
OWNED = sorted(set(metadata.tables) - set(WITHOUT) - READ_BY_ALL - OF_THE_HUB)
VICTIM, FOREIGN = Family("陈外人", "陈外小"), Family("周示例", "周小例")


def under_sign(names: str) -> set[str]:
    return {f"/sign/v1/{name}" for name in names.split()}


# Whoever has no session may ask for these: they begin with a secret of their own, or tell nothing.
BEGIN = under_sign("open relink") | {"/sign/leave"}
# What a session may do before its code, and one that began with a pickup code.
BEFORE_CODE = under_sign("session code verify question")
# Routes that are about the session's own person alone: they take no contract.
ABOUT_ONESELF = under_sign("session code question devices key/deleted pairing pairing/confirm pairing/end enrol")
# What goes on after a contract's end: questions, links to read it, reports, and what is the person's own.
GOES_ON = BEFORE_CODE | under_sign("link phone passkeys devices/revoke key/deleted refused pairing/end")
# The control has no right values for these.
WANTS_MORE = under_sign("verify")
NOBODYS = ("nobody", "invented", "rotated", "ended")
KINDS = (
    *NOBODYS,
    "of another",
    "of another's program",
    "of another, before the code",
    "of a guest",
    "by a code",
)


@dataclass
class Case:
    """A contract that somebody is about to sign: by its page, which has prepared a file, and by a paired program, whose
    certificate the page has confirmed. `rotated`: the secret that the page had before its code."""

    contract: Contract
    page: Person
    program: Person
    request: SignatureRequest
    device: str
    rotated: str

    def body(self, path: str) -> dict[str, Any]:
        """Return a valid body for a route, about this contract and this person."""
        request, signed = str(self.request.id), _base64(self.page.key.sign(self.request.to_be_signed))
        document, sha256 = self.contract.document, "0" * 64
        possible: dict[str, dict[str, Any]] = {
            "open": {"ticket": "0123456789ABC"},
            "relink": {"ticket": "0123456789ABC"},
            "verify": {"code": "000000", "name": VICTIM.parent, "id_tail": VICTIM.parent_id[-4:]},
            "enrol": {"course": "math-a", "student": FOREIGN.student(), "signers": [FOREIGN.guardian()]},
            "key": {"spki": _base64(self.page.key.spki), "proof": _base64(self.page.proof()), "custody": "browser"},
            "prepare": {"document_sha256": document, "consent": {"version": "1", "sha256": sha256}},
            "signature": {"request": request, "signature": signed},
            "refused": {"request": request, "reason": "because"},
            "decline": {"reason": "because"},
            "question": {"text": "why?"},
            "phone": {"phone": FOREIGN.phone},
            "answers": {"values": {}},
            "passkeys": {"authenticator_data": "AAAA", "client_data": "AAAA"},
            "pairing/confirm": {"certificate_sha256": sha256},
            "devices/revoke": {"id": self.device},
        }
        return possible.get(path.removeprefix("/sign/v1/"), {})


@dataclass
class Story:
    """`foreign`: sessions that have nothing to do with the case, by what they are."""

    running: Running
    case: Case
    foreign: dict[str, str]

    async def ask(
        self, method: str, path: str, secret: str, case: Case | None = None, *, site: str | None = None
    ) -> tuple[int, str]:
        """Make a request about the case with this session. Return its status and what it says.

        `site`: what the browser says of the page that caused it, instead of naming our origin.
        """
        about = case or self.case
        address = re.sub(r"\{number.*\}", "1", path).replace("{request}", str(about.request.id))
        headers = {"Accept": "text/html,application/json"}
        headers |= {"Sec-Fetch-Site": site} if site else {"Origin": self.running.origin}
        headers |= {"Cookie": f"{COOKIE}={secret}"} if secret else {}
        sent: dict[str, Any] = {"json": about.body(path)} if method == "POST" else {}
        url = f"{self.running.origin}{address}?id={about.contract.id}&name=x"
        async with self.running.http.request(method, url, headers=headers, allow_redirects=False, **sent) as answer:
            return answer.status, (await answer.read()).decode(errors="replace")

    async def rows_of_case(self) -> dict[str, str]:
        """Return a digest of all rows about the case and its person."""
        database, who = self.running.hub.database, self.case.page.signer.person
        found = await fingerprint_of_campus(database, "hefei", OWNED)
        async with database.transaction(EVERYTHING) as tx:
            for name in ("passkey", "one_time_code", "wrong_answer"):
                rows = text(f"SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM {name} t WHERE person = :who")
                found[name] = str(await tx.connection.scalar(rows, {"who": who}))
        return found


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def list_routes() -> list[tuple[str, str]]:
    """Return method and path of each route for which a session is needed."""
    found = [each for each in signer_routes.routes(None) if isinstance(each, web.RouteDef)]
    return [(each.method, each.path) for each in found if each.path.startswith("/sign/") and each.path not in BEGIN]


ROUTES = list_routes()


async def make_case(running: Running, family: Family, campus: str) -> Case:
    signer = NewSigner(Role.GUARDIAN, family.parent, family.phone, family.parent_id, relation="父亲")
    student = NewStudent(family.child, "cn-id", family.child_id)
    contract = await running.issue_minor(campus=campus, student=student, signers=(signer,), send="none")
    page, program = await person(running, contract), await person(running, contract)
    await page.land()
    rotated = page.secret
    await page.verify(await page.ask_code())
    await page.certify()
    request = await page.prepare()
    code, _ = await pair_agent.begin(running.hub.services, page.secret, contract.id)
    claimed = await pair_agent.claim(running.hub.services, code)
    program.secret, program.challenge = claimed.secret, claimed.session.key_challenge
    await program.certify()
    await pair_agent.confirm(running.hub.services, page.secret, hashlib.sha256(program.chain[0]).hexdigest())
    async with running.hub.database.transaction(EVERYTHING) as tx:
        who, device = page.signer.person, uuid4()
        key = AppKey(device, device.bytes, who, contract.id, page.signer.id, "x", Attestation.NONE, tx.now)
        assert await tx.app_keys.add(key)
        assert await tx.passkeys.add(Passkey(uuid4(), who, "localhost", device.bytes, b"2", 0, False, tx.now))
    await page.fresh_challenge()
    return Case(contract, page, program, request, str(device), rotated)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story() -> AsyncIterator[Story]:
    async with lent_hub(with_worker=False, host="localhost") as running:
        services = running.hub.services
        case = await make_case(running, VICTIM, "hefei")
        other = await make_case(running, FOREIGN, "beijing")
        early, ended = await person(running, other.contract), await person(running, case.contract)
        await early.land()
        await ended.land()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            session = await tx.sessions.find_by_secret(ended.secret)
            assert session
            await tx.sessions.mark_verified(session.id, [case.contract.id], ended.secret, tx.now)
            await tx.connection.execute(
                text("UPDATE signing_session SET expires_at = now() WHERE id = :id"), {"id": session.id}
            )
        _, poster = await make_poster(running, campus="beijing")
        guest = await guests.open_poster(services, poster, FOREIGN.phone, FOREIGN.parent, "zh")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.visitors.mark_verified(guest.visitor.id, guest.secret, tx.now)
        picked = await open_pickup(services, "000000", FOREIGN.phone)
        foreign = {"nobody": "", "invented": "x" * 43, "rotated": case.rotated, "ended": ended.secret}
        foreign |= {"of another": other.page.secret, "of another's program": other.program.secret}
        foreign |= {"of another, before the code": early.secret, "of a guest": guest.secret, "by a code": picked.secret}
        yield Story(running, case, foreign)


def tells(said: str, family: Family) -> bool:
    """Return whether an answer says something about this family."""
    return any(each in said for each in (family.parent, family.child, family.phone)) or stands_alone(
        family.parent_id[-4:], said
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_a_foreign_session_learns_nothing_and_changes_nothing(story: Story, kind: str) -> None:
    before = await story.rows_of_case()
    for method, path in ROUTES:
        status, said = await story.ask(method, path, story.foreign[kind])
        assert not tells(said, VICTIM) and story.case.contract.number not in said, (method, path)
        if kind in NOBODYS:
            assert status == 401, (method, path, status)
        elif path not in ABOUT_ONESELF:
            assert status in (401, 403, 404, 422), (method, path, status)
    assert changed(before, await story.rows_of_case()) == []


async def test_before_its_code_a_session_may_only_ask_for_one(story: Story) -> None:
    """Its own link was opened, and nobody has proved who they are."""
    early = await person(story.running, story.case.contract)
    await early.land()
    before = await fingerprint(story.running.hub.database)
    for method, path in ROUTES:
        if path in BEFORE_CODE:
            continue
        status, said = await story.ask(method, path, early.secret)
        assert not tells(said, VICTIM) and story.case.contract.number not in said, (method, path)
        assert status in (401, 403, 404) or path == "/sign/v1/key/deleted", (method, path, status)
    assert changed(before, await fingerprint(story.running.hub.database)) == []


async def test_the_own_session_is_let_in_everywhere(story: Story) -> None:
    """The control: what is sent is valid, and about something that is there."""
    case = await make_case(story.running, Family(), "hefei")
    last = under_sign("decline phone")  # after these, nothing is left to be done
    for method, path in sorted(ROUTES, key=lambda route: route[1] in last):
        if path == "/sign/v1/enrol":  # for visitors of a poster
            continue
        status, said = await story.ask(method, path, case.page.secret, case)
        assert status not in (401, 403) or "wrong-" in said, (method, path, status, said)
        assert "bad-input" not in said or path in WANTS_MORE, (method, path, said)


ENDINGS: dict[str, Callable[[Running, Case], Awaitable[object]]] = {}


def ending(act: Callable[[Running, Case], Awaitable[object]]) -> Callable[[Running, Case], Awaitable[object]]:
    ENDINGS[act.__name__] = act
    return act


@ending
async def voided(running: Running, case: Case) -> None:
    await void(running.hub.services, EVERYTHING, case.contract.id, "because", "test")


@ending
async def signed_on_paper(running: Running, case: Case) -> None:
    await sign_on_paper(running.hub.services, EVERYTHING, case.contract.id, "in the safe", "test")


@ending
async def expired(running: Running, case: Case) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await expire(running.hub.services, tx, await tx.contracts.lock_contract(case.contract.id))


@ending
async def declined(running: Running, case: Case) -> None:
    await decline(running.hub.services, case.page.secret, case.contract.id, "because")


@ending
async def completed(running: Running, case: Case) -> None:
    await case.page.accept(case.request)
    await take_own_steps(running, case.contract)


@pytest.mark.parametrize("end", ENDINGS)
async def test_after_the_end_of_a_contract_nothing_about_it_changes(story: Story, end: str) -> None:
    running = story.running
    case = await make_case(running, Family(), "hefei")
    await ENDINGS[end](running, case)
    before = await fingerprint(running.hub.database)
    for secret in (case.page.secret, case.program.secret) * 2:
        for method, path in ROUTES:
            if path not in GOES_ON:
                await story.ask(method, path, secret, case)
    assert changed(before, await fingerprint(running.hub.database)) == []


async def test_a_page_of_another_site_changes_nothing(story: Story) -> None:
    """Another site can have a browser open any address, with the cookie (`SameSite=Lax`)."""
    running, changes = story.running, {}
    case, ended = await make_case(running, Family(), "hefei"), await make_case(running, Family(), "hefei")
    await completed(running, ended)
    for about in (case, ended):
        for method, path in ROUTES:
            if method == "GET":
                before = await fingerprint(running.hub.database)
                await story.ask(method, path, about.page.secret, about, site="cross-site")
                if tables := changed(before, await fingerprint(running.hub.database)):
                    changes[path] = tables
    assert changes == {}


async def test_a_link_of_another_site_has_nothing_made(story: Story) -> None:
    case = await make_case(story.running, Family(), "hefei")
    await completed(story.running, case)
    headers = {"Cookie": f"{COOKIE}={case.page.secret}", "Sec-Fetch-Site": "cross-site"}
    for name in ("evidence.zip", "addendum.zip"):
        url = f"{story.running.origin}/sign/v1/{name}?id={case.contract.id}"
        async with story.running.http.get(url, headers=headers) as answer:
            assert (answer.status, (await answer.json(content_type=None))["code"]) == (403, "access-denied")
