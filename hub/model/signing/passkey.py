"""Passkey: a WebAuthn key on a person's device, with which they confirm a signature. It is valid at one origin."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

# Maximum number of passkeys of one person at one origin: enough for all their devices.
MAX_PASSKEYS = 10


@dataclass(frozen=True)
class Passkey:
    """A registered passkey.

    `rp_id`: host of the origin. `public_key`: SubjectPublicKeyInfo (DER). `counter`: signature counter at the last
    confirmation. `synced`: the platform may copy the key to other devices of its owner. `ended_at`: when it became
    invalid.
    """

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
        """Return whether `counter` is valid for the next confirmation. Devices that do not count always send 0."""
        return counter > self.counter or counter == self.counter == 0


def derive_passkey_challenge(key: bytes, session: UUID, made_before: int) -> bytes:
    """Return the challenge for registering a passkey: specific to the session, and new after each registration."""
    return hmac.digest(key, b"passkey:" + session.bytes + made_before.to_bytes(4, "big"), hashlib.sha256)


def derive_user_handle(key: bytes, person: str) -> bytes:
    """Return the WebAuthn user handle, by which a device tells persons apart. It reveals nothing about the person."""
    return hmac.digest(key, b"passkey-user:" + person.encode(), hashlib.sha256)
