"""Inspection: is the record of a contract whole, and does the contract's row say what its record says?

The chain shows an entry that was changed, or that is missing between others. That the last ones are missing shows the
record's head, which the database keeps with every entry; and where somebody put back the head as well, the state of
the contract, which was written together with an entry of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from hub.model.contract.contract import ContractState
from hub.model.evidence.record import GENESIS, RecordEntry, entry_digest

# The entries that are written together with a state of the contract.
STATE_KINDS = {state.kind: state.value for state in ContractState if state is not ContractState.DRAFT}
# Those that name the contract's file as it is from then on.
DOCUMENT_KINDS = ("issued", "signature-embedded", "signed", "completed")


@dataclass(frozen=True)
class RecordHead:
    """As the database keeps it: how many entries there are, and the digest of the last."""

    entries: int
    digest: bytes


@dataclass(frozen=True)
class InspectedContract:
    """What the other tables say of a contract. `number` is None where its row is missing."""

    id: UUID
    number: str | None
    state: str | None
    document: str | None
    issued_sha256: str | None
    head: RecordHead | None
    versions: Collection[str] = ()

    @property
    def name(self) -> str:
        return self.number or str(self.id)


@dataclass
class RecordInspection:
    """Of one contract: its entries are given in order, one by one, so that however many there are, none is kept."""

    contract: InspectedContract
    entries: int = 0
    _last: int = 0
    _digest: bytes = GENESIS
    _state: str | None = None
    _document: str | None = None
    _faults: int = 0
    _unlisted: list[str] = field(default_factory=list)

    def add(self, entry: RecordEntry) -> Iterator[str]:
        """What is wrong with this entry, or missing before it."""
        for fault in self._chain_faults(entry):
            self._faults += 1
            yield fault
        self.entries += 1
        self._last, self._digest = entry.sequence, entry.digest
        self._state = STATE_KINDS.get(entry.kind, self._state)
        if entry.kind in DOCUMENT_KINDS:
            self._document = str(entry.facts.get("document_sha256"))
            if self._document not in self.contract.versions:
                self._unlisted.append(f"the file {self._document}, which entry {entry.sequence} names, is not listed")
            if entry.kind == "issued" and self._document != self.contract.issued_sha256:
                self._unlisted.append("the row names another file as issued than its record")
        if entry.kind == "drawn" and entry.facts.get("number") != self.contract.number:
            self._unlisted.append(f"its record was begun for {entry.facts.get('number')}")

    def _chain_faults(self, entry: RecordEntry) -> Iterator[str]:
        if entry.sequence > self._last + 1:
            yield f"{_entries(self._last + 1, entry.sequence - 1)} missing"
        if entry_digest(entry) != entry.digest:
            yield f"entry {entry.sequence} was changed"
        if entry.sequence == self._last + 1 and entry.previous != self._digest:
            yield f"entry {entry.sequence} does not follow the one before it: one of them was changed"

    def end(self) -> Iterator[str]:
        """What is wrong with the record as a whole."""
        contract, head = self.contract, self.contract.head
        if head is None:
            yield "the head of its record is missing" if self.entries else "it has no record"
        elif head.entries > self._last:
            yield f"{_entries(self._last + 1, head.entries)} missing at the end"
        elif (head.entries, head.digest) != (self._last, self._digest) and not self._faults:
            yield f"the head of its record says entry {head.entries}, and holds another digest than the last entry"
        if contract.number is None:
            yield "there is a record, but the row of the contract is missing"
        elif not self._faults and head is not None and head.entries <= self._last:
            yield from self._row_faults()

    def _row_faults(self) -> Iterator[str]:
        """Asked only of a chain that is whole: what is missing in it was said already."""
        if self.contract.state != self._state:
            yield f"the row says {self.contract.state}, its record says {self._state}"
        if self.contract.document != self._document:
            yield f"the row names another file as the current one than its record, which says {self._document}"
        yield from self._unlisted


def _entries(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"
