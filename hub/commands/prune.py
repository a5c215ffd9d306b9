"""`qianda prune`: delete what has been kept long enough, or show what would be deleted. The hub may keep running."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.with_hub import say, with_hub
from hub.model.evidence.retention import ORPHAN_FILES, SUPERSEDED_FILES
from hub.model.staff.administration import COMMAND_LINE

if TYPE_CHECKING:
    from hub.wiring import Hub

# What each kind of file is. The kinds of rows are named after their tables.
FILES = {
    SUPERSEDED_FILES: "prepared files and earlier versions that are the beginning of a later file, by request",
    ORPHAN_FILES: "stored files that no row names",
}
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted, and delete nothing.")]


def prune_command(dry_run: DryRun = False) -> None:
    """Delete what has been kept long enough: old rows, and files that are no longer needed, but never evidence."""

    async def show(hub: Hub) -> None:
        from hub.lifecycle.evidence.retention import list_prunable

        say(f"{'kind':18}{'kept':>8}{'number':>12}{'bytes':>16}  what")
        number = size = 0
        async for each in list_prunable(hub.services):
            say(f"{each.kind:18}{_age(each.kept):>8}{each.number:12,}{each.size:16,}  {_what(each.kind)}")
            number, size = number + each.number, size + each.size
        say(f"{'together':18}{'':8}{number:12,}{size:16,}  rows without their indexes")
        say("Nothing was deleted. `qianda prune` deletes it.")
        for table, reason in _kept().items():
            say(f"{table:24}  kept: it {reason}")

    async def delete(hub: Hub) -> None:
        from hub.lifecycle.evidence.retention import prune

        async for kind, number in prune(hub.services, COMMAND_LINE.actor):
            if number:
                say(f"{kind:18}{number:12,} deleted")
        say("Done, and noted in the school's record (`qianda school record`).")

    with_hub(show if dry_run else delete)


def _age(kept: timedelta) -> str:
    return f"{kept.days} d" if kept.days else f"{kept.seconds // 3600} h"


def _what(kind: str) -> str:
    from hub.store.evidence.old_rows import OLD_ROWS

    if kind in FILES:
        return FILES[kind]
    rows = OLD_ROWS[kind]
    return f"{rows.table}.{rows.freed} is emptied" if rows.freed else rows.table


def _kept() -> dict[str, str]:
    from hub.store.evidence.old_rows import KEPT

    return dict(KEPT)
