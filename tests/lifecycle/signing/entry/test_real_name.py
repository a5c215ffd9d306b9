"""A provider is asked whether name and document on file are true: what follows from yes, no and no answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from sqlalchemy import text

from hub.errors import IdentityUnavailable, TooSoon, WrongAnswer
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.signing.entry.identity_provider_check import CHECKS_AN_HOUR
from hub.model.contract.signer import Role
from hub.model.staff.scope import EVERYTHING
from tests.identity.aliyun_double import AliyunIdentityDouble
from tests.lifecycle.signer import Person, person, staff_tasks, wrong_code
from tests.running import GUARDIAN_ID, Running, running_hub

pytestmark = [pytest.mark.custody, pytest.mark.asyncio(loop_scope="module")]
NAME = "陈建国"


def away() -> web.Response:
    return web.json_response({"Code": "402"})


@dataclass
class School:
    running: Running
    double: AliyunIdentityDouble
    numbers: Iterator[int] = field(default_factory=lambda: count(10))

    async def visitor(self, name: str = NAME, id_type: str = "cn-id") -> Person:
        """Return a signer at the page that asks for code, name and document. Each has a document of their own."""
        number = next(self.numbers)
        document = valid(f"340104198501010{number}") if id_type == "cn-id" else f"E12345{number}"
        signer = NewSigner(Role.GUARDIAN, name, f"+86190000003{number}", document, id_type, relation="父亲")
        contract = await self.running.issue_minor(signers=(signer,))
        somebody = await person(self.running, contract)
        await somebody.land()
        return somebody

    def knows(self, visitor: Person) -> None:
        self.double.people[visitor.signer.name, visitor.signer.id_number] = visitor.signer.phone.removeprefix("+86")

    async def checks(self, visitor: Person) -> list[tuple[Any, ...]]:
        columns = "provider, method, result, reference"
        statement = f"SELECT {columns} FROM identity_check WHERE contract = :contract ORDER BY at"
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            rows = await tx.connection.execute(text(statement), {"contract": visitor.contract.id})
            return [tuple(row) for row in rows]

    async def attempts(self, visitor: Person) -> list[str]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            rows = await tx.signatures.list_attempts(visitor.contract.id)
        return [row["state"] for row in rows if row["kind"] == "identity"]

    async def record(self, visitor: Person, kind: str) -> dict[str, Any]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            entries = [each for each in await tx.record.list_entries(visitor.contract.id) if each.kind == kind]
        return dict(entries[-1].facts)

    async def wrong_answers(self, visitor: Person) -> int:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return await tx.sessions.count_wrong_answers(visitor.signer.person, visitor.contract.created_at)


def valid(first: str) -> str:
    """Return a document number with its check digit (GB 11643)."""
    weights = [2 ** (17 - place) % 11 for place in range(17)]
    rest = sum(int(digit) * weight for digit, weight in zip(first, weights, strict=True)) % 11
    return first + "10X98765432"[rest]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[School]:
    assert valid(GUARDIAN_ID[:17]) == GUARDIAN_ID
    async with AliyunIdentityDouble({}).serving() as double:
        configured = {"identity": "aliyun", "identities": {"aliyun": double.options(factors=3)}}
        async with running_hub(with_web=False, with_worker=False, configured=configured) as running:
            yield School(running, double)


@pytest.fixture
def school(hub: School) -> School:
    hub.double.spoil = None
    hub.double.asked.clear()
    return hub


METHOD = "name, number of the ID card and mobile number"


async def test_yes_is_recorded_with_the_providers_id_and_without_what_was_asked(school: School) -> None:
    visitor = await school.visitor()
    school.knows(visitor)
    verified = await visitor.verify(await visitor.ask_code())
    assert [contract.id for contract, _ in verified.contracts] == [visitor.contract.id]
    assert await school.checks(visitor) == [("aliyun", METHOD, "matched", "R-1")]
    record = await school.record(visitor, "identity-checked")
    assert (record["provider"], record["request_id"], record["result"]) == ("aliyun", "R-1", "matched")
    assert visitor.signer.id_number not in json.dumps(record, ensure_ascii=False)
    assert await school.attempts(visitor) == ["done"]


async def test_nobody_is_asked_before_code_and_answers_are_right(school: School) -> None:
    visitor = await school.visitor()
    school.knows(visitor)
    code = await visitor.ask_code()
    for wrong in ({"code": wrong_code(code)}, {"code": code, "name": "陈建军"}, {"code": code, "tail": "0000"}):
        with pytest.raises(WrongAnswer):
            await visitor.verify(**wrong)
    assert school.double.asked == [] and await school.attempts(visitor) == []


async def test_no_is_a_wrong_answer_and_staff_have_to_look(school: School) -> None:
    visitor = await school.visitor()
    code = await visitor.ask_code()
    with pytest.raises(WrongAnswer):
        await visitor.verify(code)
    assert await school.checks(visitor) == [("aliyun", METHOD, "not-matched", "R-1")]
    assert (await school.record(visitor, "identity-refused"))["request_id"] == "R-1"
    assert await school.wrong_answers(visitor) == 1
    assert "identity-refused" in await staff_tasks(school.running, visitor.contract.id)


async def test_no_answer_is_nobodys_wrong_answer_and_the_code_still_counts(school: School) -> None:
    visitor = await school.visitor()
    school.knows(visitor)
    code = await visitor.ask_code()
    school.double.spoil = away
    with pytest.raises(IdentityUnavailable):
        await visitor.verify(code)
    assert await school.wrong_answers(visitor) == 0 and await school.checks(visitor) == []
    school.double.spoil = None
    await visitor.verify(code)
    assert await school.attempts(visitor) == ["failed", "done"]
    async with school.running.hub.database.transaction(EVERYTHING) as tx:
        kinds = [alert.kind for alert in await tx.alerts.list_recent(EVERYTHING, tx.now)]
    assert kinds == ["identity-away"]


async def test_questions_about_one_person_are_few(school: School) -> None:
    clock = school.running.clock
    clock.advance(timedelta(minutes=60 - clock().minute))  # they are counted by the hour
    visitor = await school.visitor()
    code = await visitor.ask_code()
    for _ in range(CHECKS_AN_HOUR):
        with pytest.raises(WrongAnswer):
            await visitor.verify(code)
    clock.advance(timedelta(seconds=61))
    code = await visitor.ask_code()  # the first code has had its five tries
    with pytest.raises(TooSoon) as raised:
        await visitor.verify(code)
    assert raised.value.retry_after is not None
    assert len(school.double.asked) == CHECKS_AN_HOUR


async def test_a_provider_that_is_away_uses_up_nobodys_budget(school: School) -> None:
    visitor = await school.visitor()
    school.knows(visitor)
    code = await visitor.ask_code()
    school.double.spoil = away
    for _ in range(CHECKS_AN_HOUR + 1):
        with pytest.raises(IdentityUnavailable):
            await visitor.verify(code)
    school.double.spoil = None
    await visitor.verify(code)


async def test_who_has_a_document_that_the_provider_does_not_know_is_identified_by_the_roster(school: School) -> None:
    visitor = await school.visitor("Ann Lee", "passport")
    await visitor.verify(await visitor.ask_code())
    ((provider, _, result, reference),) = await school.checks(visitor)
    assert (provider, result, reference) == ("roster", "matched", None)
    assert school.double.asked == []
