"""`qianda demo`: everything on this machine, with a demo school."""

from __future__ import annotations

import asyncio
import os
import pickle
import secrets
from dataclasses import replace
from datetime import UTC, datetime

from hub.commands.open_database import made_database
from hub.commands.serve import check_port
from hub.commands.with_hub import load_settings
from hub.demo.guard import check_demo, check_demo_database, lan_address
from hub.demo.tls import at_its_own_address, how_to_try, make_certificates
from hub.durable_files import read_or_create
from hub.model.staff.scope import EVERYTHING
from hub.processes.job import ServiceJob
from hub.processes.supervisor import Greeting, SupervisorPlan, become_supervisor
from hub.settings import PACKED, Settings
from hub.store.server.connections import Dsns
from hub.store.server.installation import kind_of, mark

DEMO_LOGIN = "demo"


def demo_command() -> None:
    """Run everything on this machine with a demo school. For trial only: a real database or channel is refused."""
    settings = at_its_own_address(load_settings())
    check_demo(settings)
    check_port(settings.host, settings.port)
    with made_database(settings) as (_, dsns):
        asyncio.run(_prepare_demo_database(dsns))
        certificates = make_certificates(settings, datetime.now(UTC))
        greeting = _greeting(settings, *asyncio.run(_prepare_demo(settings, dsns)))
        web = ServiceJob("web", pickle.dumps(settings), dsns.app, True, settings.data, certificates)
        jobs = (web, replace(web, kind="work", certificates=None))
        address = (settings.host, settings.port)
        become_supervisor(SupervisorPlan(jobs, settings.data, Greeting(address, greeting)))


async def _prepare_demo_database(dsns: Dsns) -> None:
    """Migrate the database and mark it as a demo's. Any other database is refused before it is changed."""
    from hub.store.server.migrate import migrate

    check_demo_database(await kind_of(dsns.owner) or "demo")
    await migrate(dsns.owner)
    check_demo_database(await mark(dsns.owner, "demo", datetime.now(UTC)))


async def _prepare_demo(settings: Settings, dsns: Dsns) -> tuple[str, str]:
    """Make keys and certificates, load the school and its roster, and add a login. Return the API key and the
    password."""
    from hub.initialise import initialise
    from hub.lifecycle.school.import_roster import load_roster, load_school, put_staff_and_key
    from hub.wiring import build

    api_key = _demo_secret(settings, "api-key", "QIANDA_DEMO_API_KEY")
    password = _demo_secret(settings, "password", "QIANDA_DEMO_PASSWORD")
    await initialise(settings, dsns.owner)
    hub = await build(settings, dsns.app, demo=True)
    try:
        await load_school(hub.database, PACKED / "demo" / "seeds")
        await put_staff_and_key(hub.database, login=DEMO_LOGIN, password=password, api_key=api_key)
        async with hub.database.transaction(EVERYTHING) as tx:
            is_loaded = await tx.school.count_open_enrolments() > 0
        if not is_loaded:
            roster = await asyncio.to_thread((PACKED / "demo" / "seeds" / "roster.xlsx").read_bytes)
            await load_roster(hub.database, hub.services.clock, roster, EVERYTHING)
    finally:
        await hub.close()
    return api_key, password


def _demo_secret(settings: Settings, name: str, variable: str) -> str:
    """Return the secret from the environment variable; otherwise the one that an earlier start generated, or a new one.

    It is stored, so that the old login still works after a second start.
    """
    folder = settings.data / "demo"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.environ.get(variable) or read_or_create(folder / name, lambda: secrets.token_urlsafe(16))


def _greeting(settings: Settings, api_key: str, password: str) -> str:
    origin = settings.public_origin
    return f"""
Qianda 签达 demo: {origin}
{how_to_try(origin) if lan_address(settings.host) else ""}
  staff          {origin}/staff/    login {DEMO_LOGIN}   password {password}
  pretend phone  {origin}/demo/phone
  API key        {api_key}     {origin}/api/openapi.json

This is a demo. Its certificates and timestamps come from the built-in authority: for trial and internal use only.
Its messages reach nobody but the pretend phone. Press Ctrl-C to stop.
"""
