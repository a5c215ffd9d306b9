"""An e-mail address in the roster reaches the contract: it is tried where no SMS arrives."""

from __future__ import annotations

from hub.lifecycle.contract.issue import issue
from hub.lifecycle.school.import_roster import load_roster, new_contract
from hub.model.school.enrolment_list import EnrolmentFilter
from hub.model.staff.scope import EVERYTHING
from tests.lent_hubs import lent_hub
from tests.running import ADULT_ID

ROSTER = f"""校区,课程,学员姓名,学员证件号码,手机,邮箱
hefei,math-a,李想,{ADULT_ID},19000000105,li@school.example
"""


async def test_an_address_of_the_roster_becomes_the_signers() -> None:
    async with lent_hub() as running:
        services = running.hub.services
        report = await load_roster(services.database, services.clock, ROSTER.encode(), EVERYTHING)
        assert (report.added, len(report.problems)) == (1, 0)
        async with services.database.transaction(EVERYTHING) as tx:
            found = await tx.enrolments.list_fitting(EnrolmentFilter(search="李想"), 10)
        contract = await issue(services, EVERYTHING, new_contract(found[0]), "staff:x")
        async with services.database.transaction(EVERYTHING) as tx:
            (signer,) = await tx.contracts.list_signers(contract.id)
        assert (signer.email, signer.channels) == ("li@school.example", ("sms", "email"))
