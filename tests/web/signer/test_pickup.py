"""Opening by pickup code: whether it is right or wrong, all answers look the same until the code from the phone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from hub.lifecycle.signing.entry import pickup_codes
from hub.model.contract.contract import Contract
from hub.model.signing.link import DoorKind, derive_pickup_code
from hub.model.staff.scope import EVERYTHING
from qianda.client import SigningClient
from tests.lent_hubs import lent_hub
from tests.lifecycle.people import father
from tests.poster_visits import Family
from tests.running import Running
from tests.statements import noted_statements
from tests.web.signer_visits import asked, code_for

pytestmark = pytest.mark.asyncio(loop_scope="module")
Said = tuple[int, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        yield hub


class Parent:
    """A guardian that no other test uses, with something to sign."""

    def __init__(self, running: Running) -> None:
        self.running, self.family = running, Family()

    async def issue(self) -> Contract:
        signer = replace(father(), phone=self.family.phone, id_number=self.family.parent_id)
        self.contract = await self.running.issue_minor(signers=(signer,))
        return self.contract

    async def code(self) -> str:
        """Return the pickup code, as the message contains it."""
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            (signer,) = await tx.contracts.list_signers(self.contract.id)
            link = await tx.links.get_for_door(signer, DoorKind.SMS, tx.now)
        return derive_pickup_code(self.running.hub.services.signing.keys.link, link.id, link.generation)

    async def wrong(self) -> str:
        return f"{(int(await self.code()) + 1) % 10**6:06d}"


async def parent(running: Running) -> Parent:
    made = Parent(running)
    await made.issue()
    return made


async def said(running: Running, path: str, body: Any, bearer: str | None = None, method: str = "POST") -> Said:
    status, answer, _ = await asked(running, method, f"/sign/v1/{path}", body=body, bearer=bearer)
    return status, answer


def shape(answer: Said) -> tuple[int, Any]:
    """Return an answer without its random parts: secrets are replaced by their length, problem codes are kept."""
    status, body = answer
    if not isinstance(body, dict):
        return status, body
    return status, {name: len(value) if name in ("session", "key_challenge") else value for name, value in body.items()}


async def conversation(running: Running, phone: str, pickup: str) -> list[tuple[int, Any]]:
    """Try everything that a guesser can try. Return the answers."""
    opened = await said(running, "open", {"pickup_code": pickup, "phone": phone})
    secret = opened[1]["session"]
    wrong = {"code": "000000", "name": "陈建国", "id_tail": "0019"}
    heard = [opened, await said(running, "session", None, secret, "GET")]
    for path, body in (
        ("code", {}),
        ("code", {}),
        ("verify", wrong),
        ("verify", {"code": "000000"}),
        ("question", {"kind": "question", "text": "?"}),
        ("question", {"kind": "else", "text": "?"}),
        ("decline", {"reason": "no"}),
        ("phone", {"phone": "+8619000000777"}),
        ("prepare", {"document_sha256": "0" * 64, "consent": {"version": "1", "sha256": "0" * 64}}),
        ("signature", {"request": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "signature": "AAAA"}),
        ("refused", {"request": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "reason": "?"}),
        ("key", {"spki": "AAAA", "proof": "AAAA", "custody": "browser"}),
        (
            "enrol",
            {
                "course": "x",
                "student": {"name": "x", "id_number": "x"},
                "signers": [{"role": "guardian", "name": "x", "phone": phone, "id_number": "x"}],
            },
        ),
    ):
        heard.append(await said(running, path, body, secret))
    for path in (
        "contract",
        "document.pdf",
        "text",
        "pages/1.png",
        "prepared/" + "0" * 8 + "-0000-0000-0000-" + "0" * 12,
    ):
        heard.append(await said(running, path, None, secret, "GET"))
    for path in ("/sign/contract", "/sign/done", "/s"):
        status, body, _ = await asked(running, "GET", path, headers={"Cookie": f"__Host-qianda={secret}"})
        heard.append((status, body))
    heard += [await said(running, "verify", wrong, secret) for _ in range(10)]
    heard.append(await said(running, "code", {}, secret))
    return [shape(each) for each in heard]


@pytest.mark.real
async def test_right_wrong_and_unknown_hear_the_same(running: Running) -> None:
    running.clock.advance_to_noon()
    one, other, nobody = await parent(running), await parent(running), Family()
    # At the same time, since each answer takes a quarter of a second on purpose.
    right, wrong, unknown = await asyncio.gather(
        conversation(running, one.family.phone, await one.code()),
        conversation(running, other.family.phone, await other.wrong()),
        conversation(running, nobody.phone, "123456"),
    )
    for number, (first, second, third) in enumerate(zip(right, wrong, unknown, strict=True)):
        assert first[0] == second[0] == third[0], number
        assert _timeless(first) == _timeless(second) == _timeless(third), number
    opened = right[0]
    assert opened[0] == 200 and set(opened[1]) == {"session", "key_challenge", "school", "campus"}
    assert opened[1]["campus"] is None
    assert [right[number][0] for number in (2, 3, 4)] == [202, 429, 403]
    assert right[-1][1]["code"] == "locked"
    assert len([each for each in await running.messages(one.family.phone) if each["purpose"] == "code"]) == 1
    for phone in (other.family.phone, nobody.phone):
        assert [each for each in await running.messages(phone) if each["purpose"] == "code"] == []


def _timeless(heard: tuple[int, Any]) -> Any:
    if isinstance(heard[1], dict) and "detail" in heard[1]:
        return {name: heard[1].get(name) for name in ("code", "status", "title", "field", "retry")}
    return heard[1]


async def test_open_does_the_same_work_either_way(running: Running) -> None:
    """The same statements reach the database in the same order, except for the table of the session."""
    someone = await parent(running)
    said_by: list[list[str]] = []
    for code in (await someone.code(), await someone.wrong()):
        said_by.append(await _asked_alone(running, code, someone.family.phone))
    right, wrong = said_by
    assert len(right) == len(wrong)
    assert [each for each in right if "signing_session" not in each] == [
        each for each in wrong if "INSERT INTO visitor" not in each
    ]


async def _asked_alone(running: Running, code: str, phone: str) -> list[str]:
    """Open by pickup code. Return the statements of this task alone, without those of the worker."""
    mine, asked = asyncio.current_task(), list[str]()

    def note(statement: str) -> None:
        if asyncio.current_task() is mine:
            asked.append(statement.split(" (", maxsplit=1)[0][:60])

    with noted_statements(running.hub.database, note):
        assert (await pickup_codes.open_pickup(running.hub.services, code, phone)).secret
    return asked


async def test_from_the_pickup_code_to_the_signature(running: Running) -> None:
    someone = await parent(running)
    async with SigningClient(running.origin) as client:
        await client.open_pickup(f" {await someone.code()} ", someone.family.phone.removeprefix("+86"))
        await client.code()
        marked = client.bearer
        contracts = await client.verify(
            await code_for(running, someone.family.phone), someone.family.parent, someone.family.parent_id[-4:]
        )
        assert [each["id"] for each in contracts] == [str(someone.contract.id)] and client.bearer != marked
        assert (await client.session())["campus"] == "合肥校区"
        assert (await client.sign()).state == "SIGNED"
    await running.completed(someone.contract)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (task,) = await tx.tasks.list_of_contract(someone.contract.id)
    assert task.opened_through == "sms"
    # Nothing is left to sign: the same code is not right any more. The answer does not say so, and the budget is
    # unchanged.
    status, answer = await said(running, "open", {"pickup_code": await someone.code(), "phone": someone.family.phone})
    assert status == 200 and (await said(running, "code", {}, answer["session"]))[0] == 429


async def test_a_guess_on_the_side_does_not_tell_by_its_budget(running: Running) -> None:
    """Two sessions for one phone: a code sent in one counts in the other, whichever of them is the right one."""
    for first_right in (True, False):
        someone = await parent(running)
        codes = [await someone.code(), await someone.wrong()]
        secrets = []
        for code in codes if first_right else reversed(codes):
            _, answer = await said(running, "open", {"pickup_code": code, "phone": someone.family.phone})
            secrets.append(answer["session"])
        assert [(await said(running, "code", {}, secret))[0] for secret in secrets] == [202, 429]


@pytest.mark.real
async def test_ten_tries_a_day_right_or_wrong_until_the_phone_is_proved(running: Running) -> None:
    running.clock.advance_to_noon()
    someone, other = await parent(running), await parent(running)
    for number in range(10):
        body = {
            "pickup_code": await (someone.code() if number == 4 else someone.wrong()),
            "phone": someone.family.phone,
        }
        assert (await said(running, "open", body))[0] == 200
    for code in (await someone.code(), await someone.wrong()):
        status, answer = await said(running, "open", {"pickup_code": code, "phone": someone.family.phone})
        assert (status, answer["code"]) == (429, "locked")
    async with SigningClient(running.origin) as client:  # through another door: nobody can lock another person out
        await client.open(await running.ticket(someone.contract))
        await client.code()
        family = someone.family
        await client.verify(await code_for(running, family.phone), family.parent, family.parent_id[-4:])
    body = {"pickup_code": await someone.code(), "phone": someone.family.phone}
    assert (await said(running, "open", body))[0] == 200
    assert (await said(running, "open", body | {"phone": other.family.phone}))[0] == 200


async def test_wrong_answers_at_this_door_do_not_lock_the_others(running: Running) -> None:
    running.clock.advance_to_noon()
    someone = await parent(running)
    _, answer = await said(running, "open", {"pickup_code": await someone.wrong(), "phone": someone.family.phone})
    wrong = {"code": "000000", "name": "x", "id_tail": "0000"}
    assert [(await said(running, "verify", wrong, answer["session"]))[0] for _ in range(11)] == [403] * 10 + [429]
    async with SigningClient(running.origin) as client:
        await client.open(await running.ticket(someone.contract))
        await client.code()


async def test_what_can_be_no_pickup_code_or_number(running: Running) -> None:
    for body, field in (
        ({"pickup_code": "12345", "phone": "+8619000000101"}, "pickup_code"),
        ({"pickup_code": "12345a", "phone": "+8619000000101"}, "pickup_code"),
        ({"pickup_code": "123456", "phone": "0551-62345678"}, "phone"),
    ):
        status, answer = await said(running, "open", body)
        assert (status, answer["field"]) == (422, field)


async def test_a_visitors_session_ends_with_time(running: Running) -> None:
    nobody = Family()
    _, answer = await said(running, "open", {"pickup_code": "123456", "phone": nobody.phone})
    running.clock.advance(timedelta(hours=2))
    for path, body in (
        ("code", {}),
        ("verify", {"code": "1", "name": "x", "id_tail": "1"}),
        ("question", {"text": ""}),
    ):
        assert (await said(running, path, body, answer["session"]))[0] == 401
    assert (await said(running, "session", None, answer["session"], "GET"))[0] == 401


async def test_one_field_takes_both_kinds_of_code(running: Running) -> None:
    status, body, headers = await asked(running, "GET", "/s")
    assert status == 200 and body.count('name="code" value') == 1 and "Set-Cookie" not in headers
    assert (await asked(running, "GET", "/s?code=4J8Q-2X7M-3K9TB"))[2]["Location"] == "/s/4J8Q2X7M3K9TB"
    assert "data-opened" not in body
    assert 'role="alert">此' not in body and 'aria-invalid="true" autofocus' not in body
    wrong = (await asked(running, "GET", "/s?code=12"))[1]
    assert 'value="12"' in wrong and 'aria-invalid="true" autofocus' in wrong
    short = (await asked(running, "GET", "/s?code=123 456"))[1]
    assert 'value="123 456"' in short and 'aria-invalid="true" autofocus' not in short
