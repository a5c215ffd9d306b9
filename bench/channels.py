"""The router and its channels over real sockets: replies that are lost, calls of providers, codes in a crowd.

Each provider is a program of its own that keeps a raw ledger; it is left beside the result.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from twilio.request_validator import RequestValidator
from yarl import URL

from bench.crowd import Crowd, Person
from bench.providers import TWILIO_ACCOUNT, TWILIO_SENDER, TWILIO_TOKEN, Taken, judged, provider, read_ledger
from bench.results import Result, percentile
from bench.server import Server, made_server
from qianda.client import SigningClient

ROUNDS = 10_000
LOSE = 0.1
NAMES = {"sms_twilio": "queryable", "sms_kannel": "otherwise"}
FAST = 10_000.0
"""Messages a second of a provider that is not what anybody waits for."""
CALLS_PER_S, CALLS_SHARE = 200, 0.4
CODE_RATE, CODES_PER_S, CODES_SHARE, WAITING_TIMES = 50.0, 4, 0.01, 5
PATIENCE = 1800.0
WATCHED = 30.0
"""So long it is watched afterwards whether a message whose fate stays unknown is sent again: more than a worker
waits before it asks about one."""
LOOK_EVERY = 0.25
PLENTY = {"per_campus_day": 10_000_000}
"""All of these people are at one campus."""
CODE_PATIENCE = 60.0
WAITING = "SELECT count(*) FROM signing_task WHERE state = 'OPEN' AND next_step = 'invitation' AND next_due_at < now()"


PARTS = ("calls",)


def run(rounds: int, part: str = "") -> Result:
    """`rounds` is the number of messages of whose replies a tenth is lost; the rest goes by it. `part`: one alone."""
    with tempfile.TemporaryDirectory() as folder:
        stage = _Stage(Path(folder))
        asyncio.run(_calls_alone(stage, rounds) if part else _measured(stage, rounds))
        raw = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        return Result(f"channels-{part}" if part else "channels", stage.figures, stage.rows, raw)


@dataclass
class _Stage:
    """What is found out goes to `figures` and `rows`; the providers keep their ledgers in `folder`."""

    folder: Path
    figures: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def ledger(self, name: str) -> Path:
        return self.folder / f"channels.{name}.jsonl"


async def _measured(stage: _Stage, rounds: int) -> None:
    async with made_server() as server:
        async with provider("sms_twilio", stage.ledger("start")) as options:
            crowd = await Crowd.of_school(server, {"sms_twilio": dict(options)})
        stage.ledger("start").unlink()
        await _lost_replies(stage, crowd, "sms_twilio", 1, rounds)
        await _lost_replies(stage, crowd, "sms_kannel", rounds + 1, rounds)
        taken = read_ledger(stage.ledger("sms_twilio"))
        await _calls(stage, server, taken, max(8, int(rounds * CALLS_SHARE)))
        await _codes(stage, crowd, 2 * rounds + 1, rounds * WAITING_TIMES, max(3, int(rounds * CODES_SHARE)))


async def _calls_alone(stage: _Stage, rounds: int) -> None:
    """Of messages that were sent some time ago."""
    async with made_server() as server, provider("sms_twilio", stage.ledger("start")) as options:
        crowd = await Crowd.of_school(server, {"sms_twilio": dict(options)})
        await _calls(stage, server, await crowd.sent(1, rounds, "sms_twilio"), max(8, int(rounds * CALLS_SHARE)))
    stage.ledger("start").unlink()


# ---- lost replies


async def _lost_replies(stage: _Stage, crowd: Crowd, kind: str, first: int, number: int) -> None:
    """Everybody is invited at once. Ends when the hub knows the fate of each message, or may not send it again."""
    people, ledger = await crowd.invite(first, number), stage.ledger(kind)
    async with provider(kind, ledger, LOSE) as options:
        channels = {kind: {**options, "rate": FAST, "codes_share": 0.05}}
        async with crowd.server.running("work", channels=channels, budgets=PLENTY) as cpu_seconds:
            started = time.perf_counter()
            await _until(lambda: _nothing_open(crowd.server), PATIENCE)
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


def _judge(stage: _Stage, kind: str, people: Sequence[Person], taken: Sequence[Taken]) -> None:
    verdict = judged([person.phone for person in people], taken)
    if kind == "sms_twilio":
        stage.figures["duplicates_when_queryable"] = verdict.duplicates
    else:
        stage.figures |= {"duplicates_max_otherwise": verdict.most, "duplicates_otherwise": verdict.duplicates}
    stage.figures["lost"] = stage.figures.get("lost", 0) + verdict.lost
    stage.figures[f"sends_per_s_{NAMES[kind]}"] = _pace(list({each.to: each.at for each in reversed(taken)}.values()))


def _pace(moments: Sequence[datetime]) -> float:
    """How many a second, from the first to the last."""
    wall = (max(moments) - min(moments)).total_seconds() if len(moments) > 1 else 0.0
    return len(moments) / wall if wall else 0.0


async def _nothing_open(server: Server) -> bool:
    """No invitation is due, and no message waits for a call or for a question about it."""
    return not await server.database.fetchval(
        "SELECT EXISTS (SELECT FROM signing_task WHERE state = 'OPEN' AND next_step = 'invitation' AND claimable_at <"
        " now() + interval '1 day') OR EXISTS (SELECT FROM delivery WHERE state = 'sending' OR state = 'unknown' AND"
        " calls < 2)"
    )


# ---- calls of providers


async def _calls(stage: _Stage, server: Server, taken: Sequence[Taken], number: int) -> None:
    """Twilio reports so many messages as delivered, at an even pace, whoever is slow to answer."""
    async with provider("sms_twilio", stage.ledger("calls")) as options:
        channels = {"sms_twilio": dict(options)}
        async with server.running("serve", "work", channels=channels) as cpu, aiohttp.ClientSession() as http:
            caller = _Caller(http, f"{server.origin}/callbacks/sms_twilio")
            await caller.report(taken[0])  # the first one opens connections
            reports = [taken[place % len(taken)] for place in range(number)]
            waits = await _paced([partial(caller.report, each) for each in reports], CALLS_PER_S)
            await _until(lambda: _nothing_unheard(server), PATIENCE)
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
    """Twilio's side of a status callback, signed as Twilio signs."""

    http: aiohttp.ClientSession
    address: str

    async def report(self, message: Taken) -> None:
        url = f"{self.address}?key={quote(message.key, safe='')}"
        form = {
            "AccountSid": TWILIO_ACCOUNT, "ApiVersion": "2010-04-01", "From": TWILIO_SENDER, "To": message.to,
            "MessageSid": message.reference, "MessageStatus": "delivered", "SmsSid": message.reference,
            "SmsStatus": "delivered",
        }  # fmt: skip
        headers = {"X-Twilio-Signature": RequestValidator(TWILIO_TOKEN).compute_signature(url, form)}
        async with self.http.post(URL(url, encoded=True), data=form, headers=headers) as answer:
            await answer.read()
            answer.raise_for_status()


