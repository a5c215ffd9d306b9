"""The weekly report as a mail at a real SMTP server: once a week, whatever happens to server and worker."""

from __future__ import annotations

import asyncio
import email
import email.policy
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.message import EmailMessage

import pytest
import pytest_asyncio
from PIL import Image
from sqlalchemy import text

from channels import ChannelContext
from channels.email import connect
from hub.lifecycle.reports.weekly_report import send_weekly_reports, subscribe, unsubscribe
from hub.lifecycle.services import Services
from hub.model.reports.weekly_report import MailState, WeeklyReport
from hub.model.staff.accounts import Staff
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from tests.channels.doubles import Trouble
from tests.channels.doubles.email import Double
from tests.channels.doubles.outbox import Ledger
from tests.connected_providers import carried_by
from tests.lifecycle.clockwork import SHANGHAI, StandingClock, quiet_hub
from tests.running import Running
from tests.web.staff_visit import add_staff

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADDRESS = "li@school.example"
# The hub's first moment is a Wednesday.
MONDAY = datetime(2026, 11, 30, 8, 1, tzinfo=SHANGHAI)


@dataclass
class Office:
    """A hub with a mail server, and a campus manager who wants the report."""

    running: Running
    services: Services
    clock: StandingClock
    mail: Double
    staff: Staff

    async def wish(self) -> WeeklyReport:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            found = await tx.weekly_reports.get(self.staff.id)
        assert found
        return found

    @property
    def mails(self) -> list[EmailMessage]:
        policy = email.policy.default
        return [email.message_from_bytes(each, policy=policy) for each in self.mail.mails.values()]


@pytest_asyncio.fixture(loop_scope="module")
async def office() -> AsyncIterator[Office]:
    clock, mail = StandingClock(), Double()
    async with quiet_hub(clock) as running, mail.serving():
        place = ChannelContext("email", f"{running.origin}/callbacks/email", running.http, Ledger([]), clock)
        router = running.hub.services.messaging.router
        router.providers = carried_by(email=connect(mail.options(), place))
        await add_staff(running, "li", "hefei", role=StaffRole.CAMPUS_MANAGER)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            known = await tx.accounts.find_by_login("li")
        assert known
        yield Office(running, running.hub.services, clock, mail, known[0])


