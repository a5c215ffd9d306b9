"""A double as a program of its own, so that its ledger outlives whatever is done to us."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from tests.channels.doubles.twilio import Ledger, TwilioAccount


def run(double: type[TwilioAccount]) -> None:
    """Serve until SIGINT or SIGTERM. The address stands on standard output as soon as it is open."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--lose", type=float, default=0.0, help="share of replies that are lost after acceptance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--lag", type=float, default=0.0, help="seconds before a list shows what is new")
    parser.add_argument("--callbacks", default="", help="origin that gets the calls, whatever address they are for")
    parser.add_argument("--deliver", action="store_true", help="report each accepted message as delivered")
    asyncio.run(_serve(double, parser.parse_args()))


async def _serve(double: type[TwilioAccount], arguments: argparse.Namespace) -> None:
    account = double(
        lose=arguments.lose, seed=arguments.seed, delay=arguments.delay, lag=arguments.lag,
        callbacks=arguments.callbacks, ledger=Ledger.at(arguments.ledger), deliver=arguments.deliver,
    )  # fmt: skip
    ended = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    async with account.serving(arguments.port):
        print(account.url, flush=True)
        await ended.wait()
