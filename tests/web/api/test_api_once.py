"""The same Idempotency-Key means one act and one answer, whichever commit of the request the database loses."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from hub.errors import DatabaseUnavailable, TooSoon
from hub.lifecycle.sealing.seals.manage_seals import list_seals
from hub.lifecycle.staff.api_keys import add_key
from hub.model.contract.contract import Contract
from hub.model.staff.key_scopes import ALL_SCOPES, KeyTerms
from hub.model.staff.scope import EVERYTHING
from hub.store.staff.idempotency import ReservedKey
from tests.commits import before_commits
from tests.lifecycle.clockwork import waiting
from tests.running import Running, until
from tests.web.api.test_api_contracts import CONTRACTS, asked as issued_by_api
from tests.web.signer_visits import asked

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The status of the answer, and the kind of the record entry.
ACTS = {
    "links": (200, "link-handed-out"),
    "remind": (200, "reminded-by-hand"),
    "void": (200, "voided"),
    "extend": (200, "deadline-moved"),
    "reissue": (201, "replaced"),
}


class Outage:
    """The database fails before a commit: for that commit only, or until the process would have been restarted."""

    def __init__(self, after: int, *, lasting: bool) -> None:
        self._after, self._lasting, self.asked, self.happened = after, lasting, 0, False

    @contextmanager
    def of(self, running: Running) -> Iterator[None]:
        with before_commits(running.hub.database, self._before_commit):
            yield

    async def _before_commit(self, number: int) -> None:
        self.asked = number
        if number == self._after or (self._lasting and number > self._after):
            self.happened = True
            raise DatabaseUnavailable("lost")


async def body_of(running: Running, act: str, contract: Contract) -> dict[str, Any]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
    later = running.clock() + timedelta(days=60)
    return {
        "links": {"signer": str(signer.id), "door": "qr"},
        "void": {"reason": "wrong course"},
        "extend": {"deadline": later.isoformat()},
    }.get(act, {})


async def post(
    running: Running, contract: Contract, act: str, body: Mapping[str, Any], key: str
) -> tuple[int, Any, Mapping[str, str]]:
    path, headers = f"/api/v1/contracts/{contract.id}/{act}", {"Idempotency-Key": key}
    return await asked(running, "POST", path, body=body, bearer=running.api_key, headers=headers)


async def recorded(running: Running, contract: Contract) -> Counter[str]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return Counter(entry.kind for entry in await tx.record.list_entries(contract.id))


@pytest.mark.parametrize("lasting", [False, True], ids=["blip", "crash"])
@pytest.mark.parametrize("act", list(ACTS))
async def test_whatever_is_lost_the_same_key_is_one_act(running: Running, act: str, lasting: bool) -> None:
    status, kind = ACTS[act]
    for after in count(1):
        running.clock.advance(timedelta(minutes=31))  # a person may be reminded again
        contract, key = await running.issue_minor(), f"{act}-{uuid4()}"
        body, outage = await body_of(running, act, contract), Outage(after, lasting=lasting)
        with outage.of(running):
            first = await post(running, contract, act, body, key)
        if not outage.happened:
            break
        assert first[0] == 503
        running.clock.advance(timedelta(seconds=121))  # the request that holds the key counts as dead
        again = await post(running, contract, act, body, key)
        assert again[0] == status, (after, again[1])
        assert (await recorded(running, contract))[kind] == 1, after
        assert (await post(running, contract, act, body, key))[1] == again[1]
    assert first[0] == status and after > 3


@pytest.mark.parametrize("act", list(ACTS))
async def test_the_first_answer_is_given_again_when_the_contract_has_ended_since(running: Running, act: str) -> None:
    running.clock.advance(timedelta(minutes=31))
    undisturbed, contract = Outage(0, lasting=False), await running.issue_minor()
    body = await body_of(running, act, contract)
    with undisturbed.of(running):
        await post(running, contract, act, body, f"{act}-{uuid4()}")
    running.clock.advance(timedelta(minutes=31))
    contract, key = await running.issue_minor(), f"{act}-{uuid4()}"
    body = await body_of(running, act, contract)
    with Outage(undisturbed.asked, lasting=False).of(running):  # the act is done, its answer gets lost
        assert (await post(running, contract, act, body, key))[0] == 503
    await post(running, contract, "void", {"reason": "wrong course"}, f"void-{uuid4()}")
    status, answer, headers = await post(running, contract, act, body, key)
    assert (status, headers.get("Idempotent-Replayed")) == (ACTS[act][0], "true"), answer
    await check(running, contract, act, answer)


@pytest.mark.parametrize("act", ["suspend", "revoke"])
async def test_an_act_on_a_seal_keeps_its_answer_as_well(running: Running, act: str) -> None:
    """A repetition without a key is refused: the seal is suspended, the grant is revoked."""
    services = running.hub.services
    (seal, *_) = await list_seals(services, EVERYTHING)
    secret = await add_key(services, f"seals-{uuid4().hex[:8]}", "hq", "test", KeyTerms(ALL_SCOPES))

    async def send(path: str, key: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any, Mapping[str, str]]:
        headers = {"Idempotency-Key": key}
        return await asked(
            running, "POST", f"/api/v1/seals/{seal.id}/{path}", body=body, bearer=secret, headers=headers
        )

    async def path_of_act() -> str:
        if act == "suspend":
            return act
        grant = {"grantee_kind": "contracts", "campus": "hefei", "templates": ["course"]}
        status, given, _ = await send("grants", str(uuid4()), grant)
        assert status == 201, given
        return f"grants/{given['id']}/revoke"

    undisturbed, key = Outage(0, lasting=False), str(uuid4())
    path = await path_of_act()
    with undisturbed.of(running):
        assert (await send(path, key))[0] == 200
    assert (await send(path, str(uuid4())))[0] in (404, 409)
    if act == "suspend":
        assert (await send("resume", str(uuid4())))[0] == 200
    path, key = await path_of_act(), str(uuid4())
    with Outage(undisturbed.asked, lasting=False).of(running):  # the act is done, its answer gets lost
        assert (await send(path, key))[0] == 503
    status, answer, headers = await send(path, key)
    if act == "suspend":
        assert (await send("resume", str(uuid4())))[0] == 200
    assert (status, headers.get("Idempotent-Replayed")) == (200, "true"), answer


async def check(running: Running, contract: Contract, act: str, answer: Any) -> None:
    """Check that the answer describes what exists: the one new contract, the one message, the contract as it was
    then."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        reminders = [each for each in await tx.deliveries.list_of_contract(contract.id) if each.purpose == "reminder"]
        now = await tx.contracts.get(contract.id)
    if act == "reissue":
        assert answer["id"] == str(now.replaced_by)
    if act == "remind":
        assert [each["signer"] for each in answer["deliveries"]] == [str(each.signer) for each in reminders]
        assert len(reminders) == 1
    if act == "extend":
        assert answer["state"] == "ISSUED" and datetime.fromisoformat(answer["deadline"]) == now.deadline


