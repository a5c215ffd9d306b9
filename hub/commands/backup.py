"""`qianda pause`, `resume`: hold back messages, and release them. `qianda backup`, `restore`: one encrypted file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hub.commands.open_database import opened_database
from hub.commands.with_hub import first_line, load_settings, real_settings, say, with_hub
from hub.errors import BadInput
from hub.model.staff.administration import COMMAND_LINE
from hub.settings import BACKUP_PASSPHRASE

# Characters. A thief of the file could guess a shorter passphrase.
MIN_PASSPHRASE = 12

PassphraseFile = Annotated[
    Path | None, typer.Option(help=f"Its first line is the passphrase. [default: {BACKUP_PASSPHRASE}, or a question]")
]


def pause_command() -> None:
    """Pause sending: no invitation, reminder or notice is sent until `resume`. Pages and signatures keep working."""
    from hub.lifecycle.messaging.pause_sending import pause_sending

    begun = with_hub(lambda hub: pause_sending(hub.services, COMMAND_LINE.actor))
    say("Sending is paused. `qianda resume` releases the messages." if begun else "Sending was paused already.")


def resume_command() -> None:
    """Resume sending after `pause` or `restore`. Messages that became due in the meantime are sent."""
    from hub.lifecycle.messaging.pause_sending import resume_sending

    ended = with_hub(lambda hub: resume_sending(hub.services, COMMAND_LINE.actor))
    say("Sending has resumed." if ended else "Sending was not paused.")


def backup_command(
    file: Annotated[Path, typer.Argument(help="The file to write, which must not exist; or a folder.")],
    passphrase_file: PassphraseFile = None,
    keep: Annotated[
        int, typer.Option(min=0, show_default="all", help="Keep this many of the newest in the folder.")
    ] = 0,
) -> None:
    """Write one encrypted file with everything: database, files, keys, token, configuration. The hub may keep
    running."""
    from hub.maintenance.backup import back_up, delete_older, name_in

    settings = real_settings()
    folder = file if file.is_dir() else None
    if keep and folder is None:
        raise BadInput(f"--keep is for a folder, and there is no folder {file}: make or mount it", field="file")
    file = name_in(folder) if folder else file
    passphrase = _passphrase(passphrase_file, new=True)
    with opened_database(settings, as_owner=True) as (server, dsns):
        about = back_up(settings, dsns, server, file, passphrase)
    inside = "" if about.files else " Stored files are not in it: they are in the object store."
    deleted = delete_older(folder, keep) if folder and keep else 0
    inside += f" {deleted} older ones were deleted." if deleted else ""
    say(f"Backed up: {file}, {file.stat().st_size:,} bytes.{inside} Without its passphrase it is useless.")


def restore_command(
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")], passphrase_file: PassphraseFile = None
) -> None:
    """Restore a backup into an empty data folder and an empty database. Sending is paused until `resume`."""
    from hub.maintenance.backup import restore_embedded, restore_into

    settings = load_settings()
    if not file.is_file():
        raise BadInput(f"there is no file {file}", field="file")
    passphrase = _passphrase(passphrase_file, new=False)
    if settings.database:
        with opened_database(settings, as_owner=True) as (_, dsns):
            about = restore_into(settings.data, file, passphrase, dsns)
    else:
        about = restore_embedded(settings.data, file, passphrase)
    say(f"Restored: everything as it was at {about.made_at}, in {settings.data.absolute()}. Sending is paused.")
    say("Check `qianda doctor --records --files` and the console; then `qianda resume`.")


def _passphrase(file: Path | None, *, new: bool) -> str:
    """Return the passphrase from the file, from the environment, or as typed. Raises BadInput for a short one, and if
    there is none, because nobody is at a terminal."""
    if file:
        found = first_line(file)
    else:
        found = os.environ.get(BACKUP_PASSPHRASE) or _typed(confirmed=new)
    if new and len(found) < MIN_PASSPHRASE:
        raise BadInput(f"a passphrase needs {MIN_PASSPHRASE} characters or more", field="passphrase")
    return found


def _typed(*, confirmed: bool) -> str:
    if not sys.stdin.isatty():
        raise BadInput(f"no passphrase: set {BACKUP_PASSPHRASE}, or name a --passphrase-file")
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirmed, err=True))
