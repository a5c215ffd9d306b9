"""One-time codes cannot be guessed: five tries for one code, however many come at once, compared in constant time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from hub.errors import DatabaseUnavailable, Locked, WrongAnswer
from hub.lifecycle.school import guests
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry import otp_limits, verify_identity
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.signer import deliver, person, wrong_code
from tests.poster_visits import Family, make_poster
from tests.running import Running
from tests.web.signer_visits import code_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

GUESSES = 1000
NEVER = SimpleNamespace(compare_digest=lambda _one, _other: False)


async def test_of_a_thousand_guesses_at_once_five_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    judged, compare = [], otp_limits.is_same_code

    def counted(services: Services, live: UUID | None, code: str) -> bool:
        judged.append(live)
        return compare(services, live, code)

    async with quiet_hub(StandingClock()) as running:
        guardian = await person(running, await running.issue_minor())
        await guardian.land()
        right = await guardian.ask_code()
        monkeypatch.setattr(verify_identity, "is_same_code", counted)
        guesses = [f"{(int(right) + 1 + number) % 10**6:06d}" for number in range(GUESSES)]
        found = await asyncio.gather(*(guardian.verify(each) for each in guesses), return_exceptions=True)
        kinds = [type(each) for each in found]
        # If a thousand requests wait for a few connections, some are turned away before anything is compared.
        assert kinds.count(WrongAnswer) == 10 and set(kinds) <= {WrongAnswer, Locked, DatabaseUnavailable}
        assert sum(live is not None for live in judged) == 5, "one code is compared with five guesses"


async def test_a_code_is_worth_nothing_after_five_wrong_answers_and_the_next_one_is() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        guardian = await person(running, await running.issue_minor())
        await guardian.land()
        code = await guardian.ask_code()
        for _ in range(5):
            with pytest.raises(WrongAnswer):
                await guardian.verify(wrong_code(code))
        with pytest.raises(WrongAnswer):
            await guardian.verify(code)
        clock.advance(timedelta(minutes=1))
        await guardian.verify(await guardian.ask_code())


async def _visitor(running: Running) -> tuple[str, str]:
    _, ticket = await make_poster(running)
    family = Family()
    secret = (await guests.open_poster(running.hub.services, ticket, family.phone, family.parent, "zh")).secret
    await guests.send_code(running.hub.services, secret)
    await deliver(running)
    return secret, await code_for(running, family.phone)


async def test_a_visitors_code_is_worth_nothing_after_five_wrong_answers() -> None:
    async with quiet_hub(StandingClock()) as running:
        secret, code = await _visitor(running)
        for _ in range(5):
            with pytest.raises(WrongAnswer):
                await guests.verify(running.hub.services, secret, wrong_code(code))
        with pytest.raises(WrongAnswer):
            await guests.verify(running.hub.services, secret, code)


async def test_what_decides_on_a_code_is_the_comparison_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await person(running, await running.issue_minor())
        await guardian.land()
        code = await guardian.ask_code()
        secret, visitors = await _visitor(running)
        patched: Any = monkeypatch.setattr
        patched(otp_limits, "hmac", NEVER)
        with pytest.raises(WrongAnswer):
            await guardian.verify(code)
        with pytest.raises(WrongAnswer):
            await guests.verify(running.hub.services, secret, visitors)
        monkeypatch.undo()
        await guardian.verify(code)
        await guests.verify(running.hub.services, secret, visitors)
