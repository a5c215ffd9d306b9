"""The words of messages: what is too long for a provider is shortened where the person reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.model.messaging.sms_length import measure_text
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.running import GUARDIAN_PHONE

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "合肥市蜀山区大学城国际教育中心旗舰校区"
SHORT = "合肥市蜀山区大学城国际…"


async def test_a_long_name_is_shortened_in_text_and_variables_alike() -> None:
    async with quiet_hub(StandingClock()) as running:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.school.put_campus(replace(await tx.school.get_campus("hefei"), name=LONG))
        contract = await running.issue_minor()
        await running.worker.due_steps.sweep()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (delivery,) = await tx.deliveries.list_of_contract(contract.id)
        (message,) = await running.messages(GUARDIAN_PHONE)
        assert delivery.variables["campus"] == SHORT and len(SHORT) == 12
        assert f"新航线教育{SHORT}请您" in message["text"] and LONG not in message["text"]
        assert measure_text(message["text"]).segments == 2
