"""Send the weekly report to the members of staff who want it, once a week.

The row of the subscription is the attempt row: the beginning of the week's e-mail is committed before the mail server
is called. If the process dies after that, the server may have the e-mail and cannot be asked, so it is not sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, datetime
from urllib.parse import urlencode

import structlog

from channels import CALL_TIMEOUT, ChannelError, MailPicture, Message, MessageRefused, NotNow, ReplyLost
from hub.documents.reports.report_chart import ChartWords, bars_of_days, draw_columns
from hub.errors import Unavailable
from hub.lifecycle.evidence.school_acts import record_staff_act
from hub.lifecycle.services import Services
from hub.model.contract.person import check_address
from hub.model.reports.report import (
    ReportGroup,
    ReportLine,
    combine_lines,
    list_undelivered,
    sum_costs,
    sum_days,
    sum_spend,
)
from hub.model.reports.report_texts import LEGEND, PICTURE, ReportMail, write_subject, write_text
from hub.model.reports.weekly_report import (
    MailState,
    WeeklyReport,
    find_due_week,
    find_next_try,
    find_reported_period,
)
from hub.model.staff.accounts import Staff
from hub.model.staff.roles import Permission, may
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

PURPOSE = "weekly-report"
log = structlog.get_logger()


def has_mail(services: Services) -> bool:
    """Return whether any provider sends e-mail."""
    return "email" in services.messaging.router.providers.channels


async def subscribe(services: Services, staff: Staff, email: str, language: str) -> None:
    """Store that a member of staff wants the weekly report, from the next Monday on. Raises BadInput."""
    address = check_address(email)
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.weekly_reports.put(WeeklyReport(staff.id, staff.campus, address, language, tx.planning_now))
        await record_staff_act(tx, "weekly-report-asked", staff, staff.actor)


async def unsubscribe(services: Services, staff: Staff) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        if await tx.weekly_reports.remove(staff.id):
            await record_staff_act(tx, "weekly-report-ended", staff, staff.actor)


async def send_weekly_reports(services: Services) -> int:
    """Send the e-mails that are due, one after the other. Return how many were begun. Several workers may do so at
    once. A failure for one account is logged, and the others follow.

    Raises Unavailable, after which the rest is sent in a later round.
    """
    if not has_mail(services):
        return 0
    begun = 0
    async with services.database.transaction(EVERYTHING) as tx:
        wanted = [] if await tx.pause.get() else await tx.weekly_reports.list_of_active()
    for report, staff in wanted:
        if not may(staff.role, Permission.READ_REPORTS):
            continue
        try:
            begun += await _send_if_due(services, report, staff)
        except Unavailable:
            raise
        except Exception:
            log.exception("weekly report failed", staff=str(staff.id))
    return begun


async def _send_if_due(services: Services, report: WeeklyReport, staff: Staff) -> bool:
    async with services.database.transaction(EVERYTHING) as tx:
        zone = (await tx.school.get_campus(staff.campus)).zone
        now = tx.planning_now
        week = find_due_week(report, zone, now)
    if week is None:
        return False
    if not report.email:
        log.error("weekly report without an address that can be read", staff=str(staff.id))
        return False
    message = await _write_message(services, report, staff, week)
    async with services.database.transaction(EVERYTHING) as tx:
        now = tx.planning_now
        if await tx.pause.get() or not await tx.weekly_reports.begin(report, week, now):
            return False
    tries = report.tries + 1 if report.week == week else 1
    state, failure = await _send(services, message)
    due_at = find_next_try(tries, now) if state is MailState.AGAIN else None
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.weekly_reports.end(staff.id, now, state, failure, due_at)
    log.info("weekly report", state=state.value, tries=tries)
    return True


async def _send(services: Services, message: Message) -> tuple[MailState, str]:
    """Send an e-mail through the first provider that can. Return its state and the reason for a failure."""
    provider = services.messaging.router.providers.list_able("email", message.to, message.language)[0]
    try:
        await asyncio.wait_for(provider.channel.send(message), CALL_TIMEOUT)
    except NotNow as error:
        return MailState.AGAIN, str(error)
    except MessageRefused as error:
        return MailState.REFUSED, str(error)
    except (ReplyLost, TimeoutError) as error:
        return MailState.UNKNOWN, str(error) or "no answer in time"
    except ChannelError as error:
        return MailState.UNKNOWN, str(error)
    return MailState.SENT, ""


async def _write_message(services: Services, report: WeeklyReport, staff: Staff, week: date) -> Message:
    """Return the e-mail about the week before `week`, for the campuses that the account may see."""
    from hub.documents.reports.report_picture import picture_of  # loads Typst; other jobs do not need it

    language = report.language
    async with services.database.transaction(EVERYTHING) as tx:
        scope = await tx.school.get_scope_below(staff.campus)
        now = tx.now
    async with services.database.transaction(scope) as tx:
        mail, days = await _figures(services, tx, report, staff, week)
    words = ChartWords(PICTURE[language], *LEGEND[language])
    picture = await asyncio.to_thread(picture_of, draw_columns(bars_of_days(days), words))
    return _message(report, mail, MailPicture(picture, PICTURE[language]), now)


async def _figures(
    services: Services, tx: Transaction, report: WeeklyReport, staff: Staff, week: date
) -> tuple[ReportMail, Mapping[date, ReportLine]]:
    """Return the data of the e-mail, and the figures of each day."""
    campus = await tx.school.get_campus(staff.campus)
    below = await tx.school.get_scope_below(staff.campus)
    period = find_reported_period(week, campus.zone)
    days = sum_days(await tx.report_figures.count_contracts(ReportGroup.DAY, period), period)
    messages = await tx.report_figures.count_messages(period)
    providers = {each.name: each.settings for each in services.messaging.router.providers}
    query = urlencode({"from": period.first.isoformat(), "until": period.last.isoformat()})
    mail = ReportMail(
        campus=campus.name_en if report.language == "en" else campus.name,
        has_below=sum(below.covers(each.id) for each in await tx.school.list_campuses()) > 1,
        period=period,
        line=combine_lines(days.values()),
        costs=sum_costs(sum_spend(messages, providers)),
        undelivered=list_undelivered(messages),
        link=f"{services.origin}/staff/reports?{query}",
    )
    return mail, days


def _message(report: WeeklyReport, mail: ReportMail, picture: MailPicture, now: datetime) -> Message:
    """Return the e-mail. Its key names the account and the week, so that a mail program shows it at most once."""
    return Message(
        key=f"{PURPOSE}-{report.staff}-{mail.period.first}",
        to=report.email,
        purpose=PURPOSE,
        language=report.language,
        text=write_text(mail, report.language),
        template=PURPOSE,
        variables={},
        at=now,
        subject=write_subject(mail, report.language),
        pictures=(picture,),
    )
