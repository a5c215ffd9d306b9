"""AppKey: a key that lives in the keystore of an app on a signer's own device, for longer than a session.

It is bound to one person, by whom it was presented in a visit that knew the code and who they are, and never to
another. Its certificates stay short.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.model.signing.signature_request import Custody

# Live keys of one person.
MAX_DEVICES = 10
MAX_LABEL_LENGTH = 60


class Attestation(StrEnum):
    """What came of the platform's statement about the key: `NONE` was given."""

    VERIFIED = "verified"
    REFUSED = "refused"
    NONE = "none"


@dataclass(frozen=True)
class AppKey:
    """`label` is what the app calls the device. `platform`, `app` and `level` (where the key is, by whose word) stand
    only where the attestation was verified; `reasons` where it was refused. `evidence` is the statement itself, and
    `challenge` what it answers. `contract` and `signer`: in whose visit it was bound. `used_at`: when it last got a
    certificate. `certificates_due_at`: when the authorities are asked (again) to revoke what they issued to it;
    `certificate_tries`: how often one was away."""

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
        """As proved: without a verified attestation it is a key in software."""
        return Custody.APP_KEYSTORE if self.attestation is Attestation.VERIFIED else Custody.SOFTWARE
