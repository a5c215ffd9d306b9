"""Keep the plans of the files that this process wrote last, so that the next step need not read the file for its plan.

A plan is looked up by the end of the file, which contains a random /ID. It is used only if the SHA-256 of the whole
file matches. The step needs that hash anyway, and continues from its state.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

from hub.content_hash import TELLING_BYTES, Sha256State, hash_beginning, hash_content
from hub.documents.pades.plan import Plan, name_in_store
from hub.documents.pades.steps import Reserved


@dataclass(frozen=True)
class _WrittenFile:
    """A file that was written. `digest`: SHA-256 of the whole file, without `gap` if a signature fills that later."""

    plan: Plan
    digest: bytes
    gap: tuple[int, int] | None = None


@dataclass(frozen=True)
class HashedFile:
    """A file's plan, and the state of SHA-256 after its last byte."""

    state: Sha256State
    plan: Plan


class KnownFiles:
    """The plans of the last `kept` files. Threads may share it."""

    def __init__(self, kept: int) -> None:
        self._files: OrderedDict[bytes, _WrittenFile] = OrderedDict()
        self._kept = kept
        self._lock = threading.Lock()

    def remember(self, file: bytes, plan: Plan) -> None:
        """Note the plan of a file that was just written."""
        self._put(file, _WrittenFile(plan, hash_content(file).digest()))

    def remember_reserved(self, file: bytes, reserved: Reserved) -> None:
        """Note the plan of a file with an empty place. It is still found once a signature fills the place."""
        self._put(file, _WrittenFile(reserved.plan, reserved.digest, reserved.gap))

    def look_up(self, file: bytes) -> tuple[Sha256State, Plan | None]:
        """Return the state of SHA-256 after the file's last byte, and its plan if this process wrote the file."""
        with self._lock:
            written = self._files.get(file[-TELLING_BYTES:])
            if written is not None:
                self._files.move_to_end(file[-TELLING_BYTES:])
        if written is None or written.plan.length != len(file):
            return hash_content(file), None
        whole = hash_content(file)
        if written.gap is None:
            return whole, written.plan if whole.digest() == written.digest else None
        start, end = written.gap
        without_gap = hash_beginning(file, start)
        without_gap.update(memoryview(file)[end:])
        if without_gap.digest() != written.digest:
            return whole, None
        return whole, _with_signature(written.plan, file[start + 1 : end - 1])

    def _put(self, file: bytes, written: _WrittenFile) -> None:
        if not self._kept:
            return
        with self._lock:
            self._files[file[-TELLING_BYTES:]] = written
            while len(self._files) > self._kept:
                self._files.popitem(last=False)


def _with_signature(plan: Plan, digits: bytes) -> Plan:
    """Return the plan with the store's name for the signature that now fills the place."""
    signatures = {
        field: replace(each, value=replace(each.value, vri=name_in_store(digits)))
        if each.value is not None and not each.value.vri
        else each
        for field, each in plan.signatures.items()
    }
    return plan._replace(signatures=signatures)
