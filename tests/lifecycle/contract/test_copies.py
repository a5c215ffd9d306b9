"""A copy of the completed contract: mailed by a real SMTP server, opened with the end of the student's number."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio

from channels import ChannelContext, Failure, Fate, Receipt, ReceiptReport
from channels.email import connect
from hub.errors import BadInput, LinkNotValid, Locked, WrongAnswer
from hub.lifecycle.contract.new_contract import NewContract
from hub.lifecycle.contract.open_copy import open_copy
from hub.lifecycle.contract.preview import preview_contract
from hub.lifecycle.evidence.person import erase_person
from hub.lifecycle.messaging.fallback import fall_back
from hub.lifecycle.sealing.finalise import advance
from hub.model.contract.contract import Contract
from hub.model.contract.contract_copy import COPY_LIFE, MAX_WRONG_ANSWERS, CopyRecipient, CopyRole
from hub.model.messaging.delivery import Delivery
from hub.model.staff.scope import EVERYTHING
from tests.channels.doubles.email import Double
from tests.channels.doubles.outbox import Ledger
from tests.connected_providers import carried_by
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.evidence.test_person import about, owner_of
from tests.lifecycle.signer import deliver, person
from tests.running import MINOR_ID, Running, minor_with_guardian

MOTHER = CopyRecipient(CopyRole.GUARDIAN, "mother@home.example", "王芳")
FATHER = CopyRecipient(CopyRole.GUARDIAN, "father@home.example", "陈强")
AUNT = CopyRecipient(CopyRole.GUARDIAN, "aunt@home.example", "陈芳")
OFFICE = CopyRecipient(CopyRole.OFFICE, "office@school.example")


@dataclass
class Copied:
    """A completed contract of which four get a copy, two of whom opt out before it is sent, and the mail server."""

    running: Running
    clock: StandingClock
    mail: Double
    contract: Contract

    def text(self, to: str) -> str:
        (found,) = [each.text for each in self.mail.accepted if each.to == to]
        return found

    @property
    def address(self) -> tuple[str, str]:
        """The two parts of the mother's link."""
        link = next(word for word in self.text(MOTHER.email).split() if "/copy/" in word)
        contract, ticket = link.rsplit("/", 2)[1:]
        return contract, ticket

    async def mail_to(self, copy: CopyRecipient) -> Delivery:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            (found,) = [
                each for each in await tx.deliveries.list_of_contract(self.contract.id) if each.to == copy.email
            ]
        return found

    async def tasks(self) -> list[list[str]]:
        """Return what the tasks about copies say, without their first line."""
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            tasks = await tx.staff_tasks.list_open_tasks(self.contract.id)
        return sorted(each.text.splitlines()[1:] for each in tasks if "copy" in each.text)

    async def take(self, answer: str) -> bytes:
        return await open_copy(self.running.hub.services, *self.address, answer)

    async def kinds(self) -> list[str]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return [each.kind for each in await tx.record.list_entries(self.contract.id)]


@asynccontextmanager
async def copied_hub() -> AsyncIterator[Copied]:
    clock, mail = StandingClock(), Double()
    async with quiet_hub(clock) as running, mail.serving():
        place = ChannelContext("email", f"{running.origin}/callbacks/email", running.http, Ledger([]), clock)
        contract = await running.issue_minor(send="none", copies=(MOTHER, FATHER, OFFICE, AUNT))
        guardian = await person(running, contract)
        await guardian.enter()
        await guardian.sign()
        router = running.hub.services.messaging.router
        before, router.providers = router.providers, carried_by(email=connect(mail.options(), place))
        await advance(running.hub.services, contract.id)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            for each in (FATHER, AUNT):
                await tx.opt_outs.add(each.email, "email", tx.now, "staff")
        clock.advance(timedelta(minutes=10))  # whatever waited so long is looked at again before it is sent
        await deliver(running)
        yield Copied(running, clock, mail, contract)
        router.providers = before


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def copied() -> AsyncIterator[Copied]:
    async with copied_hub() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def spoilt() -> AsyncIterator[Copied]:
    """One for a test after which nobody can open the copy."""
    async with copied_hub() as found:
        yield found


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_person_gets_a_link_and_the_school_one_to_the_console(copied: Copied) -> None:
    assert f"{copied.running.hub.services.origin}/copy/{copied.contract.id}/" in copied.text(MOTHER.email)
    office = copied.text(OFFICE.email)
    assert f"/staff/contracts/{copied.contract.id}" in office and "/copy/" not in office
    assert "陈" not in copied.text(MOTHER.email) + office
    assert (await copied.kinds()).count("copy-sending") == 4


