"""A code that was asked for in another session: only the newest code of a person counts, whichever session asked for
it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.errors import WrongAnswer
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.signer import Person, person

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_code_for_another_visit_kills_the_one_before() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        first = await person(running, await running.issue_minor())
        await first.land()
        old = new = await first.ask_code()
        second = Person(running, first.contract, first.signer)
        await second.land()
        while new == old:  # once in a million times
            clock.advance(timedelta(minutes=1))
            new = await second.ask_code()
        with pytest.raises(WrongAnswer):
            await first.verify(old)
        await second.verify(new)
