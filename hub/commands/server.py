"""`qianda database create-roles` and `move`: use a separate PostgreSQL server."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated
from urllib.parse import urlsplit

import typer

from hub.commands.with_hub import Commands, real_settings, say
from hub.settings import DATABASE_ADMIN
from hub.store.server.connections import DATABASE, DATABASE_OWNER
from hub.store.server.embedded import DATABASE as DATABASE_NAME

app = Commands(no_args_is_help=True, help="Use a separate PostgreSQL server.")


@app.command("create-roles")
def create_roles_command(
    database: Annotated[str, typer.Option(help="The database to create.")] = DATABASE_NAME,
    host: Annotated[str, typer.Option(help="Host and port for the printed addresses.")] = "HOST",
    execute: Annotated[
        bool, typer.Option("--execute", help=f"Execute them as the administrator in {DATABASE_ADMIN}. [default: print]")
    ] = False,
    new_passwords: Annotated[
        bool, typer.Option("--new-passwords", help="Keep what exists, and set new passwords.")
    ] = False,
) -> None:
    """Print or execute the statements that create the roles and the database. Their passwords are generated."""
    from hub.store.server.server_roles import ROLES, create_roles, plan_roles

    if execute:
        admin = os.environ.get(DATABASE_ADMIN) or typer.prompt("Administrator's address", hide_input=True, err=True)
        plan = asyncio.run(create_roles(admin, database, renew=new_passwords))
        host = host if host != "HOST" else urlsplit(admin).netloc.rpartition("@")[2]
    else:
        plan = plan_roles(database, frozenset(ROLES) if new_passwords else frozenset(), has_database=new_passwords)
        for statement in plan.statements:
            say(f"{statement};")
    say("" if execute else "\n-- The settings, not shown again. Processes that serve need only the first:")
    for setting, role in ((DATABASE, "app"), (DATABASE_OWNER, "owner")):
        say(f"{'' if execute else '-- '}{setting}={plan.address(role, host)}")


@app.command("move")
def move_command() -> None:
    """Move the embedded database to the empty one that the settings name, compare both, and mark the old one as moved.
    Stop `serve` and `work` first."""
    from hub.maintenance.database_move import move_database

    compared = move_database(real_settings())
    rows = sum(int(number) for name, number in compared.items() if name != "records")
    say(f"Moved: {len(compared) - 1} tables, {rows:,} rows. Roots of all records: {compared['records'][:16]}…")
    say(f"Keep {DATABASE}, remove {DATABASE_OWNER}, and start `qianda serve` and `qianda work`.")