async def _paced(acts: Sequence[Callable[[], Awaitable[object]]], per_second: float) -> list[float]:
    """Each act begins at its moment, whatever became of those before it. Seconds from that moment to its end."""
    loop = asyncio.get_running_loop()
    begin = loop.time() + 0.1

    async def one(number: int, act: Callable[[], Awaitable[object]]) -> float:
        due = begin + number / per_second
        await asyncio.sleep(due - loop.time())
        await act()
        return loop.time() - due

    return list(await asyncio.gather(*(one(number, act) for number, act in enumerate(acts))))


# ---- codes


async def _codes(stage: _Stage, crowd: Crowd, first: int, waiting: int, number: int) -> None:
    """So many invitations wait for a slow provider; some of those people are at the page already and want a code."""
    people = (await crowd.invite(first, waiting))[:: max(1, waiting // number)][:number]
    visits = list(zip(await crowd.tickets(people), people, strict=True))
    server, ledger, asked = crowd.server, stage.ledger("codes"), dict[str, datetime]()
    async with provider("sms_twilio", ledger) as options, aiohttp.ClientSession() as http:

        async def ask(ticket: str, phone: str) -> None:
            client = SigningClient(server.origin, http=http)
            await client.open(ticket)
            asked[phone] = datetime.now(UTC)
            await client.code()

        channels = {"sms_twilio": {**options, "rate": CODE_RATE}}
        async with server.running("serve", "work", channels=channels, budgets=PLENTY):
            await _until(lambda: _begun(ledger), PATIENCE)
            await _paced([partial(ask, ticket, person.phone) for ticket, person in visits], CODES_PER_S)
            await _until(lambda: _all_came(ledger, asked), CODE_PATIENCE)
            left = await server.database.fetchval(WAITING)
    _judge_codes(stage, asked, read_ledger(ledger), left)


async def _begun(ledger: Path) -> bool:
    return bool(read_ledger(ledger))


async def _all_came(ledger: Path, asked: dict[str, datetime]) -> bool:
    return len(_codes_in(read_ledger(ledger))) >= len(asked)


def _codes_in(taken: Sequence[Taken]) -> dict[str, datetime]:
    return {each.to: each.at for each in taken if each.key.startswith("code-")}


def _judge_codes(stage: _Stage, asked: dict[str, datetime], taken: Sequence[Taken], left: int) -> None:
    came = _codes_in(taken)
    waits = [(came[phone] - at).total_seconds() for phone, at in asked.items() if phone in came]
    invitations = [each.at for each in taken if not each.key.startswith("code-")]
    stage.rows += [{"work": "code", "wall_s": wait} for wait in waits]
    stage.figures |= {
        "code_p99_s": percentile(waits, 0.99),
        "code_median_s": percentile(waits, 0.5),
        "codes_missing": len(asked) - len(waits),
        "invitations_still_waiting": left,
        "invitations_per_s_meanwhile": _pace(invitations),
    }


async def _until(look: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Until it is so; after this time it is not, and what is measured says so."""
    deadline = time.perf_counter() + seconds
    while not await look() and time.perf_counter() < deadline:
        await asyncio.sleep(LOOK_EVERY)
