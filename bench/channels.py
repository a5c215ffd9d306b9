"""Measure the router and its channels over real sockets: lost replies, callbacks, one-time codes during a rush.

Each provider is a separate program that keeps a raw ledger, which is stored with the result.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import aiohttp
from twilio.request_validator import RequestValidator
from yarl import URL

from bench.programs.server import Server, made_server
from bench.results import Result, percentile
from bench.simulated.codes import codes
from bench.simulated.crowd import Crowd, CrowdPerson
from bench.simulated.providers import TWILIO_ACCOUNT, TWILIO_SENDER, TWILIO_TOKEN, Taken, judged, provider, read_ledger
from bench.stage import FAST, PATIENCE, PLENTY, Stage, pace, paced, until

ROUNDS = 10_000
LOSE = 0.1
NAMES = {"sms_twilio": "queryable", "sms_kannel": "otherwise"}
CALLS_PER_S, CALLS_SHARE = 200, 0.4
CODES_SHARE, WAITING_TIMES = 0.01, 5
# For this many seconds, the bench checks afterwards whether a message of unknown fate is sent again. It is longer than
# a worker waits before it asks about such a message.
WATCHED = 30.0


PARTS = ("calls",)


def run(rounds: int, part: str = "") -> Result:
    """Measure all parts, or only `part`. `rounds`: the number of messages in the part that loses a tenth of the
    replies; the other parts are sized by it."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage("channels", Path(folder))
        asyncio.run(_callbacks_alone(stage, rounds) if part else _measured(stage, rounds))
        raw = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        return Result(f"channels-{part}" if part else "channels", stage.figures, stage.rows, raw)


async def _measured(stage: Stage, rounds: int) -> None:
    async with made_server() as server:
        async with provider("sms_twilio", stage.ledger("start")) as options:
            crowd = await Crowd.of_school(server, {"sms_twilio": dict(options)})
        stage.ledger("start").unlink()
        await _lost_replies(stage, crowd, "sms_twilio", 1, rounds)
        await _lost_replies(stage, crowd, "sms_kannel", rounds + 1, rounds)
        taken = read_ledger(stage.ledger("sms_twilio"))
        await _callbacks(stage, server, taken, max(8, int(rounds * CALLS_SHARE)))
        await codes(stage, crowd, 2 * rounds + 1, rounds * WAITING_TIMES, max(3, int(rounds * CODES_SHARE)))


async def _callbacks_alone(stage: Stage, rounds: int) -> None:
    """Measure only callbacks, about messages that were sent some time ago."""
    async with made_server() as server, provider("sms_twilio", stage.ledger("start")) as options:
        crowd = await Crowd.of_school(server, {"sms_twilio": dict(options)})
        await _callbacks(stage, server, await crowd.sent(1, rounds, "sms_twilio"), max(8, int(rounds * CALLS_SHARE)))
    stage.ledger("start").unlink()


# ---- lost replies


async def _lost_replies(stage: Stage, crowd: Crowd, kind: str, first: int, number: int) -> None:
    """Invite everybody at once, and wait until the hub knows the fate of each message, or may not send it again."""
    people, ledger = await crowd.invite(first, number), stage.ledger(kind)
    async with provider(kind, ledger, LOSE) as options:
        channels = {kind: {**options, "rate": FAST, "codes_share": 0.05}}
        async with crowd.server.running("work", channels=channels, budgets=PLENTY) as cpu_seconds:
            started = time.perf_counter()
            await until(lambda: _nothing_open(crowd.server), PATIENCE)
            settled, cpu = time.perf_counter() - started, cpu_seconds()
            if kind == "sms_kannel":
                await asyncio.sleep(WATCHED)
    taken = read_ledger(ledger)
    stage.rows += [{"work": f"message {kind}", "to": each.to, "at": each.at.isoformat()} for each in taken]
    stage.rows += [{"work": f"run {kind}", "number": number, "wall_s": settled, "cpu_s": cpu}]
    stage.figures |= {
        f"cpu_ms_per_send_{NAMES[kind]}": cpu / max(1, len(taken)) * 1000,
        f"settled_{NAMES[kind]}_s": settled,
    }
    _judge(stage, kind, people, taken)


