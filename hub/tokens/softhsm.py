"""A SoftHSM2 token in a folder: the key device of the demo and of tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import structlog

from hub.durable_files import write_durably
from hub.errors import TokenUnavailable

log = structlog.get_logger()

DEBIAN_MODULE: Final = Path("/usr/lib/softhsm/libsofthsm2.so")
INSTALL: Final = "SoftHSM2 is not installed: apt-get install softhsm2"
DEADLINE: Final = 30.0  # seconds


class _ProcessLock:
    """A lock that only one thread of all processes holds at a time. The same thread may acquire it again."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        # The configuration (SOFTHSM2_CONF) with which a module of this process was initialised.
        self.initialised_with: str | None = None
        self._thread = threading.RLock()
        self._depth = 0
        self._file: IO[str] | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._thread:
            if self._depth == 0 and self.folder and self.folder.is_dir():
                self._file = (self.folder / "in-use.lock").open("a")
                fcntl.flock(self._file, fcntl.LOCK_EX)
            self._depth += 1
            try:
                if self._depth == 1 and self._file and self.folder:
                    _keep_whole(self.folder)
                yield
            finally:
                self._depth -= 1
                if self._depth == 0 and self._file:
                    self._file.close()
                    self._file = None

    def held(self) -> list[int]:
        """Return the descriptor of the lock that this thread holds, for a program that is to hold it as well."""
        return [self._file.fileno()] if self._file else []


# Held around everything that makes SoftHSM read or rewrite the files of its tokens: initialising, finding a token,
# logging in, generating a key. SoftHSM rewrites the token's file in place at every login. A process that initialises at
# that moment does not find the token (measured: one time in four while another process kept logging in). The lock does
# nothing for a token that `create_token` did not make. Entering it raises TokenUnavailable if a token's file cannot be
# kept.
undisturbed = _ProcessLock()


def _keep_whole(folder: Path) -> None:
    """Keep a copy of each token's file, and put it back if a killed process left the file empty.

    SoftHSM empties the file before it writes it. Whoever is killed in between, or has no room on the disk, would lose
    the token with all its keys. Raises TokenUnavailable if no copy can be made.
    """
    try:
        for file in folder.glob("tokens/*/token.object"):
            copy, content = folder / f"{file.parent.name}.copy", file.read_bytes()
            kept = copy.read_bytes() if copy.exists() else b""
            if content and content != kept:
                write_durably(copy, content)
            elif kept and not content:
                write_durably(file, kept)
                log.warning("token put back", file=str(file))
    except OSError as error:
        raise TokenUnavailable(f"the file of the token cannot be kept safe: {error}") from error


def module_path() -> Path:
    """Return the path of SoftHSM2's PKCS#11 module. Raises TokenUnavailable, with the command that installs it."""
    candidates = [DEBIAN_MODULE]
    if utility := shutil.which("softhsm2-util"):
        prefix = Path(utility).resolve().parent.parent
        candidates += [prefix / folder / "softhsm" / "libsofthsm2.so" for folder in ("lib", "lib64")]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise TokenUnavailable(INSTALL)


def create_token(folder: Path, label: str, pin: str) -> None:
    """Create the token `label` in `folder` (0700) unless it exists, and let this process use that folder.

    Call it before the module is loaded: SoftHSM reads SOFTHSM2_CONF when it is initialised. An existing token is left
    as it is, whatever the PIN. Raises TokenUnavailable if softhsm2-util is missing or fails, or if the module has been
    loaded for another folder.
    """
    for path in (folder, folder / "tokens"):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    with _configured(folder), undisturbed():
        if label not in _labels():
            _softhsm("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", pin)


def use_token(folder: Path) -> None:
    """Make this process use the tokens in `folder`, made by `create_token`. Call it before the module is loaded.

    Raises TokenUnavailable if the module has been loaded for another folder.
    """
    with _configured(folder):
        pass


@contextmanager
def _configured(folder: Path) -> Iterator[None]:
    configuration = folder / "softhsm2.conf"
    if undisturbed.initialised_with not in (None, str(configuration)):  # its tokens would be looked for there
        raise TokenUnavailable(f"this process has opened other tokens already: those of {undisturbed.initialised_with}")
    with (folder / "create.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # web and worker start at the same moment, and must not create two tokens
        _configure(configuration, folder / "tokens")
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        undisturbed.folder = folder
        yield


def _configure(configuration: Path, tokens: Path) -> None:
    """Write the configuration in one step, and only if it differs.

    A process that read half of it would look for the token in the wrong place.
    """
    wanted = f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    if configuration.exists() and configuration.read_text(encoding="utf-8") == wanted:
        return
    fresh = configuration.with_name(f".{configuration.name}.{os.getpid()}")
    fresh.write_text(wanted, encoding="utf-8")
    fresh.replace(configuration)


def _labels() -> list[str]:
    lines = (line.strip() for line in _softhsm("--show-slots").splitlines())
    return [line.removeprefix("Label:").strip() for line in lines if line.startswith("Label:")]


def _softhsm(*arguments: str) -> str:
    """Run softhsm2-util within `undisturbed`, and return its output. Raises TokenUnavailable.

    It holds the lock too. If we are killed, the next start waits until it has ended, and finds the token that it made.
    """
    utility = shutil.which("softhsm2-util")
    if utility is None:
        raise TokenUnavailable(INSTALL)
    try:
        done = subprocess.run(
            [utility, *arguments],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
            pass_fds=undisturbed.held(),
        )
    except subprocess.TimeoutExpired as error:
        raise TokenUnavailable("softhsm2-util did not answer") from error
    if done.returncode != 0:
        raise TokenUnavailable(f"softhsm2-util failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
