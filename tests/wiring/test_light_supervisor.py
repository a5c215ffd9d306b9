"""A supervisor imports nothing but what starts processes and the database. It is there all the time."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.checkout import ROOT

MODULES = "import json, sys, hub.processes.supervisor; print(json.dumps(sorted(sys.modules)))"
# All that it may import of ours.
OURS = {
    "hub",
    *(
        "hub.errors",
        "hub.errors.accounts",
        "hub.errors.answers",
        "hub.errors.certificates",
        "hub.errors.enrolments",
        "hub.errors.files",
        "hub.errors.kinds",
        "hub.errors.seal_jobs",
        "hub.errors.seals",
        "hub.errors.texts",
    ),
    *("hub.processes", "hub.processes.job", "hub.processes.streams", "hub.processes.supervisor"),
    *("hub.store", "hub.store.server", "hub.store.server.embedded", "hub.store.server.system_account"),
    *("hub.store.server.moved_database", "hub.durable_files"),
}


def test_a_supervisor_imports_only_the_start_of_the_database() -> None:
    ended = subprocess.run([sys.executable, "-c", MODULES], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(json.loads(ended.stdout))
    assert {name for name in modules if name.partition(".")[0] == "hub"} == OURS
    tops = {name.partition(".")[0] for name in modules}
    assert {"asyncio", "aiohttp", "pydantic", "sqlalchemy", "structlog", "typer"} & tops == set()
