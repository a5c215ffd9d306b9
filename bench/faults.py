"""Contracts through their life while processes are killed: workers, pages and the database, by SIGKILL, at random.

Provider and timestamp service are programs of their own with raw ledgers, which outlive everything that is killed;
replies get lost, and the provider is slow. Guardians sign with the product's own client and read their messages in the
provider's ledger. In the end the ledgers and the finished files judge.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from bench.crowd import Crowd, Person
from bench.demo import tree
from bench.fault_judge import Expected, ask, judge, unfinished
from bench.guardians import Guardian, Messages
from bench.providers import provider
from bench.results import Result
from bench.server import ROOT, Server, made_server
from bench.stage import FAST, PLENTY, Stage
from hub.lifecycle.issue import NewContract, NewSigner, NewStudent, issue
from hub.model.signer import Role
from hub.model.staff import EVERYTHING
from hub.wiring import build

ROUNDS = 10_000
KILL_EACH, FEWEST_KILLS = 50, 20
"""One kill for so many contracts; of few contracts a third as many, up to the fewest that are worth the name."""
SIGNED, DECLINED, EXPIRED = 0.1, 0.1, 0.1
"""So many of the contracts are really signed and sealed, declined, or left to expire; the others are invited."""
LOSE, SLOW, WORKERS, AT_ONCE = 0.05, 0.3, 2, 6
LIFE = timedelta(seconds=120)
"""From the invitation to the deadline of those that expire."""
FIRST_OF_SIGNERS = 3_000_000
"""Their numbers are looked at when a contract is issued, and have to be possible ones."""
BETWEEN_KILLS = (4.0, 10.0)
PATIENCE = 900.0
"""After the last kill: who is not finished then is lost."""


def run(rounds: int) -> Result:
    """`rounds` is the number of contracts."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage("faults", Path(folder))
        asyncio.run(_measured(stage, rounds))
        raw = {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.suffix == ".jsonl"}
        return Result("faults", stage.figures, stage.rows, raw)


async def _measured(stage: Stage, rounds: int) -> None:
    async with (
        made_server() as server,
        provider("sms_twilio", stage.ledger("sms_twilio"), LOSE, SLOW) as options,
        _timestamps(stage) as timestamps,
    ):
        configured: dict[str, Any] = {
            "channels": {"sms_twilio": {**options, "rate": FAST, "codes_share": 0.2}}, "budgets": PLENTY,
            "timestamps": timestamps,
        }  # fmt: skip
        crowd = await Crowd.of_school(server, configured["channels"])
        expected, guardians = await _people(crowd, configured, rounds, stage)
        async with server.running("serve", "work", workers=WORKERS, **configured) as used:
            killer = _Killer(stage, server, list(used.commands), _kills(rounds))
            await _live(crowd, expected, guardians, killer)
            stage.figures["kills"] = killer.killed
        stage.figures |= await judge(server, expected, stage.ledger("sms_twilio"), stage.ledger("timestamps"))
    stage.figures["contracts"] = rounds


