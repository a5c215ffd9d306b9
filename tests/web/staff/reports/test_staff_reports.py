"""The page of reports: figures by day, campus, course and channel, their tables to take out, and who sees them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.lifecycle.contract.end import void
from hub.model.contract.contract_copy import CopyRecipient, CopyRole
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.web.pages.compression import MIN_PAGE_BYTES
from tests.lent_hubs import lent_hub
from tests.lifecycle.signer import completed, signed
from tests.running import Running
from tests.web.staff_visit import ConsoleBrowser, Page, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Reported:
    """A hub with a completed (and copied), a withdrawn, a reached and a new contract of Hefei, and a new one of
    Beijing."""

    running: Running
    console: ConsoleBrowser

    async def table(self, query: str = "", name: str = "contracts") -> list[list[str]]:
        """Return the lines of a table as separated values, without its titles."""
        answer = await self.console.get(f"/staff/reports/table?table={name}&form=csv{query}")
        assert answer.status == 200, answer.text
        return list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))))[1:]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reported() -> AsyncIterator[Reported]:
    async with lent_hub(with_worker=False) as running:
        running.clock.advance_to_noon()  # all of it is of one day
        copies = (CopyRecipient(CopyRole.GUARDIAN, "grandmother@home.example"),)
        done = await running.issue_minor(copies=copies)
        await signed(running, done)
        await completed(running, done)
        await running.issue_minor()
        while await running.worker.due_steps.sweep():
            pass
        gone = await running.issue_minor()
        await void(running.hub.services, EVERYTHING, gone.id, "test", "test")
        await running.issue_minor()
        await running.issue_minor(campus="beijing")
        for login, campus in (("hefei-manager", "hefei"), ("beijing-manager", "beijing")):
            await add_staff(running, login, campus, role=StaffRole.CAMPUS_MANAGER)
        yield Reported(running, await console_of(running, "hefei-manager"))


@pytest.mark.parametrize(
    ("by", "name"), [("campus", "Hefei campus"), ("course", "Mathematics A"), ("day", r"\d{4}-\d\d-\d\d")]
)
async def test_figures_of_each_group(reported: Reported, by: str, name: str) -> None:
    lines = [line for line in await reported.table(f"&by={by}") if line[1] != "0"]
    (line,) = lines
    assert re.fullmatch(name, line[0])
    issued, reached, signed_, done, expired, otherwise, still = map(int, line[1:8])
    assert (issued, signed_, done, expired, otherwise, still) == (4, 1, 1, 0, 1, 2) and 1 <= reached <= 3
    assert 0 <= float(line[8]) <= float(line[9]) < 1


async def test_the_page_draws_what_its_table_says(reported: Reported) -> None:
    page = await reported.console.get("/staff/reports")
    assert page.status == 200 and page.text.count("<svg xmlns") == 1
    assert 'aria-label="Contracts issued each day"' in page.text and "<tfoot>" in page.text
    assert "outbox-sms" in page.words and "no price configured" in page.words
    assert re.search(r"issued from \d+ \w+ 20\d\d until \d+ \w+ 20\d\d, and", page.words)
    by_channel = await reported.console.get("/staff/reports?by=channel")
    assert "Contracts with a message by each channel" in by_channel.text and "text message" in by_channel.words


async def test_a_printed_report_says_what_it_is_about_and_when_it_was_printed(reported: Reported) -> None:
    page = await reported.console.get("/staff/reports?course=math-a")
    assert "<b>Mathematics A</b>" in page.text
    assert re.search(r'<p class="on-paper">As it stood on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\+8\.', page.text)
    assert "<b>Mathematics A</b>" not in (await reported.console.get("/staff/reports")).text


async def test_copies_for_others_than_signers_are_no_channel_to_them(reported: Reported) -> None:
    async with reported.running.hub.database.transaction(EVERYTHING) as tx:
        copies = await tx.connection.scalars(text("SELECT channel FROM delivery WHERE purpose = 'copy'"))
    assert list(copies) == ["email"]
    assert [line[0] for line in await reported.table("&by=channel") if line[1] != "0"] == ["text message"]


async def test_a_page_is_compressed_only_if_no_other_site_led_to_it(reported: Reported) -> None:
    """Otherwise its length would tell a stranger, who chooses what is searched for, about the names on it."""
    for site in (None, "cross-site", "same-site"):
        assert "Content-Encoding" not in (await reported.console.get("/staff", site=site)).headers, site
    # Our own script requests the rows with the query of the page, which another site may have led to.
    # Nor may a page be guessed at that its user requests from there, whatever the name in its query.
    for query in ("sort=GUESS&part=live", "q=GUESS", "course=GUESS", "anything=GUESS", "lang=GUESS", f"id={uuid4()}"):
        page = await reported.console.get(f"/staff?{query}", site="same-origin")
        assert "Content-Encoding" not in page.headers and len(page.text) > MIN_PAGE_BYTES, query
    chosen = await reported.console.get("/staff?lang=en", site="same-origin")
    assert chosen.headers["Content-Encoding"] == "gzip"
    for site in ("same-origin", "none"):
        page = await reported.console.get("/staff", site=site)
        assert page.headers["Content-Encoding"] == "gzip" and "Sec-Fetch-Site" in page.headers["Vary"]
        assert int(page.headers["Content-Length"]) < 5000 < len(page.text) / 2 and "</html>" in page.text


async def test_the_board_repeats_no_filter_that_it_does_not_know(reported: Reported) -> None:
    for name in ("sort", "view", "age", "deadline", "silent"):
        assert "GUESS" not in (await reported.console.get(f"/staff?part=live&{name}=GUESS")).text, name
    known = await reported.console.get("/staff?part=live&age=7&deadline=past&silent=3&sort=deadline")
    assert "age=7&amp;deadline=past&amp;silent=3&amp;sort=deadline" in known.text


async def test_messages_are_counted_by_provider_with_their_segments(reported: Reported) -> None:
    lines = await reported.table(name="spend")
    (sms,) = [line for line in lines if line[0] == "outbox-sms"]
    assert int(sms[3]) >= int(sms[2]) >= 2
    assert await reported.table(name="undelivered") == []


async def test_a_manager_sees_the_own_campus_alone(reported: Reported) -> None:
    foreign = Reported(reported.running, await console_of(reported.running, "beijing-manager"))
    page = await foreign.console.get("/staff/reports?by=campus")
    assert "Beijing" in page.words and "Hefei" not in page.words
    assert [line[1] for line in await foreign.table() if line[1] != "0"] == ["1"]
    assert await foreign.table(name="spend") == []
    assert (await foreign.console.get("/staff/reports?campus=hefei")).status == 403


@pytest.mark.parametrize(
    "query", ["from=2026-13-01", "from=2026-01-02&until=2026-01-01", "from=1000-01-01", "by=hour", "from=2024-01-01"]
)
async def test_a_wrong_period_is_refused_with_the_usual_report(reported: Reported, query: str) -> None:
    page: Page = await reported.console.get(f"/staff/reports?{query}")
    assert page.status == 422 and 'role="alert"' in page.text and "<svg xmlns" in page.text


async def test_a_wrong_date_leaves_the_campus_chosen(reported: Reported) -> None:
    page = await reported.console.get("/staff/reports?campus=hefei&from=2026-13-01")
    assert page.status == 422 and "/staff/reports?campus=hefei&amp;by=campus" in page.text


async def test_an_earlier_period_has_nothing_in_it(reported: Reported) -> None:
    today = reported.running.clock().date()
    query = f"&from={today - timedelta(days=60)}&until={today - timedelta(days=40)}"
    assert {line[1] for line in await reported.table(query)} == {"0"}
    assert "No contract was issued in this period." in (await reported.console.get(f"/staff/reports?{query}")).words


async def test_tables_are_taken_out_as_xlsx_and_other_forms_are_refused(reported: Reported) -> None:
    answer = await reported.console.get("/staff/reports/table?table=contracts&form=xlsx")
    assert answer.status == 200 and "qianda-contracts-" in answer.headers["Content-Disposition"]
    for query in ("table=contracts&form=pdf", "table=passwords&form=csv"):
        assert (await reported.console.get(f"/staff/reports/table?{query}")).status == 422


async def test_the_weekly_mail_is_asked_for_and_ended(reported: Reported) -> None:
    console = reported.console
    refused = await console.post("/staff/reports/mail", {"email": "nobody", "language": "en"})
    assert refused.status == 422
    assert (await console.post("/staff/reports/mail", {"email": "li@school.example", "language": "en"})).status == 303
    assert "goes to li@school.example" in (await console.get("/staff/reports")).words
    async with reported.running.hub.database.transaction(EVERYTHING) as tx:
        await tx.connection.execute(text("UPDATE weekly_report SET email_sealed = '\\x00'"))
    unreadable = await console.get("/staff/reports")
    assert unreadable.status == 200 and "goes to" not in unreadable.words and "Stop sending it" in unreadable.words
    assert (await console.post("/staff/reports/mail/end")).status == 303
    assert "li@school.example" not in (await console.get("/staff/reports")).text


async def test_contracts_that_nobody_has_signed_have_no_time_to_sign(reported: Reported) -> None:
    foreign = Reported(reported.running, await console_of(reported.running, "beijing-manager"))
    (line,) = [line for line in await foreign.table() if line[1] != "0"]
    assert line[1:4] == ["1", "0", "0"] and line[8:] == ["", ""]
