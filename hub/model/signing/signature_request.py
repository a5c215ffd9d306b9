"""SignatureRequest: one signature from `prepare` until it is embedded in the file.

The school's seal has such a request too. That request has no task, and the seal's key makes its signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

SEAL_FIELD = "seal"


class RequestState(StrEnum):
    """State of a request. `ACCEPTED`: the signature is checked and stored, and blocks other changes to the document
    until it is embedded."""

    PREPARED = "PREPARED"
    ACCEPTED = "ACCEPTED"
    EMBEDDED = "EMBEDDED"
    LAPSED = "LAPSED"


UNFINISHED = (RequestState.PREPARED.value, RequestState.ACCEPTED.value)


class Custody(StrEnum):
    """Where the private key is kept. Without proof, every claim counts as `browser` or `software`."""

    USB_TOKEN = "usb-token"
    APP_KEYSTORE = "app-keystore"
    BROWSER = "browser"
    SOFTWARE = "software"
    REMOTE = "remote"


def choose_custody(claimed: str) -> Custody:
    """Return the custody of a new key without attestation: `browser` if our page created it, otherwise `software`."""
    return Custody.BROWSER if claimed == Custody.BROWSER else Custody.SOFTWARE


@dataclass(frozen=True)
class SignatureRequest:
    """A signature request.

    `base`, `prepared`: SHA-256 (hex) of the file that the signer saw, and of the file with the gap. Both are stored.
    `gap`: half-open range of bytes that the signature will fill.
    `to_be_signed`: DER SET of the signed attributes.
    `signature`: DER as in CMS. `confirmation`: a passkey's confirmation, embedded beside it.
    `expires_at`: until when `prepared` may be signed.
    `key_deleted_at`: when the signer's page reported that it had deleted the key.
    """

    id: UUID
    contract: UUID
    field: str
    state: RequestState
    base: str
    prepared: str
    gap: tuple[int, int]
    document_digest: bytes
    to_be_signed: bytes
    chain: tuple[bytes, ...]
    created_at: datetime
    expires_at: datetime
    task: UUID | None = None
    session: UUID | None = None
    custody_claimed: str | None = None
    custody: str | None = None
    consent_version: str | None = None
    consent_sha256: str | None = None
    signature: bytes | None = None
    confirmation: bytes | None = None
    key_deleted_at: datetime | None = None
    accepted_at: datetime | None = None
    embedded_at: datetime | None = None

    @property
    def is_seal(self) -> bool:
        return self.task is None

    @property
    def counts(self) -> bool:
        """Whether the signature is valid: accepted or embedded, not merely prepared, not lapsed."""
        return self.state in (RequestState.ACCEPTED, RequestState.EMBEDDED)

    def leased(self, now: datetime) -> bool:
        """Return whether this request blocks other requests for the same document."""
        return self.state is RequestState.ACCEPTED or (self.state is RequestState.PREPARED and now < self.expires_at)
