"""A worker that only reminds does not import what lays out, signs or reads documents: that is imported where it is
used."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hub.initialise import initialise
from hub.lifecycle.contract.issue import issue
from hub.model.staff.scope import EVERYTHING
from hub.settings import Settings
from hub.store.server.installation import mark
from hub.wiring import build, utc_now
from tests.checkout import ROOT
from tests.database import Dsns
from tests.running import minor_with_guardian, prepare_school, token_settings

HEAVY = {
    "PIL", "alembic", "apprise", "argon2", "babel", "fontTools", "holidays", "jinja2", "limits", "lxml", "phonenumbers",
    "pikepdf", "pyhanko", "pyhanko_certvalidator", "pypdfium2", "python_calamine", "qrcode", "sqlalchemy.orm", "stdnum",
    "twilio", "typst", "xlsxwriter", "hub.lifecycle.sealing.finalise", "hub.lifecycle.contract.issue", "hub.web",
}  # fmt: skip
WORKER = """
import asyncio, json, sys
from hub.processes.child import quiet_logs
from hub.settings import Settings
from hub.wiring import build
from hub.worker.worker import Worker

async def work(settings, dsn):
    hub = await build(Settings.load(**settings), dsn, demo=True)
    try:
        return await Worker(hub).due_steps.sweep()
    finally:
        await hub.close()

quiet_logs()
print(json.dumps({"steps": asyncio.run(work(*json.loads(sys.argv[1]))), "modules": sorted(sys.modules)}))
"""


async def test_a_worker_that_has_sent_a_message_holds_none_of_the_heavy_libraries(
    database: Dsns, tmp_path: Path
) -> None:
    configured = {"data": str(tmp_path), "token": token_settings().model_dump(mode="json")}
    await mark(database.owner, "demo", utc_now())
    await initialise(Settings.load(**configured), database.owner)
    hub = await build(Settings.load(**configured), database.app, demo=True)
    try:
        await prepare_school(hub.database)
        contract = await issue(hub.services, EVERYTHING, minor_with_guardian(), "test")
        ended = await asyncio.to_thread(_work, [configured, database.app])
        async with hub.database.transaction(EVERYTHING) as tx:
            sent = [each.state for each in await tx.deliveries.list_of_contract(contract.id)]
    finally:
        await hub.close()
    assert (ended["steps"], sent) == (1, ["delivered"])
    assert HEAVY.isdisjoint(ended["modules"]), HEAVY.intersection(ended["modules"])


def _work(told: list[object]) -> dict[str, Any]:
    command = [sys.executable, "-c", WORKER, json.dumps(told)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found
