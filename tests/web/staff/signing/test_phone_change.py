"""Another phone number: requested by a program, at the desk or by the person, and approved by the second of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from hub.lifecycle.contract.new_contract import NewStudent
from hub.lifecycle.staff.api_keys import add_key
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from qianda.wire import ProtocolProblem
from tests.lent_hubs import lent_hub
from tests.lifecycle.people import father
from tests.poster_visits import Family, cn_id
from tests.running import Running
from tests.web.signer_visits import asked, opened, verified
from tests.web.staff_visit import add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        await add_staff(hub, "colleague", "hefei")
        await add_staff(hub, "maker", "hefei")
        await add_staff(hub, "elsewhere", "beijing")
        yield hub


class Parent:
    """A guardian that no other test uses, with a contract to sign and a new number."""

    def __init__(self, running: Running) -> None:
        self.running, self.family, self.new = running, Family(), Family().phone
        self.signer = replace(father(), phone=self.family.phone, id_number=self.family.parent_id)

    async def issue(self) -> Contract:
        self.contract = await self.running.issue_minor(signers=(self.signer,))
        return self.contract

    @property
    def visit(self) -> dict[str, Any]:
        return {"name": self.signer.name, "tail": self.family.parent_id[-4:], "phone": self.family.phone}

    async def on_file(self) -> str:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return (await tx.contracts.list_signers(self.contract.id))[0].phone

    async def address(self) -> str:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            (signer,) = await tx.contracts.list_signers(self.contract.id)
        return f"/api/v1/contracts/{self.contract.id}/signers/{signer.id}/phone"

    async def api(self, body: dict[str, str] | None = None, once: str = "") -> tuple[int, Any]:
        body = body or {"phone": self.new, "reason": "The parent called."}
        key, headers = self.running.api_key, {"Idempotency-Key": once} if once else {}
        status, answer, _ = await asked(
            self.running, "POST", await self.address(), body=body, bearer=key, headers=headers
        )
        return status, answer

    async def form(self) -> tuple[str, dict[str, str]]:
        signer = (await self.address()).split("/")[-2]
        return f"/staff/contracts/{self.contract.id}/phone/{signer}", {"phone": self.new, "reason": "Rang us."}


async def parent(running: Running) -> Parent:
    made = Parent(running)
    await made.issue()
    return made


def change_of(page: str, someone: Parent) -> tuple[str, str]:
    """Return the id of the change, and the text of its card on the page."""
    (card,) = [each for each in page.split("<article") if str(someone.contract.id) in each]
    found = re.search(r"/staff/phone-changes/([0-9a-f-]{36})/", card)
    assert found
    return found[1], card.partition("</article>")[0]


def whole(phone: str) -> str:
    """A number as it is read: +86 190 0000 0001."""
    return f"{phone[:3]} {phone[3:6]} {phone[6:10]} {phone[10:]}"


async def shown_to(running: Running, someone: Parent) -> list[str]:
    """Who saw both numbers of the change."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.record.list_entries(someone.contract.id)
    return [each.actor for each in entries if each.facts.get("kind") == "phone-change"]


async def test_a_program_asks_and_staff_approve(running: Running) -> None:
    someone = await parent(running)
    status, answer = await someone.api(once="phone-1")
    assert status == 202 and answer["state"] == "waiting-for-approval" and set(answer) == {"state", "id"}
    assert await someone.api(once="phone-1") == (202, answer)
    status, refused = await someone.api()
    assert (status, refused["code"]) == (409, "phone-change-waiting")
    console = await console_of(running, "colleague")
    page = await console.get("/staff/phone-changes")
    assert "a program of the school" in page.words and "The parent called." in page.words
    assert someone.new not in page.text and someone.family.phone not in page.text and someone.new[-4:] in page.text
    assert "/approve" not in page.text  # before that the numbers are looked at
    looked = await console.get(f"/staff/phone-changes/{answer['id']}")
    assert whole(someone.new) in looked.words and whole(someone.family.phone) in looked.words
    assert f"/staff/phone-changes/{answer['id']}/approve" in looked.text
    done = await console.post(f"/staff/phone-changes/{answer['id']}/approve")
    assert (done.status, done.location) == (303, "/staff/phone-changes?said=phone-changed")
    assert await someone.on_file() == someone.new
    assert "合同" in await running.message("invitation", someone.new)


async def test_whoever_made_the_key_that_asks_is_not_offered_to_approve(running: Running) -> None:
    someone = await parent(running)
    maker = await console_of(running, "maker")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.accounts.find_by_login("maker")
    assert found
    key = await add_key(running.hub.services, "crm-of-maker", "hefei", found[0].actor)
    body = {"phone": someone.new, "reason": "The parent called."}
    status, answer, _ = await asked(running, "POST", await someone.address(), body=body, bearer=key)
    assert status == 202
    for path in ("/staff/phone-changes", f"/staff/phone-changes/{answer['id']}"):
        page = await maker.get(path)
        _, card = change_of(page.text, someone)
        assert "An API key that you made asked for it." in card and "/approve" not in card and "/turn-down" in card
    other = await (await console_of(running, "colleague")).get(f"/staff/phone-changes/{answer['id']}")
    assert "/approve" in other.text and "that you made" not in other.text


