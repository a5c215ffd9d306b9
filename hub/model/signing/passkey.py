"""Passkey: the key on a person's own device by which they confirm a signature. It belongs to them at one origin."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

# Of one person at one origin: one for each device, and then some.
MAX_PASSKEYS = 10


@dataclass(frozen=True)
class Passkey:
    """`rp_id`: the host of the origin. `public_key`: SubjectPublicKeyInfo in DER. `counter`: of the last confirmation.
    `synced`: its maker may copy the key to other devices of its owner. `ended_at`: it counts no more."""

    id: UUID
    person: str
    rp_id: str
    credential_id: bytes
    public_key: bytes
    counter: int
    synced: bool
    created_at: datetime
    used_at: datetime | None = None
    ended_at: datetime | None = None

    def follows(self, counter: int) -> bool:
        """Whether an answer with this counter can be its next one. Many devices count nothing and always say 0."""
        return counter > self.counter or counter == self.counter == 0


def registration_challenge(key: bytes, session: UUID, made_before: int) -> bytes:
    """What a fresh passkey answers to: of this visit only, and another one as soon as it was used."""
    return hmac.digest(key, b"passkey:" + session.bytes + made_before.to_bytes(4, "big"), hashlib.sha256)


def user_handle(key: bytes, person: str) -> bytes:
    """By which a device tells one person's passkeys from another's. It says nothing about the person."""
    return hmac.digest(key, b"passkey-user:" + person.encode(), hashlib.sha256)
