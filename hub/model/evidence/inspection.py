"""Inspect whether the record of a contract is complete and agrees with the contract's row.

The hash chain reveals entries that were changed or removed from the middle. Entries removed from the end are revealed
by the record's head, which the database updates with each entry. If the head was reset as well, the state of the
contract reveals it, because each state is written together with an entry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from hub.model.contract.contract import ContractState
from hub.model.evidence.record import GENESIS, RecordEntry, compute_entry_digest

# Entries that are written together with a state of the contract.
STATE_KINDS = {state.kind: state.value for state in ContractState if state is not ContractState.DRAFT}
# Entries that name the current file of the contract from then on.
DOCUMENT_KINDS = ("issued", "answered", "signature-embedded", "signed", "completed")
# Those of them that name a file without signatures.
UNSIGNED_KINDS = ("issued", "answered")


@dataclass(frozen=True)
class RecordHead:
    """Number of entries and digest of the last one, as stored in the database."""

    entries: int
    digest: bytes


@dataclass(frozen=True)
class InspectedContract:
    """What the other tables say about a contract. `number` is None if its row is missing.

    `is_school`: this is not a contract but the school's record, which has no such row.
    """

    id: UUID
    number: str | None
    state: str | None
    document: str | None
    issued_sha256: str | None
    head: RecordHead | None
    versions: Collection[str] = ()
    is_school: bool = False

    @property
    def name(self) -> str:
        return "the school" if self.is_school else self.number or str(self.id)


@dataclass
class RecordInspection:
    """The inspection of one record. Its entries are added one by one, in order, and are not kept in memory."""

    contract: InspectedContract
    entries: int = 0
    _last: int = 0
    _digest: bytes = GENESIS
    _state: str | None = None
    _document: str | None = None
    _issued: str | None = None
    _faults: int = 0
    _unlisted: list[str] = field(default_factory=list)

    def add(self, entry: RecordEntry) -> Iterator[str]:
        """Check one entry. Yield what is wrong with it or missing before it."""
        for fault in self._chain_faults(entry):
            self._faults += 1
            yield fault
        self.entries += 1
        self._last, self._digest = entry.sequence, entry.digest
        self._state = STATE_KINDS.get(entry.kind, self._state)
        if entry.kind in DOCUMENT_KINDS:
            self._document = str(entry.facts.get("document_sha256"))
            if self._document not in self.contract.versions:
                self._unlisted.append(f"the file {self._document}, named by entry {entry.sequence}, is not listed")
            if entry.kind in UNSIGNED_KINDS:
                self._issued = self._document
        ofd = entry.facts.get("ofd_sha256")
        if ofd is not None and ofd not in self.contract.versions:
            self._unlisted.append(f"the file {ofd}, named by entry {entry.sequence}, is not listed")
        if entry.kind == "drawn" and entry.facts.get("number") != self.contract.number:
            self._unlisted.append(f"its record belongs to {entry.facts.get('number')}")

    def _chain_faults(self, entry: RecordEntry) -> Iterator[str]:
        if entry.sequence > self._last + 1:
            yield f"{_entries(self._last + 1, entry.sequence - 1)} missing"
        if compute_entry_digest(entry) != entry.digest:
            yield f"entry {entry.sequence} was changed"
        if entry.sequence == self._last + 1 and entry.previous != self._digest:
            yield f"entry {entry.sequence} does not follow the one before it: one of them was changed"

    def end(self) -> Iterator[str]:
        """Check the record as a whole after its last entry. Yield what is wrong."""
        contract, head = self.contract, self.contract.head
        if head is None:
            yield "the head of its record is missing" if self.entries else "it has no record"
        elif head.entries > self._last:
            yield f"{_entries(self._last + 1, head.entries)} missing at the end"
        elif (head.entries, head.digest) != (self._last, self._digest) and not self._faults:
            yield f"the head of its record says entry {head.entries}, but has another digest than the last entry"
        if contract.is_school:
            return
        if contract.number is None:
            yield "the record exists, but the row of the contract is missing"
        elif not self._faults and head is not None and head.entries <= self._last:
            yield from self._row_faults()

    def _row_faults(self) -> Iterator[str]:
        """Compare the row with the record. Call this only for an intact chain: other faults were reported already."""
        if self.contract.state != self._state:
            yield f"the row says {self.contract.state}, its record says {self._state}"
        if self.contract.document != self._document:
            yield f"the row names another current file than its record, which says {self._document}"
        if self._issued and self._issued != self.contract.issued_sha256:
            yield "the row and the record name different files as issued"
        yield from self._unlisted


def _entries(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"