async def test_the_mail_has_figures_and_a_picture_and_comes_once(office: Office) -> None:
    await office.running.issue_minor()
    await subscribe(office.services, office.staff, ADDRESS, "en")
    assert await send_weekly_reports(office.services) == 0
    office.clock.go_to(MONDAY)
    assert sorted(await asyncio.gather(*(send_weekly_reports(office.services) for _ in range(3)))) == [0, 0, 1]
    (mail,) = office.mails
    assert mail["To"] == ADDRESS and mail["Subject"] == "Hefei campus: contracts from 2026-11-23 to 2026-11-29"
    plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain and page and "Contracts issued: 1. Of these, reached: 0" in plain.get_content()
    assert "陈" not in plain.get_content() and "/staff/reports?from=2026-11-23" in plain.get_content()
    (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert f'src="cid:{picture["Content-ID"][1:-1]}" alt="Contracts issued each day"' in page.get_content()
    drawn = Image.open(io.BytesIO(picture.get_content()))
    # The one contract's column, in the shade of what is issued and not reached.
    assert drawn.width == 960 and drawn.convert("RGB").tobytes().count(bytes((213, 223, 234))) > 1000
    assert (await office.wish()).state is MailState.SENT
    office.clock.advance(timedelta(days=7))
    assert await send_weekly_reports(office.services) == 1 and len(office.mails) == 2


async def test_a_worker_that_died_leaves_a_mail_that_is_not_sent_again_this_week(office: Office) -> None:
    await subscribe(office.services, office.staff, ADDRESS, "zh")
    office.clock.go_to(MONDAY)
    async with office.running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.weekly_reports.begin(await office.wish(), date(2026, 11, 30), tx.planning_now)
    office.clock.advance(timedelta(days=2))
    assert await send_weekly_reports(office.services) == 0 and office.mails == []
    office.clock.advance(timedelta(days=5))
    assert await send_weekly_reports(office.services) == 1 and "签约周报" in str(office.mails[0]["Subject"])


async def test_the_mail_of_headquarters_says_that_it_is_about_all_campuses(office: Office) -> None:
    await add_staff(office.running, "wang", "hq", role=StaffRole.HEADQUARTERS)
    async with office.running.hub.database.transaction(EVERYTHING) as tx:
        known = await tx.accounts.find_by_login("wang")
    assert known
    await subscribe(office.services, known[0], ADDRESS, "zh")
    office.clock.go_to(MONDAY)
    assert await send_weekly_reports(office.services) == 1
    assert "及下级校区签约周报" in str(office.mails[-1]["Subject"])


async def test_an_address_that_cannot_be_read_or_an_account_that_fails_stops_no_other(office: Office) -> None:
    database = office.running.hub.database
    for login in ("wang", "zhao"):
        await add_staff(office.running, login, "hefei", role=StaffRole.CAMPUS_MANAGER)
        async with database.transaction(EVERYTHING) as tx:
            known = await tx.accounts.find_by_login(login)
        assert known
        await subscribe(office.services, known[0], f"{login}@school.example", "zh")
        broken = {"wang": "email_sealed = '\\x00'", "zhao": "language = 'xx'"}[login]
        async with database.transaction(EVERYTHING) as tx:
            await tx.connection.execute(text(f"UPDATE weekly_report SET {broken} WHERE staff = '{known[0].id}'"))
    await subscribe(office.services, office.staff, ADDRESS, "zh")
    office.clock.go_to(MONDAY)
    assert await send_weekly_reports(office.services) == 1 and [mail["To"] for mail in office.mails] == [ADDRESS]
    async with database.transaction(EVERYTHING) as tx:
        installation = await tx.school.find_installation()
        assert installation
        entries = [each for each in await tx.record.list_entries(installation) if each.kind == "weekly-report-asked"]
    assert len(entries) == 3 and ADDRESS not in str(entries) and entries[-1].actor == f"staff:{office.staff.id}"


async def test_a_lost_reply_is_not_asked_for_again_and_a_busy_server_is(office: Office) -> None:
    await subscribe(office.services, office.staff, ADDRESS, "zh")
    office.clock.go_to(MONDAY)
    office.mail.trouble = [Trouble.BUSY]
    assert await send_weekly_reports(office.services) == 1 and (await office.wish()).state is MailState.AGAIN
    assert await send_weekly_reports(office.services) == 0
    office.clock.advance(timedelta(minutes=11))
    office.mail.trouble = [Trouble.LOSE_REPLY]
    assert await send_weekly_reports(office.services) == 1 and (await office.wish()).state is MailState.UNKNOWN
    office.clock.advance(timedelta(days=1))
    assert await send_weekly_reports(office.services) == 0 and len(office.mails) == 1


async def test_nothing_is_sent_while_paused_or_to_who_may_not_read_it_or_wants_it_no_more(office: Office) -> None:
    await subscribe(office.services, office.staff, ADDRESS, "zh")
    office.clock.go_to(MONDAY)
    async with office.running.hub.database.transaction(EVERYTHING) as tx:
        await tx.pause.begin(tx.now)
    assert await send_weekly_reports(office.services) == 0
    async with office.running.hub.database.transaction(EVERYTHING) as tx:
        await tx.pause.end()
        await tx.accounts.change(office.staff.id, role=StaffRole.CLERK.value)
    assert await send_weekly_reports(office.services) == 0
    async with office.running.hub.database.transaction(EVERYTHING) as tx:
        await tx.accounts.change(office.staff.id, role=StaffRole.CAMPUS_MANAGER.value)
    await unsubscribe(office.services, office.staff)
    assert await send_weekly_reports(office.services) == 0 and office.mails == []