def _judge(stage: Stage, kind: str, people: Sequence[CrowdPerson], taken: Sequence[Taken]) -> None:
    verdict = judged([person.phone for person in people], taken)
    if kind == "sms_twilio":
        stage.figures["duplicates_when_queryable"] = verdict.duplicates
    else:
        stage.figures |= {"duplicates_max_otherwise": verdict.most, "duplicates_otherwise": verdict.duplicates}
    stage.figures["lost"] = stage.figures.get("lost", 0) + verdict.lost
    stage.figures[f"sends_per_s_{NAMES[kind]}"] = pace(list({each.to: each.at for each in reversed(taken)}.values()))


async def _nothing_open(server: Server) -> bool:
    """Return whether no invitation is due, no message is being sent, and none waits until the hub may ask about it."""
    return not await server.database.fetchval(
        "SELECT EXISTS (SELECT FROM signing_task WHERE state = 'OPEN' AND next_step = 'invitation' AND claimable_at <"
        " now() + interval '1 day') OR EXISTS (SELECT FROM delivery WHERE state = 'sending' OR state = 'unknown' AND"
        " calls < 2)"
    )


# ---- callbacks of providers


async def _callbacks(stage: Stage, server: Server, taken: Sequence[Taken], number: int) -> None:
    """Have Twilio report `number` messages as delivered, at an even pace, no matter how slow the answers are."""
    async with provider("sms_twilio", stage.ledger("calls")) as options:
        channels = {"sms_twilio": dict(options)}
        async with server.running("serve", "work", channels=channels) as cpu, aiohttp.ClientSession() as http:
            caller = _Caller(http, f"{server.origin}/callbacks/sms_twilio")
            await caller.report(taken[0])  # the first report opens the connection
            reports = [taken[place % len(taken)] for place in range(number)]
            waits = await paced([partial(caller.report, each) for each in reports], CALLS_PER_S)
            await until(lambda: _nothing_unheard(server), PATIENCE)
            used = {whose: cpu(whose) / number * 1000 for whose in ("serve", "work", "database")}
    stage.ledger("calls").unlink()
    stage.rows += [{"work": "call", "wall_s": wait} for wait in waits]
    found = await server.database.fetch("SELECT handled_at - received_at AS took FROM callback")
    heard = [each["took"].total_seconds() for each in found if each["took"] is not None]
    stage.rows += [{"work": "call heard", "wall_s": took} for took in heard]
    stage.figures |= {
        "callback_p99_ms": percentile(waits, 0.99) * 1000,
        "callback_median_ms": percentile(waits, 0.5) * 1000,
        "callback_heard_p99_s": percentile(heard, 0.99),
        "callbacks_unheard": len(found) - len(heard),
        **{f"cpu_ms_per_call_{whose}": each for whose, each in used.items()},
    }


async def _nothing_unheard(server: Server) -> bool:
    return not await server.database.fetchval("SELECT EXISTS (SELECT FROM callback WHERE due_at IS NOT NULL)")


@dataclass(frozen=True)
class _Caller:
    """Twilio's side of a status callback, signed as Twilio signs it."""

    http: aiohttp.ClientSession
    address: str

    async def report(self, message: Taken) -> None:
        url = f"{self.address}?key={quote(message.key, safe='')}"
        form = {
            "AccountSid": TWILIO_ACCOUNT,
            "ApiVersion": "2010-04-01",
            "From": TWILIO_SENDER,
            "To": message.to,
            "MessageSid": message.reference,
            "MessageStatus": "delivered",
            "SmsSid": message.reference,
            "SmsStatus": "delivered",
        }
        headers = {"X-Twilio-Signature": RequestValidator(TWILIO_TOKEN).compute_signature(url, form)}
        async with self.http.post(URL(url, encoded=True), data=form, headers=headers) as answer:
            await answer.read()
            answer.raise_for_status()
