"""Measure how long a signer waits for a one-time code while very many invitations are waiting to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aiohttp

from bench.results import percentile
from bench.simulated.crowd import Crowd
from bench.simulated.providers import Taken, provider, read_ledger
from bench.stage import PATIENCE, PLENTY, Stage, pace, paced, until
from qianda.client import SigningClient

CODE_RATE, CODES_PER_S = 50.0, 4
CODE_PATIENCE = 60.0
WAITING = "SELECT count(*) FROM signing_task WHERE state = 'OPEN' AND next_step = 'invitation' AND next_due_at < now()"


async def codes(stage: Stage, crowd: Crowd, first: int, waiting: int, number: int) -> None:
    """Let `waiting` invitations wait for a slow provider, while `number` of the people request a code."""
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
            await until(lambda: _begun(ledger), PATIENCE)
            await paced([partial(ask, ticket, person.phone) for ticket, person in visits], CODES_PER_S)
            await until(lambda: _all_came(ledger, asked), CODE_PATIENCE)
            left = await server.database.fetchval(WAITING)
    _judge_codes(stage, asked, read_ledger(ledger), left)


async def _begun(ledger: Path) -> bool:
    return bool(read_ledger(ledger))


async def _all_came(ledger: Path, asked: dict[str, datetime]) -> bool:
    return len(_codes_in(read_ledger(ledger))) >= len(asked)


def _codes_in(taken: Sequence[Taken]) -> dict[str, datetime]:
    return {each.to: each.at for each in taken if each.key.startswith("code-")}


def _judge_codes(stage: Stage, asked: dict[str, datetime], taken: Sequence[Taken], left: int) -> None:
    came = _codes_in(taken)
    waits = [(came[phone] - at).total_seconds() for phone, at in asked.items() if phone in came]
    invitations = [each.at for each in taken if not each.key.startswith("code-")]
    stage.rows += [{"work": "code", "wall_s": wait} for wait in waits]
    stage.figures |= {
        "code_p99_s": percentile(waits, 0.99),
        "code_median_s": percentile(waits, 0.5),
        "codes_missing": len(asked) - len(waits),
        "invitations_still_waiting": left,
        "invitations_per_s_meanwhile": pace(invitations),
    }
