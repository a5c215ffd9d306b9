"""Measure reminders that become due at night: to when they are deferred, and whether they are then sent evenly."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

from bench.simulated.asleep import add_waiting_contracts
from bench.simulated.crowd import Crowd
from bench.simulated.providers import provider, read_ledger
from bench.stage import PATIENCE, PLENTY, Stage, pace, until
from hub.model.reminders.schedule import spread_of

FIRST = 20_000_000
OPENS, CLOSES = 9, 21
# The twelve hours of the next window are compressed into this many seconds, to see how sending is spread over it.
DAY_SECONDS = 60
SLICE = 5
CODES_SHARE = 0.05
# The provider's rate, as a share of the rate at which messages fall due. It determines when the last message is sent.
RATE_SHARE = 0.8
_WAKE = """
UPDATE signing_task SET next_due_at = now() - random() * interval '1 hour' WHERE signer IN
  (SELECT id FROM signer WHERE person >= 'asleep-' || $1::text AND person <= 'asleep-' || $2::text)
"""
_LEFT = "SELECT count(*) FROM signing_task WHERE state = 'OPEN' AND claimable_at <= now() + interval '1 minute'"


async def overnight(stage: Stage, crowd: Crowd, number: int) -> None:
    """Have `number` reminders fall due where it is night, and measure to when they are deferred."""
    zone = night_zone()
    await add_waiting_contracts(crowd, FIRST, number)
    database = crowd.server.database
    await database.execute(
        "UPDATE signer SET zone = $1 WHERE person BETWEEN 'asleep-' || $2::text AND 'asleep-' || $3::text",
        zone,
        str(FIRST),
        str(FIRST + number - 1),
    )
    async with provider("sms_twilio", stage.ledger("night")) as options:
        channels = {"sms_twilio": {**options, "rate": 1000.0}}
        async with crowd.server.running("work", channels=channels, budgets=PLENTY):
            started = time.perf_counter()
            await database.execute(_WAKE, str(FIRST), str(FIRST + number - 1))
            await database.execute("NOTIFY plan_changed")

            async def look() -> bool:
                return not await database.fetchval(_LEFT)

            await until(look, PATIENCE)
            took = time.perf_counter() - started
    sent = read_ledger(stage.ledger("night"))
    planned = await _planned(crowd, number)
    hours = Counter(moment.astimezone(ZoneInfo(zone)).hour for moment in planned)
    stage.rows += [{"work": "deferred", "number": count, "hour": hour} for hour, count in sorted(hours.items())]
    stage.figures |= {
        "deferred": len(planned),
        "deferred_per_s": number / took,
        "sent_at_night": len(sent),
        "deferred_outside_window": sum(count for hour, count in hours.items() if not OPENS <= hour < CLOSES),
        "deferred_busiest_hour_share": max(hours.values()) * (CLOSES - OPENS) / max(1, len(planned)),
    }


async def _planned(crowd: Crowd, number: int) -> list[datetime]:
    rows = await crowd.server.database.fetch(
        "SELECT next_due_at FROM signing_task JOIN signer ON signer.id = signing_task.signer"
        " WHERE person BETWEEN 'asleep-' || $1::text AND 'asleep-' || $2::text",
        str(FIRST),
        str(FIRST + number - 1),
    )
    return [row[0] for row in rows]


async def a_day_in_small(stage: Stage, crowd: Crowd, first: int, number: int) -> None:
    """Send `number` messages that are spread over the window like deferred ones, 720 times as fast as in reality.

    Messages become due faster than the provider accepts them.
    """
    people = await crowd.create(first, number)
    rate = number / DAY_SECONDS * RATE_SHARE
    spread = [spread_of(uuid4()) for _ in people]
    async with provider("sms_twilio", stage.ledger("day")) as options:
        channels = {"sms_twilio": {**options, "rate": rate / (1 - CODES_SHARE), "codes_share": CODES_SHARE}}
        async with crowd.server.running("work", channels=channels, budgets=PLENTY):
            opening = datetime.now(UTC) + timedelta(seconds=2)
            await crowd.fall_due(people, [opening + timedelta(seconds=share * DAY_SECONDS) for share in spread])

            async def look() -> bool:
                return len(read_ledger(stage.ledger("day"))) >= number

            await until(look, 10 * DAY_SECONDS)
    moments = sorted(each.at for each in read_ledger(stage.ledger("day")))
    slices = Counter(int((moment - moments[0]).total_seconds() // SLICE) for moment in moments)
    stage.figures |= {
        "day_in_small_sent": len(moments),
        "day_in_small_per_s": pace(moments),
        "day_in_small_provider_per_s": rate,
        "day_in_small_busiest_share": max(slices.values()) / (rate * SLICE),
    }


def night_zone() -> str:
    """Return a zone where it is about two in the morning now. The signs of the Etc zones are reversed."""
    ahead = (2 - datetime.now(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"
