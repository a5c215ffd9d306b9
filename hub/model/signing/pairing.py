"""Pairing: a program on the signer's own computer, which has their USB token, joins the visit of a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hub.model.signing.link import ALPHABET, crockford

# How long a code waits to be claimed.
PAIRING_LIFE = timedelta(minutes=5)
# How long the program may take from then on; never longer than the page's own visit.
AGENT_LIFE = timedelta(minutes=30)
CODE_LENGTH = 8
CODE_BYTES = 9
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})


class PairingState(StrEnum):
    """`CLAIMED`: a program has come, and its key is not known yet. `CERTIFIED`: the page can show the certificate's
    name, and waits for the person. Only a `CONFIRMED` one can sign."""

    WAITING = "WAITING"
    CLAIMED = "CLAIMED"
    CERTIFIED = "CERTIFIED"
    CONFIRMED = "CONFIRMED"
    ENDED = "ENDED"


@dataclass(frozen=True)
class Pairing:
    """`session` is the page's, `agent` the program's; `certificate` (DER) the one that the program signs with."""

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


def pairing_code(randomness: bytes) -> str:
    """Eight characters of Crockford's base 32, the first 40 bits of nine random bytes."""
    return crockford(randomness)[:CODE_LENGTH]


def normalised_code(text: str) -> str | None:
    """What somebody typed, in the form of a code: case, blanks and dashes do not matter. None when it is none."""
    code = "".join(text.upper().replace("-", "").split()).translate(_READ_AS)
    return code if len(code) == CODE_LENGTH and set(code) <= set(ALPHABET) else None
