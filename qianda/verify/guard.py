"""Verification in a child process with limits on time and memory: what a stranger's file deserves."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from qianda.verify import reasons
from qianda.verify.findings import Reason, UnreadablePdf

if TYPE_CHECKING:
    from qianda.verify.elements import Report
    from qianda.verify.expectation import Expectation

SECONDS = 60
MEMORY = 2 << 30  # bytes of address space


def verify_guarded(
    path: Path, trust_files: Sequence[Path], expected: Expectation | None = None, *, seconds: float = SECONDS
) -> Report:
    """As `verify_file`, in a child that is ended after `seconds`.

    Raises UnreadablePdf (also for a child that ran too long or broke down), UnreadableTrust or OSError. The program
    that calls this must be importable without side effects (multiprocessing, start method "spawn").
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(sender, path, tuple(trust_files), expected, seconds), daemon=True)
    child.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise UnreadablePdf(reasons.TOO_SLOW.about(seconds=round(seconds)))
        return _told(receiver)
    finally:
        child.kill()
        child.join()
        receiver.close()


def _told(receiver: Connection) -> Report:
    try:
        kind, value = receiver.recv()
    except EOFError as error:
        raise UnreadablePdf(reasons.CRASHED) from error
    if isinstance(value, Reason):
        raise UnreadablePdf(value)
    if kind == "error":
        raise value
    report: Report = value
    return report


def _child(
    sender: Connection, path: Path, trust_files: Sequence[Path], expected: Expectation | None, seconds: float
) -> None:
    from qianda.verify import verify_file
    from qianda.verify.trust import Trust, UnreadableTrust

    _limit(seconds)
    logging.getLogger("pyhanko").setLevel(logging.CRITICAL)  # a refused signature is an answer, not a warning
    logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)
    try:
        sender.send(("report", verify_file(path, Trust.load(trust_files), expected)))
    except UnreadablePdf as error:
        sender.send(("unreadable", error.reason))
    except (UnreadableTrust, OSError) as error:
        sender.send(("error", error))
    except (MemoryError, RecursionError):
        sender.send(("unreadable", reasons.TOO_COMPLEX))


def _limit(seconds: float) -> None:
    """Where the system knows such limits (not on Windows)."""
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
