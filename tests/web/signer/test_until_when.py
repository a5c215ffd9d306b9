"""Whoever has to wait is told until when, in their own time zone and language and in Retry-After; staff too."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.signing.entry import pickup_codes
from hub.model.contract.signer import Role
from hub.model.signing.link import DoorKind, derive_pickup_code
from hub.model.staff.scope import EVERYTHING
from tests.lent_hubs import lent_hub
from tests.lifecycle.clockwork import MORNING, StandingClock
from tests.running import GUARDIAN_PHONE, Running
from tests.web.signer_visits import asked, opened, without_id
from tests.web.staff_visit import console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

HALF_PAST = MORNING + timedelta(minutes=30)  # 10:30 at the campus


def another(number: int) -> NewSigner:
    return NewSigner(
        Role.GUARDIAN, "陈建国", f"{GUARDIAN_PHONE[:-4]}{number:04}", f"E{number:08}", "passport", relation="父亲"
    )


async def refused(running: Running, path: str, body: object, secret: str, language: str) -> tuple[dict[str, str], str]:
    headers = {"Accept-Language": language}
    status, said, answered = await asked(running, "POST", path, body=body, bearer=secret, headers=headers)
    assert status == 429
    return without_id(said), answered["Retry-After"]


async def test_a_code_that_has_to_wait_says_until_when() -> None:
    clock = StandingClock(moment=HALF_PAST)
    limits = {"budgets": {"codes_per_prefix_hour": 1}}
    async with lent_hub(with_worker=False, clock=clock, configured=limits) as running:
        contracts = [await running.issue_minor(signers=(another(number),)) for number in (1, 2)]
        async with opened(running, contracts[0]) as first:
            await first.code()
            again, wait = await refused(running, "/sign/v1/code", {}, str(first.bearer), "en")
        assert (again["code"], wait) == ("too-soon", "60")
        assert (again["until"], again["detail"]) == ("2026-11-25T10:31:00+08:00", "Possible again from 10:31.")
        async with opened(running, contracts[1]) as second:
            for language, words in (("en", "Possible again from 11:00."), ("zh", "11:00 起可以再试。")):
                said, wait = await refused(running, "/sign/v1/code", {}, str(second.bearer), language)
                assert (said["code"], said["detail"], wait) == ("budget-spent", words, "1800")
                assert said["until"] == "2026-11-25T11:00:00+08:00"
        console = await console_of(running)
        page = await console.get("/staff")
        assert "People with such numbers cannot go on until then. It lasts until today 11:00." in page.words
        assert "can raise codes_per_prefix_hour" in page.words
        clock.advance(timedelta(minutes=30))
        assert "cannot go on" not in (await console.get("/staff")).words


async def test_staff_see_on_the_board_that_invitations_wait() -> None:
    clock = StandingClock(moment=HALF_PAST)
    limits = {"budgets": {"per_prefix_hour": 1}}
    async with lent_hub(with_worker=False, clock=clock, configured=limits) as running:
        for number in (1, 2):
            await running.issue_minor(signers=(another(number),))
        while await running.worker.due_steps.sweep():
            pass
        page = await (await console_of(running, language="zh")).get("/staff")
        assert "验证码照常发送。 持续到 今天 11:00。" in page.words


async def test_locked_until_tomorrow_says_the_day() -> None:
    clock = StandingClock(moment=HALF_PAST)
    async with lent_hub(with_worker=False, clock=clock) as running:
        async with opened(running, await running.issue_minor()) as client:
            body = {"code": "000000", "name": "x", "id_tail": "0000"}
            for _ in range(10):
                assert (await asked(running, "POST", "/sign/v1/verify", body=body, bearer=client.bearer))[0] == 403
            said, wait = await refused(running, "/sign/v1/verify", body, str(client.bearer), "zh")
        assert (said["code"], said["detail"], wait) == ("locked", "11月26日 00:00 起可以再试。", str(13 * 3600 + 1800))


@pytest.mark.parametrize("right", [True, False])
async def test_at_the_door_of_pickup_codes_the_limit_is_told_alike(right: bool) -> None:
    """Whether or not a signer has this pickup code, the answer about a limit of codes depends on the phone alone."""
    clock = StandingClock(moment=HALF_PAST)
    limits = {"budgets": {"codes_per_prefix_hour": 1}}
    async with lent_hub(with_worker=False, clock=clock, configured=limits) as running:
        first = await running.issue_minor(signers=(another(1),))
        contract = await running.issue_minor(signers=(another(2),))
        async with opened(running, first) as client:
            await client.code()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (signer,) = await tx.contracts.list_signers(contract.id)
            link = await tx.links.get_for_door(signer, DoorKind.SMS, tx.now)
        code = derive_pickup_code(running.hub.services.signing.keys.link, link.id, link.generation)
        typed = code if right else f"{(int(code) + 1) % 10**6:06d}"
        picked = await pickup_codes.open_pickup(running.hub.services, typed, signer.phone)
        said, wait = await refused(running, "/sign/v1/code", {}, picked.secret, "en")
        assert said == {
            "type": "/problems/budget-spent",
            "code": "budget-spent",
            "status": 429,
            "retry": True,
            "title": "Too many requests. Please try again later, or ask the school.",
            "until": "2026-11-25T11:00:00+08:00",
            "detail": "Possible again from 11:00.",
        }
        assert wait == "1800"
