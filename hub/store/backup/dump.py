"""Dump a database and load it again, with PostgreSQL's own programs, as the role `owner`."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from hub.errors import DatabaseUnavailable
from hub.store.server.embedded import EmbeddedPostgres, find_programs

# Lines at the beginning of a dump that older servers (before 17) do not understand, and that change nothing.
NEWER_ONLY = frozenset({b"SET transaction_timeout = 0;\n"})
# How many of the first lines of a dump are searched for those of NEWER_ONLY.
PREAMBLE_LINES = 40


@dataclass(frozen=True)
class DumpAccess:
    """How PostgreSQL's programs reach a database. `programs`: their folder. `environment`: their environment."""

    dsn: str
    programs: Path
    environment: Mapping[str, str]


def access_to(dsn: str, server: EmbeddedPostgres | None, server_major: int) -> DumpAccess:
    """Return the access as the role `owner`: to the embedded server, or to another one of this major version.

    The password is passed in the environment, since others can read the arguments of a process. Raises
    DatabaseUnavailable where there are no programs that are new enough for the server.
    """
    # The programs run with our own system account, because the embedded server lets nobody else in.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C.UTF-8"}
    if server:
        return DumpAccess(dsn, server.programs, environment)
    parts = urlsplit(dsn)
    if parts.password:
        environment["PGPASSWORD"] = unquote(parts.password)
        dsn = urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@", 1)))
    return DumpAccess(dsn, _programs_for(server_major), environment)


def _programs_for(server_major: int) -> Path:
    """Return programs of this major version or a newer one: the wheel's, or those on the PATH."""
    on_path = shutil.which("pg_dump")
    for folder in (find_programs(), *([Path(on_path).parent] if on_path else [])):
        program = folder / "pg_dump"
        if program.exists() and _major(program) >= server_major and (folder / "psql").exists():
            return folder
    raise DatabaseUnavailable(
        f"there are no pg_dump and psql for PostgreSQL {server_major}: install postgresql-client-{server_major}"
    )


def _major(program: Path) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.search(r"(\d+)(\.|\s|$)", told)
    return int(found[1]) if found else 0


@contextlib.contextmanager
def stream_dump(access: DumpAccess) -> Iterator[IO[bytes]]:
    """Yield the stream of one consistent dump (custom format). At the end raise DatabaseUnavailable if it failed."""
    words = ["pg_dump", "--format=custom", "--no-owner", f"--dbname={access.dsn}"]
    with _running(access, words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as (process, complaints):
        assert process.stdout is not None
        yield process.stdout
    _check(process, "pg_dump", complaints)


def load(access: DumpAccess, dump: Path, then: str = "") -> None:
    """Load a dump into an empty database, in one transaction with the statements `then`. Raises DatabaseUnavailable;
    then nothing was loaded, nor if this process is killed."""
    with (
        dump.open("rb") as source,
        _running(access, ["pg_restore", "--no-owner", "--file=-"], stdin=source, stdout=subprocess.PIPE) as made,
        _running(access, _psql(access), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as loading,
    ):
        (restoring, of_restore), (psql, of_psql) = made, loading
        assert restoring.stdout is not None and psql.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # psql has ended, and says why
            # Not --single-transaction: psql commits at the end of its input, which is also there if we are killed.
            psql.stdin.write(b"BEGIN;\n")
            for number, line in enumerate(restoring.stdout):
                if number > PREAMBLE_LINES or line not in NEWER_ONLY:
                    psql.stdin.write(line)
            if restoring.wait() == 0:
                psql.stdin.write(f"{then}\nCOMMIT;\n".encode())
            psql.stdin.close()
        psql.wait()
    _check(restoring, "pg_restore", of_restore)
    _check(psql, "psql", of_psql)


def _psql(access: DumpAccess) -> list[str]:
    return ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={access.dsn}"]


@contextlib.contextmanager
def _running(
    access: DumpAccess, words: list[str], **pipes: Any
) -> Iterator[tuple[subprocess.Popen[bytes], list[bytes]]]:
    """Run a program until the end of the block, and read its standard error meanwhile. Kill it on an error."""
    command = [str(access.programs / words[0]), *words[1:]]
    complaints: list[bytes] = []
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=access.environment, **pipes)
    assert process.stderr is not None
    reader = threading.Thread(target=lambda: complaints.append(process.stderr.read()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    try:
        yield process, complaints
    except BaseException:
        process.kill()
        raise
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        process.wait()
        reader.join()
        process.stderr.close()


def _check(process: subprocess.Popen[bytes], name: str, complaints: list[bytes]) -> None:
    if process.returncode != 0:
        said = b"".join(complaints).decode(errors="replace").strip()[-1000:]
        raise DatabaseUnavailable(f"{name} failed: {said}")
