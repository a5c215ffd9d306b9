"""Keep the plans of the files that this process wrote last, so that the next step need not read the file for its plan.

A plan is found by the end of a file, where our own writing has a random /ID, and believed only where the SHA-256 of the
whole file is the one that was written: the step needs that hash anyway, and goes on from it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

from hub.documents.pades.plan import Plan, name_in_store
from hub.documents.pades.steps import Reserved, Sha256State

# Bytes at the end of a file that hold the trailer of its last revision.
_END_BYTES = 256


@dataclass(frozen=True)
class _WrittenFile:
    """`digest`: SHA-256 of the file without its `gap`, which a signature fills later; no gap: of the whole file."""

    plan: Plan
    digest: bytes
    gap: tuple[int, int] | None = None


@dataclass(frozen=True)
class HashedFile:
    """A file's plan, and the state of SHA-256 behind its last byte."""

    state: Sha256State
    plan: Plan


class KnownFiles:
    """Threads may share it."""

    def __init__(self, kept: int) -> None:
        self._files: OrderedDict[bytes, _WrittenFile] = OrderedDict()
        self._kept = kept
        self._lock = threading.Lock()

    def remember(self, file: bytes, plan: Plan) -> None:
        """Note the plan of a file that was just written."""
        self._put(file, _WrittenFile(plan, hashlib.sha256(file).digest()))

    def remember_reserved(self, file: bytes, reserved: Reserved) -> None:
        """Note the plan of a file with an empty place: it is found again once a signature fills the place."""
        self._put(file, _WrittenFile(reserved.plan, reserved.digest, reserved.gap))

    def look_up(self, file: bytes) -> tuple[Sha256State, Plan | None]:
        """Return the state of SHA-256 behind the file's last byte, and its plan if this process wrote it."""
        with self._lock:
            written = self._files.get(file[-_END_BYTES:])
            if written is not None:
                self._files.move_to_end(file[-_END_BYTES:])
        if written is None or written.plan.length != len(file):
            return hashlib.sha256(file), None
        if written.gap is None:
            whole = hashlib.sha256(file)
            return whole, written.plan if whole.digest() == written.digest else None
        start, end = written.gap
        view = memoryview(file)
        whole = hashlib.sha256(view[:start])
        without_gap = whole.copy()
        without_gap.update(view[end:])
        whole.update(view[start:])
        if without_gap.digest() != written.digest:
            return whole, None
        return whole, _with_signature(written.plan, file[start + 1 : end - 1])

    def _put(self, file: bytes, written: _WrittenFile) -> None:
        if not self._kept:
            return
        with self._lock:
            self._files[file[-_END_BYTES:]] = written
            while len(self._files) > self._kept:
                self._files.popitem(last=False)


def _with_signature(plan: Plan, digits: bytes) -> Plan:
    """Return the plan with the name that the signature in the place has in the store."""
    signatures = {
        field: replace(each, value=replace(each.value, vri=name_in_store(digits)))
        if each.value is not None and not each.value.vri
        else each
        for field, each in plan.signatures.items()
    }
    return replace(plan, signatures=signatures)
