"""Run authority, timestamp service and seal service as separate programs, and configure the hub for them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

from bench.programs.server import ROOT
from bench.services import SEAL_ACCESS, SEAL_CREDENTIAL
from bench.stage import Stage
from hub.settings import Settings

STOP_TIMEOUT = 10


@contextlib.asynccontextmanager
async def outside(stage: Stage, lose: float, delay: float) -> AsyncIterator[Mapping[str, Any]]:
    """Run all three services, each with a ledger in the stage's folder. They answer after `delay` seconds and lose the
    share `lose` of their replies. Yield the sections of the configuration."""
    trouble = ("--lose", str(lose), "--delay", str(delay))
    async with AsyncExitStack() as stack:
        authority = await stack.enter_async_context(_running(stage, "authority", *trouble))
        timestamps = await stack.enter_async_context(_running(stage, "timestamps", *trouble))
        named = ("--authority", authority, "--organisation", Settings.load().school.name)
        seal = await stack.enter_async_context(_running(stage, "seal", *trouble, *named))
        certificate = str(stage.folder / "authority" / "ca.pem")
        yield {
            "authority": "outside",
            "authorities": {"outside": _authority(authority, certificate)},
            "timestamps": {
                "kind": "rfc3161",
                "url": f"{timestamps}/tsr",
                "certificates": [str(stage.folder / "timestamps" / "tsa.pem")],
            },
            "seal": {
                "kind": "csc",
                "url": f"{seal}/csc/v2",
                "credential": SEAL_CREDENTIAL,
                "access_token": SEAL_ACCESS,
                "trusted": [certificate],
            },
        }


def _authority(origin: str, certificate: str) -> Mapping[str, Any]:
    body = {"name": "{name}", "number": "{pseudonym}", "publicKey": "{spki}", "days": "{days:number}"}
    return {
        "kind": "http_json",
        "url": origin,
        "chain": [certificate],
        "certificate": "certificate",
        "enrol": {"path": "/certificates", "body": body, "success": {"code": ["0"]}},
    }


@contextlib.asynccontextmanager
async def _running(stage: Stage, name: str, *options: str) -> AsyncIterator[str]:
    """Run one service and yield its address."""
    folder, ledger = stage.folder / name, stage.ledger(name)
    command = [sys.executable, "-m", f"bench.services.{name}", str(folder), "--ledger", str(ledger), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout
    try:
        address = (await asyncio.to_thread(process.stdout.readline)).decode().strip()
        if not address:
            raise RuntimeError(f"the {name} service did not start")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, STOP_TIMEOUT)
        process.stdout.close()
