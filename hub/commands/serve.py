"""`qianda serve`, `work`: web and workers as processes under a supervisor, which replaces the command."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import socket
import time

from hub.commands.open_database import opened_database
from hub.commands.with_hub import check_current, real_settings
from hub.demo.guard import check_elsewhere
from hub.errors import BadInput
from hub.installation.data_folder import check_folder
from hub.processes.job import ServiceJob
from hub.processes.supervisor import SupervisorPlan, become_supervisor
from hub.settings import Settings
from hub.store.server.installation import find_binding, kind_of

# Seconds that a process that is just ending gets to free its port.
PORT_TIMEOUT = 5.0
MAX_PORT = 65535
_OTHER_PORT = "QIANDA_PORT (or `make run PORT=…`; of a worker QIANDA_WORK_PORT) chooses another port"


def serve_command() -> None:
    """Serve the pages and the API."""
    run_processes("web")


def work_command() -> None:
    """Run workers: reminders, messages, sealing. There may be any number of them, on any number of machines."""
    run_processes("work")


def run_processes(*kinds: str) -> None:
    """Check settings, ports and database; then become the supervisor of these kinds of processes."""
    settings = real_settings()
    jobs = [(kind, each) for kind in kinds for each in _settings_of_jobs(kind, settings)]
    for kind, each in jobs:
        check_port(each.host, each.port) if kind == "web" else check_port(each.work_host, each.work_port)
    with opened_database(settings) as (server, dsns):
        check_elsewhere(os.environ, asyncio.run(kind_of(dsns.app)))
        asyncio.run(check_current(dsns.app))
        check_folder(settings.data, asyncio.run(find_binding(dsns.app)))
        data = settings.data if server else None
        packed = [ServiceJob(kind, pickle.dumps(each), dsns.app, False, data) for kind, each in jobs]
        become_supervisor(SupervisorPlan(tuple(packed), data))


def _settings_of_jobs(kind: str, settings: Settings) -> list[Settings]:
    """Return the settings for each process of a kind. The workers' health ports are consecutive. Raises BadInput if
    there are not enough ports."""
    if kind == "web":
        return [settings]
    first, number = settings.work_port, settings.workers
    if first + number - 1 > MAX_PORT:
        raise BadInput(f"work_port: {number} workers need as many ports from {first} on", field="work_port")
    ports = [first + place if first else 0 for place in range(number)]
    return [settings.model_copy(update={"work_port": port}) for port in ports]


def check_port(host: str, port: int) -> None:
    """Raise BadInput if another process listens on the port; 0 means no port. A process that is just ending gets
    PORT_TIMEOUT seconds."""
    if not port:
        return
    deadline = time.monotonic() + PORT_TIMEOUT
    while True:
        try:
            with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
                return
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise BadInput(f"this machine has no address {host}: use one of its own addresses") from error
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                reason = f"cannot listen on {host}:{port} ({error.strerror})"
                raise BadInput(f"{reason}; {_OTHER_PORT}") from error
        time.sleep(0.1)
