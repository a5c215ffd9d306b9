"""A user of an embedded database, as a process of its own: starts or adopts it, writes a note, leaves when told to.

    python embedded_user.py DATA-FOLDER STATE-FOLDER PROGRAMS

It needs nothing but the two modules under test and the standard library, so that any account can run it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from hub.store.server.embedded import EmbeddedPostgres

WRITE = """DO $$ BEGIN
    PERFORM pg_advisory_xact_lock(1);
    CREATE TABLE IF NOT EXISTS note (text text);
    INSERT INTO note SELECT 'note ' || count(*) + 1 FROM note;
END $$"""


def write_note(database: EmbeddedPostgres) -> list[str]:
    """Add a note as the role `owner`. Return all notes."""
    where = parse_qs(urlsplit(database.dsn("owner")).query)
    command = [str(database.programs / "psql"), "-h", where["host"][0], "-p", where["port"][0], "-U", "owner"]
    command += ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", "qianda"]
    command += ["-c", "SET client_min_messages = warning", "-c", WRITE, "-c", "SELECT text FROM note ORDER BY text"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split("\n")[:-1]


def main() -> None:
    folder, state, programs = (Path(word) for word in sys.argv[1:4])
    database = EmbeddedPostgres(folder, programs=programs, state_folder=state, durable=False).start()
    notes = write_note(database)
    print(json.dumps({"pid": database.server_pid(), "home": str(database.home), "notes": notes}), flush=True)
    sys.stdin.read()
    print(json.dumps({"down": database.stop()}), flush=True)


if __name__ == "__main__":
    main()
