"""Run providers as separate programs, and evaluate their ledgers, which no code of ours can change."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.programs.server import ROOT

TWILIO_ACCOUNT, TWILIO_TOKEN, TWILIO_SENDER = "AC" + "0123456789abcdef" * 2, "auth-token-of-the-double", "+15005550006"
# The same values as in `tests/channels/doubles`.
KANNEL_USER, KANNEL_PASSWORD, KANNEL_SECRET = "tester", "a password of the gateway", "a-secret-piece-of-the-path"
STOP_TIMEOUT = 10


@dataclass(frozen=True)
class Taken:
    """A message that a provider accepted and would charge for."""

    to: str
    key: str
    reference: str
    at: datetime


@dataclass(frozen=True)
class LedgerVerdict:
    """What a ledger says about expected messages.

    `duplicates`: the number of messages that repeated an earlier one. `most`: the largest number of repeats of one
    message. `lost`: the number of people who got no message.
    """

    duplicates: int
    most: int
    lost: int


def judged(expected: Iterable[str], taken: Iterable[Taken]) -> LedgerVerdict:
    """Judge the ledger: each of these numbers should have got exactly one message."""
    times = Counter(each.to for each in taken)
    more = [count - 1 for count in times.values()]
    lost = [phone for phone in set(expected) if not times[phone]]
    return LedgerVerdict(sum(more), max(more, default=0), len(lost))


def read_ledger(path: Path) -> list[Taken]:
    """Return the accepted messages in the order of acceptance."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Taken(line["to"], line["key"], line.get("reference", ""), datetime.fromisoformat(line["at"]))
        for line in lines
        if line["what"] == "accepted"
    ]


@contextlib.asynccontextmanager
async def provider(kind: str, ledger: Path, lose: float = 0.0, delay: float = 0.0) -> AsyncIterator[Mapping[str, Any]]:
    """Run the double of `channels/KIND.py` with a new ledger in this file. It answers after `delay` seconds and loses
    the share `lose` of its replies. Yield the channel's options."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    ledger.unlink(missing_ok=True)
    command = [sys.executable, "-m", f"tests.channels.doubles.{kind}", "--ledger", str(ledger.resolve())]
    command += ["--lose", str(lose), "--seed", "1", *(["--delay", str(delay)] if delay else [])]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout
    try:
        address = (await asyncio.to_thread(process.stdout.readline)).decode().strip()
        if not address:
            raise RuntimeError(f"the double of {kind} did not start")
        yield OPTIONS[kind](address)
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, STOP_TIMEOUT)
        process.stdout.close()


def _twilio(address: str) -> Mapping[str, Any]:
    return {"account": TWILIO_ACCOUNT, "auth_token": TWILIO_TOKEN, "sender": TWILIO_SENDER, "base_url": address}


def _kannel(address: str) -> Mapping[str, Any]:
    """Return the options of a gateway without receipts: the fate of a message whose reply was lost stays unknown."""
    return {
        "url": f"{address}/cgi-bin/sendsms",
        "username": KANNEL_USER,
        "password": KANNEL_PASSWORD,
        "callback_secret": KANNEL_SECRET,
        "sender": "10690000",
        "receipts": False,
    }


OPTIONS = {"sms_twilio": _twilio, "sms_kannel": _kannel}
