"""All contracts of the demo school, issued at once: all signers are invited, and codes are sent without delay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.lifecycle.contract.issue import issue
from hub.lifecycle.school.import_roster import load_roster, new_contract
from hub.model.contract.contract import Contract
from hub.model.messaging.budget import BudgetLimits
from hub.model.school.enrolment_list import EnrolmentFilter, EnrolmentState
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED
from tests.changed_services import change_services
from tests.lifecycle.clockwork import StandingClock, quiet_hub, sent
from tests.lifecycle.signer import person
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = 200


async def all_issued(running: Running) -> list[Contract]:
    roster = (PACKED / "demo" / "seeds" / "roster.xlsx").read_bytes()
    await load_roster(running.hub.database, running.hub.services.clock, roster, EVERYTHING)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        enrolments = await tx.enrolments.list_fitting(EnrolmentFilter(EnrolmentState.WAITING), 500)
    return [await issue(running.hub.services, EVERYTHING, new_contract(each), "test") for each in enrolments]


async def code_goes_out(running: Running, contract: Contract) -> None:
    somebody = await person(running, contract)
    await somebody.land()
    await somebody.ask_code()
    assert (await sent(running, somebody.signer.phone))[-1][0] == "code"


# Two hundred contracts are drawn, which takes half a minute. The budgets themselves are tested in test_code_budgets.
@pytest.mark.real
async def test_all_two_hundred_contracts_at_once_and_a_code_for_any_of_them() -> None:
    async with quiet_hub(StandingClock()) as running:
        contracts = await all_issued(running)
        assert len(contracts) == ALL
        while await running.worker.due_steps.sweep():
            pass
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.alerts.list_limits_reached(EVERYTHING, tx.now) == []
        invited = [await sent(running, (await person(running, each)).signer.phone) for each in contracts]
        assert all(messages and messages[0][0] == "invitation" for messages in invited)
        await code_goes_out(running, contracts[0])
        services = running.hub.services  # the limit of production, which the invitations have used up
        tight = change_services(services, "messaging", budgets=BudgetLimits(per_prefix_hour=100))
        running.hub = replace(running.hub, services=tight)
        for contract in (contracts[ALL // 2], contracts[-1]):
            await code_goes_out(running, contract)