async def test_a_key_that_is_given_up_while_it_is_looked_up_is_no_error_of_ours(running: Running) -> None:
    """The first request fails for a while, and forgets its key, between two statements of its repetition."""
    database, owner, key = running.hub.database, uuid4(), str(uuid4())
    async with database.transaction(EVERYTHING) as tx:
        assert await tx.idempotency.find_answer(owner, key, b"1", tx.now) is None
        first = ReservedKey(owner, key, tx.now)
    async with database.transaction(EVERYTHING) as tx:
        looked_up = tx.connection.execute

        async def forgotten_meanwhile(statement: Any, *values: Any) -> Any:
            found = await looked_up(statement, *values)
            if "INSERT" in str(statement):
                async with database.transaction(EVERYTHING) as other:
                    await other.idempotency.forget_request(first)
            return found

        tx.connection.execute = forgotten_meanwhile  # type: ignore[assignment,method-assign]
        with pytest.raises(TooSoon, match="has just failed"):
            await tx.idempotency.find_answer(owner, key, b"1", tx.now)


async def test_a_request_that_hung_for_minutes_does_not_act_beside_its_repetition(running: Running) -> None:
    """It is not dead, but its key was taken over: only the repetition issues a contract, and keeps its key."""
    database, body = running.hub.database, issued_by_api(send="none")
    headers = {"Authorization": f"Bearer {running.api_key}", "Idempotency-Key": str(uuid4())}
    count_all = text("SELECT count(*) FROM contract")

    async def issue() -> tuple[int, str]:
        async with running.http.post(running.origin + CONTRACTS, json=body, headers=headers) as answer:
            return answer.status, (await answer.json(content_type=None)).get("id", "")

    async with database.transaction(EVERYTHING) as tx:
        before = await tx.connection.scalar(count_all)
        await tx.connection.execute(text("LOCK TABLE contract_number IN SHARE MODE"))
        hung = asyncio.create_task(issue())
        await until(lambda: waiting(running, 1))
        running.clock.advance(timedelta(minutes=3))
        repeated = asyncio.create_task(issue())
        await until(lambda: waiting(running, 2))
    answers = {await hung, await repeated}
    assert {status for status, _ in answers} == {201, 429}
    (issued,) = [contract for status, contract in answers if status == 201]
    assert await issue() == (201, issued)
    async with database.transaction(EVERYTHING) as tx:
        assert await tx.connection.scalar(count_all) == before + 1


