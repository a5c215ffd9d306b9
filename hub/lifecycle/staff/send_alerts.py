"""Send urgent alerts to staff, for example about a broken provider or an exhausted budget.

The row of the alert is the attempt row: it is marked as begun before anything is sent. Each address that accepted the
alert is stored, and the others are retried a few times. Without configured addresses, alerts appear only in the
console.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import structlog

from hub.alerts import Addressee, NotDelivered, Notice
from hub.lifecycle.services import Services
from hub.model.staff.alert import AlertBatch, compute_next_try, write_alert
from hub.model.staff.scope import EVERYTHING

TITLE = "签达告警 · Qianda alert"
# Titles by kind; a kind without a title is shown as it is.
KINDS = {
    "provider-broken": "服务商已停用 · A provider is out of use",
    "provider-rests": "服务商要求暂停发送 · A provider asks for a pause",
    "budget-spent": "发送量已达上限 · A message limit is reached",
    "authority-away": "认证机构无法签发 · An authority issues no certificates",
    "token-away": "密钥设备异常 · A token does not respond",
    "timestamps-away": "时间戳服务异常 · A timestamp service is unavailable or wrong",
    "clock-differs": "时钟与时间戳服务不一致 · Our clock differs from a timestamp service's",
    "disk-low": "磁盘空间不足 · A disk is almost full",
    "identity-away": "实名核验服务异常 · An identity provider does not answer",
    "webhook-away": "结束通知无人接收 · A webhook takes no notices",
    "stop-flood": "大量退订待核实 · Many opt-outs wait to be checked",
    "shared-phone": "手机号为多个无关的人共用 · Strangers share a phone number",
    "step-failed": "消息无法发出 · A message cannot be sent",
    "digest": "今日待办 · To do today",
}
# Timeout for all messages to one address. It is shorter than the lease of an attempt (`RETRIES_AFTER`).
ATTEMPT_TIMEOUT = timedelta(seconds=45)
log = structlog.get_logger()


async def alert_staff(services: Services, alert: UUID) -> None:
    """Send an alert that is due, with others of its kind, to every address that has not accepted it yet."""
    if not services.messaging.addressees:
        return
    async with services.database.transaction(EVERYTHING) as tx:
        batch = await tx.alerts.begin(alert, tx.now)
    if batch is None:
        return
    title = f"{TITLE}: {KINDS.get(batch.kind, batch.kind)}"
    notices = [Notice(title, text) for text in _texts(services.origin, batch)]
    waiting = [each for each in services.messaging.addressees if each.mark not in batch.reached]
    answers = await asyncio.gather(*(_tell(each, notices) for each in waiting))
    reached = batch.reached | {each.mark for each, problem in zip(waiting, answers, strict=True) if problem is None}
    problems = [problem for problem in answers if problem is not None]
    failure = f"{len(problems)}/{len(services.messaging.addressees)} — {', '.join(problems)}" if problems else None
    async with services.database.transaction(EVERYTHING) as tx:
        again = compute_next_try(batch.tries, tx.now) if problems else None
        await tx.alerts.end(batch, reached, failure, tx.now, again)
    if problems:
        log.warning("alert not delivered to every address", kind=batch.kind, tries=batch.tries, reason=failure)


async def _tell(addressee: Addressee, notices: Sequence[Notice]) -> str | None:
    """Send notices to one address. Return None, or the kind of address and the reason if it did not accept all of them.

    In that case all are sent again later: a notice may arrive twice, but none is lost.
    """
    try:
        async with asyncio.timeout(ATTEMPT_TIMEOUT.total_seconds()):
            for notice in notices:
                await addressee.tell(notice)
    except NotDelivered as error:
        return f"{addressee.kind}: {error}"
    except TimeoutError:
        return f"{addressee.kind}: no answer in time"
    return None


def _texts(origin: str, batch: AlertBatch) -> list[str]:
    query = f"?{urlencode({'campus': batch.campus})}" if batch.campus else ""
    return write_alert(batch.kind, batch.lines, len(batch.alerts), f"{origin}/staff/tasks{query}")