async def test_the_end_of_the_number_opens_it_and_nothing_else(copied: Copied) -> None:
    with pytest.raises(WrongAnswer):
        await copied.take("000000")
    assert (await copied.take(f" {MINOR_ID[-6:].lower()} ")).startswith(b"%PDF-")
    kinds = await copied.kinds()
    assert (kinds.count("copy-refused"), kinds.count("copy-opened")) == (1, 1)
    contract, ticket = copied.address
    for strange in ((str(UUID(int=1)), ticket), (contract, "0" * 13), ("x", ticket)):
        with pytest.raises(LinkNotValid):
            await open_copy(copied.running.hub.services, *strange, MINOR_ID[-6:])


async def came_back(copied: Copied, copy: Delivery) -> None:
    """Receive the report of a mail that bounced. Then do twice what a worker does."""
    router, services = copied.running.hub.services.messaging.router, copied.running.hub.services
    async with services.database.transaction(EVERYTHING) as tx:
        receipt = Receipt(Fate.UNDELIVERED, copy.provider_reference or "", Failure.ADDRESS, "5.1.1")
        assert await router.apply_report(tx, router.providers["email"], ReceiptReport(receipt, copy.key))
    for _ in range(2):
        await fall_back(services, copy.id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office_mail_back(copied: Copied) -> None:
    await came_back(copied, await copied.mail_to(OFFICE))


@pytest.mark.usefixtures("office_mail_back")
async def test_a_mail_that_comes_back_is_a_task_of_staff_once(copied: Copied) -> None:
    assert [each for each in await copied.tasks() if each[0] == "office"] == [["office", "#3", "address"]]


@pytest.mark.usefixtures("office_mail_back")
async def test_each_address_that_opts_out_before_its_mail_is_sent_is_a_task_of_staff(copied: Copied) -> None:
    for each in (FATHER, AUNT):
        await fall_back(copied.running.hub.services, (await copied.mail_to(each)).id)
    # The office's mail came back before: that task does not hide these, nor does one hide the other.
    told = [["guardian", "#2", "opted-out"], ["guardian", "#4", "opted-out"], ["office", "#3", "address"]]
    assert await copied.tasks() == told


async def test_a_preview_says_who_would_get_one_and_a_wrong_address_is_refused(copied: Copied) -> None:
    services = copied.running.hub.services
    asked = minor_with_guardian()
    seen = await preview_contract(services, EVERYTHING, _with(asked, MOTHER))
    assert [(each.role, each.email) for each in seen.copies] == [(CopyRole.GUARDIAN, MOTHER.email)]
    with pytest.raises(BadInput) as refused:
        await preview_contract(services, EVERYTHING, _with(asked, CopyRecipient(CopyRole.STUDENT, "nobody")))
    assert refused.value.field == "copies[0].email"


async def test_too_many_wrong_answers_close_the_link_for_good(spoilt: Copied) -> None:
    for _ in range(MAX_WRONG_ANSWERS):
        with pytest.raises(WrongAnswer):
            await spoilt.take("1")
    with pytest.raises(Locked):
        await spoilt.take(MINOR_ID[-6:])
    spoilt.clock.advance(COPY_LIFE)
    with pytest.raises(LinkNotValid):
        await spoilt.take(MINOR_ID[-6:])


async def test_a_mail_that_comes_back_once_its_contract_was_erased_is_no_task(spoilt: Copied) -> None:
    mail, before = await spoilt.mail_to(MOTHER), await spoilt.tasks()
    spoilt.clock.advance(timedelta(days=4 * 365))  # completed contracts are kept for three years
    async with owner_of(spoilt.running) as owner:
        await erase_person(spoilt.running.hub.services, owner, about(MINOR_ID))
    await came_back(spoilt, mail)
    assert (await spoilt.kinds())[-2:] == ["signer-erased", "copy-not-sent"]
    assert await spoilt.tasks() == before


def _with(asked: NewContract, copy: CopyRecipient) -> NewContract:
    return replace(asked, copies=(copy,))
