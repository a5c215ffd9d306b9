"""Pairing in the protocol: a code can be used once and not for long, and nothing is signed before the page confirms."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from hub.lifecycle.contract.end import void
from hub.model.signing.pairing import PAIRING_LIFE, make_pairing_code, normalise_pairing_code
from hub.model.signing.session import SESSION_LIFE
from hub.model.staff.scope import EVERYTHING
from qianda.client import SigningClient
from qianda.holder import SoftwareKey
from qianda.wire import ProtocolProblem
from tests.lifecycle.clockwork import waiting
from tests.running import Running, running_hub, until
from tests.web.signer_visits import asked, opened, verified

pytestmark = pytest.mark.custody


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with running_hub() as hub:
        yield hub


async def refusal(call: Any) -> tuple[int, str]:
    with pytest.raises(ProtocolProblem) as refused:
        await call
    return refused.value.status, refused.value.code


def test_a_code_is_read_as_people_type_it() -> None:
    code = make_pairing_code(bytes(range(9)))
    assert len(code) == 8 and normalise_pairing_code(f" {code[:4].lower()}-{code[4:]} ") == code
    assert normalise_pairing_code("O1I20000") == "01120000"
    assert normalise_pairing_code("0000000") is None and normalise_pairing_code("0000000U") is None


async def test_nothing_is_signed_before_the_page_confirms(running: Running) -> None:
    contract = await running.issue_minor()
    async with verified(running, contract) as page, SigningClient(running.origin) as program:
        assert (await refusal(page.pairing()))[1] == "pairing-not-valid"
        code = (await page.pair())["code"]
        assert (await page.pairing())["state"] == "WAITING"
        claimed = await program.claim(f"{code[:4]} {code[4:]}".lower())
        assert (claimed["contract"], claimed["origin"]) == (str(contract.id), running.origin)
        assert claimed["session"] != page.bearer
        holder = SoftwareKey()
        await program.key(holder)
        seen = await program.contract()
        assert await refusal(program.prepare(seen)) == (409, "not-confirmed")
        standing = await page.pairing()
        assert standing["state"] == "CERTIFIED" and standing["certificate"]["name"] == "陈建国"
        assert await refusal(page.confirm_pairing("0" * 64)) == (409, "not-confirmed")
        assert await refusal(program.confirm_pairing(standing["certificate"]["sha256"])) == (403, "not-for-agents")
        await page.confirm_pairing(standing["certificate"]["sha256"])
        await program.session()  # a new challenge
        other = SoftwareKey()
        await program.key(other)  # another certificate than the confirmed one
        assert (await page.pairing())["state"] == "CERTIFIED"
        assert await refusal(program.prepare(seen)) == (409, "not-confirmed")
        await page.confirm_pairing((await page.pairing())["certificate"]["sha256"])
        assert (await program.sign(other)).state == "SIGNED"
        assert (await page.pairing())["task"] == "SIGNED"
    await running.completed(contract)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.record.list_entries(contract.id)
    kinds = [entry.kind for entry in entries if entry.kind.startswith("agent")]
    assert kinds == ["agent-paired", "agent-confirmed", "agent-confirmed"]


async def test_the_program_may_do_nothing_but_sign(running: Running) -> None:
    contract = await running.issue_minor()
    async with verified(running, contract) as page, SigningClient(running.origin) as program:
        await program.claim((await page.pair())["code"])
        assert hashlib.sha256(await program.document()).hexdigest() == contract.document
        closed = [
            program.decline("no"),
            program.question("?"),
            program.pair(),
            program.end_pairing(),
            program.text(),
            program.page(1),
            program.final(),
            program.code(),
            program.verify("123456", "x", "0000"),
        ]
        for call in closed:
            assert await refusal(call) == (403, "not-for-agents")
        status, _, _ = await asked(running, "GET", f"/sign/contract?id={contract.id}", bearer=program.bearer)
        assert status == 403
        assert (await page.session())["verified"]  # the page's own session goes on
        await page.end_pairing()
        assert await refusal(program.contract()) == (401, "session-not-valid")
        assert (await page.pairing())["state"] == "ENDED"


async def test_a_code_serves_once_the_newest_alone_and_five_minutes(running: Running) -> None:
    contract = await running.issue_minor()
    async with (
        verified(running, contract) as page,
        SigningClient(running.origin) as one,
        SigningClient(running.origin) as other,
    ):
        code = (await page.pair())["code"]
        answers = await asyncio.gather(one.claim(code), other.claim(code), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, ProtocolProblem)]
        assert [(each.status, each.code) for each in refused] == [(404, "pairing-not-valid")]
        winner = one if isinstance(answers[0], dict) else other
        first = (await page.pair())["code"]
        assert await refusal(winner.contract()) == (401, "session-not-valid")  # a new code ends the earlier program
        second = (await page.pair())["code"]
        said = [await refusal(one.claim(text)) for text in (first, code, "00000000", "?", "")]
        assert set(said) == {(404, "pairing-not-valid")}
        running.clock.advance(PAIRING_LIFE)
        assert await refusal(one.claim(second)) == (404, "pairing-not-valid")
        assert (await page.pairing())["state"] == "ENDED"
        third = (await page.pair())["code"]
        running.clock.advance(SESSION_LIFE - timedelta(minutes=6))
        assert await refusal(one.claim(third)) == (404, "pairing-not-valid")


async def test_only_a_verified_visit_pairs(running: Running) -> None:
    contract = await running.issue_minor()
    async with opened(running, contract) as page:
        assert await refusal(page.pair()) == (403, "not-verified")
    status, body, _ = await asked(running, "POST", "/sign/v1/pair", body={})
    assert (status, body["code"]) == (401, "session-not-valid")


async def test_what_is_said_twice_is_recorded_once(running: Running) -> None:
    """So that nobody fills the record of a contract that others have to read."""
    contract = await running.issue_minor()
    async with verified(running, contract) as page, SigningClient(running.origin) as program:
        await program.claim((await page.pair())["code"])
        await program.key(SoftwareKey())
        sha256 = (await page.pairing())["certificate"]["sha256"]
        for _ in range(2):
            await page.confirm_pairing(sha256)
        for _ in range(2):
            await page.end_pairing()
        assert await refusal(page.confirm_pairing(sha256)) == (404, "pairing-not-valid")
        await program.claim((await page.pair())["code"])
        await program.key(SoftwareKey())
        sha256 = (await page.pairing())["certificate"]["sha256"]
        await void(running.hub.services, EVERYTHING, contract.id, "because", "test")
        assert (await refusal(page.confirm_pairing(sha256)))[0] == 409
    async with running.hub.database.transaction(EVERYTHING) as tx:
        kinds = [entry.kind for entry in await tx.record.list_entries(contract.id)]
    said = [kind for kind in kinds if kind.startswith("agent")]
    assert said == ["agent-paired", "agent-confirmed", "agent-ended", "agent-paired"]


async def test_no_program_comes_in_while_the_sessions_of_its_person_end(running: Running) -> None:
    """As they do when the phone number changes: the old phone may be in the hands of somebody else."""
    contract = await running.issue_minor()
    async with verified(running, contract) as page, SigningClient(running.origin) as program:
        code = (await page.pair())["code"]
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (signer,) = await tx.contracts.list_signers(contract.id)
            await tx.sessions.end_all([signer.id])
            claiming = asyncio.create_task(refusal(program.claim(code)))
            await until(lambda: waits_or_ends(running, claiming))
        assert await claiming == (404, "pairing-not-valid")


async def waits_or_ends(running: Running, task: asyncio.Task[Any]) -> bool:
    return task.done() or await waiting(running, 1)
