"""Pairing: the connection of a signer's page with the agent program on their computer, which uses their USB token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hub.model.signing.link import ALPHABET, encode_crockford

# The time in which a pairing code can be claimed.
PAIRING_LIFE = timedelta(minutes=5)
# How long the agent may sign after its claim, but never longer than the session of the page.
AGENT_LIFE = timedelta(minutes=30)
CODE_LENGTH = 8
CODE_BYTES = 9
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})


class PairingState(StrEnum):
    """State of a pairing.

    `CLAIMED`: an agent has connected, its key is not known yet. `CERTIFIED`: the page shows the name in the certificate
    and waits for confirmation. Only a `CONFIRMED` agent can sign.
    """

    WAITING = "WAITING"
    CLAIMED = "CLAIMED"
    CERTIFIED = "CERTIFIED"
    CONFIRMED = "CONFIRMED"
    ENDED = "ENDED"


@dataclass(frozen=True)
class Pairing:
    """A pairing of a page and an agent.

    `session`: the session of the page. `agent`: the session of the agent. `certificate`: the certificate (DER) of the
    agent's key.
    """

    id: UUID
    session: UUID
    contract: UUID
    created_at: datetime
    expires_at: datetime
    claimed_at: datetime | None = None
    agent: UUID | None = None
    certificate: bytes | None = None
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None

    def state(self, now: datetime) -> PairingState:
        if self.ended_at is not None or (self.claimed_at is None and now >= self.expires_at):
            return PairingState.ENDED
        if self.claimed_at is None:
            return PairingState.WAITING
        if now >= self.claimed_at + AGENT_LIFE:
            return PairingState.ENDED
        if self.certificate is None:
            return PairingState.CLAIMED
        return PairingState.CONFIRMED if self.confirmed_at is not None else PairingState.CERTIFIED


def make_pairing_code(randomness: bytes) -> str:
    """Return a code of eight Crockford characters: the first 40 bits of nine random bytes."""
    return encode_crockford(randomness)[:CODE_LENGTH]


def normalise_pairing_code(text: str) -> str | None:
    """Normalise a typed code, ignoring case, spaces and hyphens. None if it cannot be a code."""
    code = "".join(text.upper().replace("-", "").split()).translate(_READ_AS)
    return code if len(code) == CODE_LENGTH and set(code) <= set(ALPHABET) else None
