"""SignaturePlan: everything from which a signer's file is prepared, kept until the signer asks for the file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from hub.model.signing.session import hash_secret

# Seconds for which a plan is kept. A page asks for the file as soon as its key has a certificate.
PLAN_KEPT_FOR = 30.0


@dataclass(frozen=True)
class SignaturePlan:
    """Everything from which a file is prepared, except the handwriting. `document`: SHA-256 (hex) of the current
    revision; `is_first`: it has no signature yet. `field`, `name`, `language`, `zone`: the signer's. `custody` and
    `chain` (DER) are those of the session's key."""

    document: str
    is_first: bool
    field: str
    name: str
    language: str
    zone: str
    custody: str | None
    chain: tuple[bytes, ...]


@dataclass
class SignaturePlans:
    """The plans of sessions whose key got a certificate a moment ago, each for one use.

    They are kept in the memory of one process, for `kept_for` seconds. They only save time: before a plan is used, it
    is compared with the stored data, under the lock of the contract.
    """

    kept_for: float = PLAN_KEPT_FOR
    _kept: dict[tuple[bytes, UUID | None], SignaturePlan] = field(default_factory=dict)

    def keep(self, secret: str, contract: UUID | None, plan: SignaturePlan) -> None:
        """Keep the plan for the next file that this session asks for. `contract`: None for that of its link."""
        place = hash_secret(secret), contract
        self._kept[place] = plan
        asyncio.get_running_loop().call_later(self.kept_for, self._kept.pop, place, None)

    def take(self, secret: str, contract: UUID | None) -> SignaturePlan | None:
        """Return the plan, if there is one, and forget it."""
        return self._kept.pop((hash_secret(secret), contract), None)