def _kills(rounds: int) -> int:
    return max(1, min(FEWEST_KILLS, rounds // 3), rounds // KILL_EACH)


@contextlib.asynccontextmanager
async def _timestamps(stage: Stage) -> AsyncIterator[Mapping[str, Any]]:
    """Yields the section `timestamps` of the configuration."""
    folder, ledger = stage.folder / "tsa", stage.ledger("timestamps")
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.timestamp_service", str(folder), str(ledger)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout
    try:
        url = (await asyncio.to_thread(process.stdout.readline)).decode().strip()
        yield {"kind": "rfc3161", "url": url, "certificates": [str(folder / "tsa.pem")]}
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait)
        process.stdout.close()


async def _people(
    crowd: Crowd, configured: Mapping[str, Any], rounds: int, stage: Stage
) -> tuple[Expected, list[Guardian]]:  # fmt: skip
    """Everybody whose turn comes in this run. Those who really sign have a contract of their own from the product."""
    signing, declining, expiring = (max(1, int(rounds * share)) for share in (SIGNED, DECLINED, EXPIRED))
    others = await crowd.gather(1, rounds - signing)
    messages = Messages(stage.ledger("sms_twilio"))
    guardians = [Guardian(crowd.server.origin, messages, each.phone, "0101", "decline") for each in others[:declining]]
    signers = [f"+1212{FIRST_OF_SIGNERS + number}" for number in range(signing)]
    await _issue(crowd.server, configured, signers)
    guardians += [Guardian(crowd.server.origin, messages, phone, phone[-4:], "sign") for phone in signers]
    return Expected(signers, others[:declining], others[declining : declining + expiring], others), guardians


async def _issue(server: Server, configured: Mapping[str, Any], phones: Sequence[str]) -> None:
    hub = await build(server.settings(**configured), server.postgres.dsn("app"), demo=False)
    try:
        for phone in phones:
            guardian = NewSigner(Role.GUARDIAN, "陈建国", phone, f"E{phone[-8:]}", "passport", relation="父亲")
            student = NewStudent("陈小满", "cn-id", "340104201209010016")
            await issue(hub.parts, EVERYTHING, NewContract("hefei", student, (guardian,), "math-a"), "bench")
    finally:
        await hub.close()


async def _live(crowd: Crowd, expected: Expected, guardians: Sequence[Guardian], killer: _Killer) -> None:
    """Invitations fall due all along the way; so many guardians at a time do what they came for."""
    now, length = datetime.now(UTC), killer.seconds
    await crowd.fall_due(expected.others, [
        now + timedelta(seconds=length * place / len(expected.others)) for place in range(len(expected.others))
    ])  # fmt: skip
    await _shorten(crowd, expected.expiring)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(guardian: Guardian, http: aiohttp.ClientSession) -> None:
        async with gate:
            await guardian.live(http, lambda: asked(guardian))

    async def asked(guardian: Guardian) -> bool:
        return await unfinished(crowd.server, [guardian.phone], crowd.keys) == 0

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as http:
        living = asyncio.gather(*(one(each, http) for each in guardians))
        await killer.run()
        deadline = time.monotonic() + PATIENCE
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(living, PATIENCE)
        while await expected.open(crowd.server) and time.monotonic() < deadline:
            await asyncio.sleep(2)


async def _shorten(crowd: Crowd, expiring: Sequence[Person]) -> None:
    """Their deadline comes soon after the invitation."""
    await ask(
        crowd.server, "UPDATE contract SET deadline = next_due_at + $2 FROM signing_task"
        " WHERE signing_task.contract = contract.id AND signing_task.signer = ANY($1::uuid[])",
        [each.signer for each in expiring], LIFE,
    )  # fmt: skip


@dataclass
class _Killer:
    """`commands` are the supervisors; what they started is killed, and the database."""

    stage: Stage
    server: Server
    commands: list[int]
    kills: int
    killed: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.kills * sum(BETWEEN_KILLS) / 2

    async def run(self) -> None:
        while self.killed < self.kills:
            await asyncio.sleep(self.chance.uniform(*BETWEEN_KILLS))
            pid, what = self._victim()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed += 1
                self.stage.rows.append({"work": "kill", "what": what, "at": datetime.now(UTC).isoformat()})

    def _victim(self) -> tuple[int, str]:
        """One in six is the database; its supervisor brings it back, as those of the others do."""
        children = [
            each.pid for pid in self.commands for each in tree(pid)
            if each.parent in self.commands and "spawn_main" in each.command
        ]  # fmt: skip
        if not children or self.chance.random() < 1 / 6:
            with contextlib.suppress(FileNotFoundError):
                return self.server.postgres.server_pid(), "database"
        return (self.chance.choice(children), "web or worker") if children else (0, "")
