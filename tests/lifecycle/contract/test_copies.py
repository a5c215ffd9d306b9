"""A copy of the completed contract: mailed by a real SMTP server, opened with the end of the student's number."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
from hub.lifecycle.messaging.fallback import fall_back
from hub.lifecycle.sealing.finalise import advance
from hub.model.contract.contract import Contract
from hub.model.contract.contract_copy import COPY_LIFE, MAX_WRONG_ANSWERS, CopyRecipient, CopyRole
from hub.model.staff.accounts import EVERYTHING
from tests.carriers import carried_by
from tests.channels.doubles.email import Double
from tests.channels.doubles.outbox import Ledger
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.signer import deliver, person
from tests.running import MINOR_ID, Running, minor_with_guardian

MOTHER = CopyRecipient(CopyRole.GUARDIAN, "mother@home.example", "王芳")
FATHER = CopyRecipient(CopyRole.GUARDIAN, "father@home.example", "陈强")
OFFICE = CopyRecipient(CopyRole.OFFICE, "office@school.example")


@dataclass
class Copied:
    """A completed contract of which three get a copy, one of whom opts out before it is sent, and the mail server."""

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

    async def take(self, answer: str) -> bytes:
        return await open_copy(self.running.hub.services, *self.address, answer)

    async def kinds(self) -> list[str]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return [each.kind for each in await tx.record.entries(self.contract.id)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def copied() -> AsyncIterator[Copied]:
    clock, mail = StandingClock(), Double()
    async with quiet_hub(clock) as running, mail.serving():
        place = ChannelContext("email", f"{running.origin}/callbacks/email", running.http, Ledger([]), clock)
        contract = await running.issue_minor(send="none", copies=(MOTHER, FATHER, OFFICE))
        guardian = await person(running, contract)
        await guardian.enter()
        await guardian.sign()
        router = running.hub.services.messaging.router
        before, router.carriers = router.carriers, carried_by(email=connect(mail.options(), place))
        await advance(running.hub.services, contract.id)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.opt_outs.add(FATHER.email, "email", tx.now, "staff")
        clock.advance(timedelta(minutes=10))  # whatever waited so long is looked at again before it is sent
        await deliver(running)
        yield Copied(running, clock, mail, contract)
        router.carriers = before


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_person_gets_a_link_and_the_school_one_to_the_console(copied: Copied) -> None:
    assert f"{copied.running.hub.services.origin}/copy/{copied.contract.id}/" in copied.text(MOTHER.email)
    office = copied.text(OFFICE.email)
    assert f"/staff/contracts/{copied.contract.id}" in office and "/copy/" not in office
    assert "陈" not in copied.text(MOTHER.email) + office
    assert (await copied.kinds()).count("copy-sending") == 3


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


async def test_a_mail_that_comes_back_is_a_task_of_staff_once(copied: Copied) -> None:
    router, services = copied.running.hub.services.messaging.router, copied.running.hub.services
    async with services.database.transaction(EVERYTHING) as tx:
        sent = [each for each in await tx.deliveries.of_contract(copied.contract.id) if each.to == OFFICE.email]
        carrier = router.carriers["email"]
        receipt = Receipt(Fate.UNDELIVERED, sent[0].provider_reference or "", Failure.ADDRESS, "5.1.1")
        assert await router.apply_report(tx, carrier, ReceiptReport(receipt, sent[0].key))
    for _ in range(2):
        await fall_back(services, sent[0].id)
    async with services.database.transaction(EVERYTHING) as tx:
        tasks = [each for each in await tx.staff_tasks.open_tasks(copied.contract.id) if "copy" in each.text]
    assert len(tasks) == 1 and tasks[0].text.endswith("office\naddress")


async def test_an_address_that_opts_out_before_its_mail_is_sent_is_a_task_of_staff(copied: Copied) -> None:
    database = copied.running.hub.database
    async with database.transaction(EVERYTHING) as tx:
        (copy,) = [each for each in await tx.deliveries.of_contract(copied.contract.id) if each.to == FATHER.email]
    await fall_back(copied.running.hub.services, copy.id)
    async with database.transaction(EVERYTHING) as tx:
        tasks = [each.text for each in await tx.staff_tasks.open_tasks(copied.contract.id) if "copy" in each.text]
    # The office's mail came back before: that task does not hide this one.
    assert sorted(text.splitlines()[1:] for text in tasks) == [["guardian", "opted-out"], ["office", "address"]]


async def test_a_preview_says_who_would_get_one_and_a_wrong_address_is_refused(copied: Copied) -> None:
    services = copied.running.hub.services
    asked = minor_with_guardian()
    seen = await preview_contract(services, EVERYTHING, _with(asked, MOTHER))
    assert [(each.role, each.email) for each in seen.copies] == [(CopyRole.GUARDIAN, MOTHER.email)]
    with pytest.raises(BadInput) as refused:
        await preview_contract(services, EVERYTHING, _with(asked, CopyRecipient(CopyRole.STUDENT, "nobody")))
    assert refused.value.field == "copies[0].email"


async def test_too_many_wrong_answers_close_the_link_for_good(copied: Copied) -> None:
    for _ in range(MAX_WRONG_ANSWERS - 1):  # one was given before
        with pytest.raises(WrongAnswer):
            await copied.take("1")
    with pytest.raises(Locked):
        await copied.take(MINOR_ID[-6:])
    copied.clock.advance(COPY_LIFE)
    with pytest.raises(LinkNotValid):
        await copied.take(MINOR_ID[-6:])


def _with(asked: NewContract, copy: CopyRecipient) -> NewContract:
    return replace(asked, copies=(copy,))