async def test_a_key_is_that_of_one_request_of_one_client_for_a_day(running: Running) -> None:
    """The same body to another contract is another request, and the same key of another client is another key."""
    key, body = str(uuid4()), {"reason": "wrong course"}
    one, other = await running.issue_minor(), await running.issue_minor()
    voided = await post(running, one, "void", body, key)
    status, problem, _ = await post(running, other, "void", body, key)
    assert (status, problem["code"]) == (422, "idempotency-mismatch")
    path, headers = f"/api/v1/contracts/{other.id}/void", {"Idempotency-Key": key}
    secret = await add_key(running.hub.services, f"client-{uuid4().hex[:8]}", "hq", "test")
    for is_repeated in (False, True):
        status, answer, given = await asked(running, "POST", path, body=body, bearer=secret, headers=headers)
        assert (status, answer["id"], "Idempotent-Replayed" in given) == (200, str(other.id), is_repeated)
        path_read = path.removesuffix("/void")  # what is read is never kept
        read = await asked(running, "GET", path_read, bearer=secret, headers={"Idempotency-Key": "read"})
        assert read[0] == 200 and "Idempotent-Replayed" not in read[2]
    running.clock.advance(timedelta(hours=23))
    status, answer, given = await post(running, one, "void", body, key)
    assert (status, answer, "Idempotent-Replayed" in given) == (*voided[:2], True)
    running.clock.advance(timedelta(hours=1, seconds=1))
    assert "Idempotent-Replayed" not in (await post(running, one, "void", body, key))[2]


async def test_of_two_who_find_an_abandoned_key_one_acts(running: Running) -> None:
    database, owner, sought = running.hub.database, uuid4(), (str(uuid4()), bytes(32))

    async def find(after: timedelta) -> object:
        async with database.transaction(EVERYTHING) as tx:
            return await tx.idempotency.find_answer(owner, *sought, tx.now + after)

    assert await find(timedelta(0)) is None
    async with database.transaction(EVERYTHING) as tx:
        later = timedelta(minutes=3)
        assert await tx.idempotency.find_answer(owner, *sought, tx.now + later) is None
        second = asyncio.create_task(find(later + timedelta(seconds=1)))
        await until(lambda: waiting(running, 1))
    with pytest.raises(TooSoon, match="the first request with this key is still running"):
        await second
