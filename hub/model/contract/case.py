"""Case: a contract with its signers and their tasks."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer, SigningTask


@dataclass(frozen=True)
class Party:
    """A signer and their task."""

    signer: Signer
    task: SigningTask


@dataclass(frozen=True)
class Case:
    """A contract with its `parties`, in signing order."""

    contract: Contract
    parties: tuple[Party, ...]

    def find_signer(self, signer: UUID) -> Party | None:
        """Return the party with this signer id, or None."""
        return next((party for party in self.parties if party.signer.id == signer), None)

    def find_person(self, person: str) -> Party | None:
        """Return the party of this person, or None."""
        return next((party for party in self.parties if party.signer.person == person), None)