async def test_what_a_program_may_not_ask(running: Running) -> None:
    someone = await parent(running)
    for body, field in (
        ({"phone": "12", "reason": "x"}, "phone"),
        ({"phone": someone.family.phone, "reason": "x"}, "phone"),
        ({"phone": someone.new, "reason": " "}, "reason"),
        ({"phone": someone.new}, "reason"),
    ):
        status, answer = await someone.api(body)
        assert (status, answer["field"]) == (422, field)
    other = await parent(running)
    someone.contract, mine = other.contract, await someone.address()
    strange = mine.replace((mine.split("/"))[-2], "nobody")
    status, answer, _ = await asked(
        running, "POST", strange, body={"phone": other.new, "reason": "x"}, bearer=running.api_key
    )
    assert (status, answer["field"]) == (422, "signer")


async def test_whoever_asks_at_the_desk_cannot_approve(running: Running) -> None:
    someone = await parent(running)
    console, colleague = await console_of(running), await console_of(running, "colleague")
    contract = await console.get(f"/staff/contracts/{someone.contract.id}")
    path, form = await someone.form()
    assert path in contract.text
    wrong = await console.post(path, form | {"phone": "12"})
    assert wrong.status == 422 and "mobile number: This phone number does not exist." in wrong.words
    assert (await console.post(path, form)).location == "/staff/phone-changes?said=phone-asked"
    mine = await console.get("/staff/phone-changes")
    change, card = change_of(mine.text, someone)
    assert "Somebody else has to approve this." in card and "/approve" not in card
    refused = await console.post(f"/staff/phone-changes/{change}/approve")
    assert refused.status == 403 and "cannot be the second approver" in refused.words
    assert "a new phone number waits for approval" in (await colleague.get("/staff/tasks")).words
    theirs = await colleague.get("/staff/phone-changes")
    assert "See both full numbers and decide" in theirs.words and "Rang us." in theirs.words
    assert await shown_to(running, someone) == []
    for both in (console, colleague):
        looked = await both.get(f"/staff/phone-changes/{change}")
        assert whole(someone.new) in looked.words and whole(someone.family.phone) in looked.words
        assert ("Approve and change it" in looked.words) == (both is colleague)
        assert looked.headers["Cache-Control"] == "no-store"
    assert len(set(await shown_to(running, someone))) == 2
    assert (await console.get(f"/staff/phone-changes/{change}", site="cross-site")).status == 403
    abroad = await console_of(running, "elsewhere")
    assert change not in (await abroad.get("/staff/phone-changes")).text
    assert (await abroad.post(f"/staff/phone-changes/{change}/approve")).status == 404
    foreign = await abroad.get(f"/staff/phone-changes/{change}")
    assert foreign.status == 404 and foreign.words == (await abroad.get(f"/staff/phone-changes/{uuid4()}")).words
    assert len(await shown_to(running, someone)) == 2
    assert (await colleague.post(f"/staff/phone-changes/{change}/turn-down")).status == 303
    assert change not in (await console.get("/staff/phone-changes")).text
    over = await colleague.get(f"/staff/phone-changes/{change}")
    assert over.status == 409 and whole(someone.new) not in over.words
    assert await someone.on_file() == someone.family.phone
    told = (await console.get(f"/staff/contracts/{someone.contract.id}")).words
    assert "another phone number turned down" in told and "another phone number asked for" in told


async def test_the_person_confirms_with_the_old_phone(running: Running) -> None:
    someone = await parent(running)
    path, form = await someone.form()
    await (await console_of(running)).post(path, form)
    async with verified(running, someone.contract, **someone.visit) as client:
        with pytest.raises(ProtocolProblem) as refused:
            await client.change_phone(Family().phone)
        assert refused.value.code == "phone-change-waiting"
        secret = client.bearer
        status, answer, headers = await asked(
            running, "POST", "/sign/v1/phone", body={"phone": someone.new}, bearer=secret
        )
        assert (status, answer) == (202, {"state": "changed"}) and "__Host-qianda=" in headers["Set-Cookie"]
        assert (await asked(running, "GET", "/sign/v1/session", bearer=secret))[0] == 401
    assert await someone.on_file() == someone.new


async def test_the_person_asks_only_once_verified(running: Running) -> None:
    someone = await parent(running)
    async with opened(running, someone.contract) as client:
        with pytest.raises(ProtocolProblem) as refused:
            await client.change_phone(someone.new)
        assert refused.value.code == "not-verified"
    async with verified(running, someone.contract, **someone.visit) as client:
        assert await client.change_phone(someone.new) == "waiting-for-approval"
    page = await (await console_of(running)).get("/staff/phone-changes")
    assert "the person, with the code of the old phone" in page.words


async def test_the_page_says_that_strangers_share_a_number(running: Running) -> None:
    someone = await parent(running)
    for _ in range(2):
        other = Parent(running)
        child = NewStudent("王小明", "cn-id", cn_id("20130401"))
        await running.issue_minor(signers=(replace(other.signer, phone=someone.new),), student=child)
    path, form = await someone.form()
    await (await console_of(running)).post(path, form)
    page = await (await console_of(running, "colleague")).get("/staff/phone-changes")
    assert "they are not all of one family" in page.words
