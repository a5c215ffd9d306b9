"""A PostgreSQL server of Debian's, as an operator has one: over TCP, with passwords."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bench.programs.ports import free_port

# Roles and database like those of `qianda database create-roles`, with passwords.
PREPARE = """
CREATE ROLE owner LOGIN PASSWORD '{owner}'; CREATE ROLE app LOGIN PASSWORD '{app}';
CREATE DATABASE qianda OWNER owner;
REVOKE ALL ON DATABASE qianda FROM PUBLIC; GRANT CONNECT ON DATABASE qianda TO app;
"""
# The account of Debian's package; the server refuses to run as root.
ACCOUNT = "postgres"
# Seconds.
START_TIMEOUT = 60


@dataclass(frozen=True)
class ServerPostgres:
    """`owner`, `app` and `admin` are addresses with passwords; `programs` is the folder of pg_dump and pg_restore.

    `admin` may create roles and databases.
    """

    owner: str
    app: str
    programs: Path
    admin: str = ""

    def variables(self, *, as_owner: bool) -> dict[str, str]:
        """The settings that an operator exports; those who serve never see the owner's."""
        return {"QIANDA_DATABASE": self.app} | ({"QIANDA_DATABASE_OWNER": self.owner} if as_owner else {})


def debian_programs() -> Path:
    """Return the newest server's programs; skip the test where Debian's package is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("Debian's PostgreSQL is not installed")
    return found[-1].parent


@contextlib.asynccontextmanager
async def server_postgres(*, prepared: bool = True) -> AsyncIterator[ServerPostgres]:
    """Serve until the end, in a folder of its own. Unless `prepared` it has neither our roles nor the database."""
    programs, port = debian_programs(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="qianda-server-"))
    passwords = {name: secrets.token_hex(12) for name in ("postgres", "owner", "app")}
    become: dict[str, Any] = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if os.getuid() == 0 else {}
    if become:
        shutil.chown(folder, ACCOUNT, ACCOUNT)
    given = folder / "password"
    given.write_text(passwords["postgres"], "utf-8")
    given.chmod(0o644)
    made = ["initdb", "-D", "data", "-U", "postgres", "--auth=scram-sha-256", "--pwfile=password", "-E", "UTF8"]
    _initialise([str(programs / made[0]), *made[1:], "--locale=C"], folder, become)
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off"}
    command = [str(programs / "postgres"), "-D", "data", *(f"--{name}={value}" for name, value in options.items())]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **become)
    try:
        address = "postgresql://{user}:{password}@127.0.0.1:" + str(port) + "/{database}"
        admin = address.format(user="postgres", password=passwords["postgres"], database="postgres")
        await _prepare(admin, PREPARE.format(**passwords) if prepared else "")
        owner, app = (
            address.format(user=name, password=passwords[name], database="qianda") for name in ("owner", "app")
        )
        yield ServerPostgres(owner, app, programs, admin)
    finally:
        server.terminate()
        server.wait(START_TIMEOUT)
        shutil.rmtree(folder)


def _initialise(command: list[str], folder: Path, become: dict[str, Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, **become)
    assert done.returncode == 0, done.stderr


async def _prepare(superuser: str, statements: str) -> None:
    async with asyncio.timeout(START_TIMEOUT):
        while True:
            try:
                connection = await asyncpg.connect(superuser)
                break
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.05)
    try:
        for statement in statements.split(";"):
            if statement.strip():
                await connection.execute(statement)
    finally:
        await connection.close()
