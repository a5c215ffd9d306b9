"""AppKey: a key in the keystore of an app on a signer's device, which outlives a session.

The key is bound permanently to the person who presented it in a session with verified code and identity. Its
certificates are short-lived nevertheless.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.model.signing.signature_request import Custody

# Maximum number of unrevoked keys of one person.
MAX_DEVICES = 10
MAX_LABEL_LENGTH = 60


class Attestation(StrEnum):
    """Result of checking the platform's attestation of the key. `NONE`: there was no attestation."""

    VERIFIED = "verified"
    REFUSED = "refused"
    NONE = "none"


@dataclass(frozen=True)
class AppKey:
    """A key in the keystore of an app.

    `spki`: SubjectPublicKeyInfo (DER). `label`: the app's name for the device.
    `contract`, `signer`: the contract and signer of the session in which the key was bound.
    `platform`, `app`, `level` (kind of keystore): set if the attestation was verified; `reasons`: if it was refused.
    `evidence`: the attestation itself; `challenge`: the challenge that it answers.
    `used_at`: when it last got a certificate.
    `certificates_due_at`: when the authorities will next be asked to revoke its certificates.
    `certificate_tries`: number of tries at which an authority did not respond.
    """

    id: UUID
    spki: bytes
    person: str
    contract: UUID
    signer: UUID
    label: str
    attestation: Attestation
    bound_at: datetime
    platform: str = ""
    app: str = ""
    level: str = ""
    reasons: tuple[str, ...] = field(default=())
    evidence: bytes | None = None
    challenge: bytes | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    reason: str | None = None
    used_at: datetime | None = None
    certificates_due_at: datetime | None = None
    certificate_tries: int = 0

    @property
    def custody(self) -> Custody:
        """The proved custody. Without a verified attestation, the key counts as a software key."""
        return Custody.APP_KEYSTORE if self.attestation is Attestation.VERIFIED else Custody.SOFTWARE


def hash_spki(spki: bytes) -> bytes:
    """Return the hash by which a key is found: a long key does not fit into an index."""
    return hashlib.sha256(spki).digest()
