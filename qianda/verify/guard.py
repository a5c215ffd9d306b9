"""Verify in a child process with limits on time and memory, for files from strangers."""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qianda.verify import reasons
from qianda.verify.findings import Reason, UnreadableDocument

if TYPE_CHECKING:
    from qianda.verify.elements import VerificationReport
    from qianda.verify.expectation import Expectation

CPU_LIMIT, WAIT_TIMEOUT = 60.0, 120.0
MEMORY = 2 << 30  # bytes of address space
# A ZIP file with one of these endings is treated as an evidence package, even if its mimetype is in the wrong place.
PACKAGE_SUFFIXES = (".zip", ".asice")
NICENESS = 10  # gives a tenth of the CPU share of competing processes
# The signal that ends a process whose CPU time is used up (not on Windows).
USED_UP = getattr(signal, "SIGXCPU", 0)
# Python's variable for `-P`. It is set only for a moment, since other children may need the working folder.
_SAFE_PATH = "PYTHONSAFEPATH"
_STARTING = threading.Lock()


def verify_guarded(
    path: Path,
    trust_files: Sequence[Path],
    expected: Expectation | None = None,
    *,
    cpu_seconds: float = CPU_LIMIT,
    wait_seconds: float = WAIT_TIMEOUT,
) -> VerificationReport:
    """Check a file as `verify_file` does, in a child process with low priority and a limit of CPU time.

    Raises as `check_guarded` does.
    """
    check = CheckCall("qianda.verify", "verify_file", path, tuple(trust_files), expected)
    report: VerificationReport = check_guarded(check, cpu_seconds=cpu_seconds, wait_seconds=wait_seconds)
    return report


@dataclass(frozen=True)
class CheckCall:
    """A call of `function(path, trust, expected)` in a module that is imported only in the child, under its limits."""

    module: str
    function: str
    path: Path | tuple[Path, Path]
    trust_files: tuple[Path, ...]
    expected: Expectation | None


def is_package(path: Path) -> bool:
    """Return whether this ZIP file is meant to be an evidence package, and not an OFD. Raises OSError.

    The first member is its type (EN 319 162-1, A.1). Whether the package is valid is checked later.
    """
    with path.open("rb") as opened:
        start = opened.read(38)
    return start.startswith(b"PK") and (start.endswith(b"mimetype") or path.suffix.lower() in PACKAGE_SUFFIXES)


def is_addendum(path: Path) -> bool:
    """Return whether this package is meant to be an addendum, in which the name of its package comes right after the
    type. Raises OSError."""
    with path.open("rb") as opened:
        start = opened.read(128)
    return is_package(path) and b"addendum.json" in start


def call_for_package(path: Path, trust_files: Sequence[Path], expected: Expectation | None = None) -> CheckCall:
    """Return the check of an evidence package, whose report is a `qianda.evidence.package_check.PackageReport`."""
    return CheckCall("qianda.evidence.package_check", "check_package_file", path, tuple(trust_files), expected)


def check_guarded(check: CheckCall, *, cpu_seconds: float = CPU_LIMIT, wait_seconds: float = WAIT_TIMEOUT) -> Any:
    """Make a check in a child process, and return its report.

    Raises UnreadableDocument (also if the child ran out of CPU time or crashed), TimeoutError if there was no answer
    within `wait_seconds`, which says nothing about the file, UnreadableTrust or OSError. The calling program must be
    importable without side effects (multiprocessing, start method "spawn").
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(sender, check, cpu_seconds), daemon=True)
    with _apart_from_this_folder():
        child.start()
    sender.close()
    try:
        if not receiver.poll(wait_seconds):
            raise TimeoutError(f"the check had no answer within {wait_seconds:.0f} seconds")
        return _told(receiver)
    except EOFError as error:
        child.join()
        used_up = child.exitcode is not None and -child.exitcode == USED_UP
        raise UnreadableDocument(
            reasons.TOO_SLOW.about(seconds=round(cpu_seconds)) if used_up else reasons.CRASHED
        ) from error
    finally:
        child.kill()
        child.join()
        receiver.close()


@contextlib.contextmanager
def _apart_from_this_folder() -> Iterator[None]:
    """Keep child processes that start in this context from importing modules from the working folder, where a
    stranger's `multiprocessing.py` may lie beside a stranger's file."""
    with _STARTING:
        before = os.environ.get(_SAFE_PATH)
        os.environ[_SAFE_PATH] = "1"
        try:
            yield
        finally:
            del os.environ[_SAFE_PATH]
            if before is not None:
                os.environ[_SAFE_PATH] = before


def _told(receiver: Connection) -> Any:
    kind, value = receiver.recv()
    if isinstance(value, Reason):
        raise UnreadableDocument(value)
    if kind == "error":
        raise value
    return value


def _child(sender: Connection, check: CheckCall, cpu_seconds: float) -> None:
    _let_others_go_first()
    _limit(cpu_seconds)
    function = getattr(importlib.import_module(check.module), check.function)  # slow to import: under the limits
    from qianda.verify.trust import Trust, UnreadableTrust

    logging.getLogger("pyhanko").setLevel(logging.CRITICAL)  # a refused signature is an answer, not a warning
    logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)
    try:
        sender.send(("report", function(check.path, Trust.load(check.trust_files), check.expected)))
    except UnreadableDocument as error:
        sender.send(("unreadable", error.reason))
    except (UnreadableTrust, OSError) as error:
        sender.send(("error", error))
    except (MemoryError, RecursionError):
        sender.send(("unreadable", reasons.TOO_COMPLEX))


def _let_others_go_first() -> None:
    """Lower the priority of this process, if the system can (not on Windows). It is not set to the lowest, because a
    check on a busy machine must still finish."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICENESS)
    with contextlib.suppress(AttributeError, OSError):  # Linux: never preempts another process when it wakes up
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _limit(cpu_seconds: float) -> None:
    """Limit CPU time and memory of this process, and forbid core dumps, if the system can (not on Windows)."""
    with contextlib.suppress(ImportError):
        import resource

        seconds = max(1, math.ceil(cpu_seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
