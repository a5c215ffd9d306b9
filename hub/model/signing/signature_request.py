"""SignatureRequest: one signature on its way into the file, from `prepare` until it is embedded.

The school's seal takes the same way: its request has no task, and its signature comes from the token instead of a
signer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

SEAL_FIELD = "seal"


class RequestState(StrEnum):
    """`ACCEPTED`: the value is checked and stored, and holds the document's revision until it is embedded."""

    PREPARED = "PREPARED"
    ACCEPTED = "ACCEPTED"
    EMBEDDED = "EMBEDDED"
    LAPSED = "LAPSED"


class Custody(StrEnum):
    """Where the private key is, as proved: without proof a claim counts as `browser` or `software`."""

    USB_TOKEN = "usb-token"
    APP_KEYSTORE = "app-keystore"
    BROWSER = "browser"
    SOFTWARE = "software"
    REMOTE = "remote"


def custody_proved(claimed: str) -> Custody:
    """Of a fresh key. Nothing is proved but that a page of ours made the key in a browser: every other claim counts
    as `software`."""
    return Custody.BROWSER if claimed == Custody.BROWSER else Custody.SOFTWARE


@dataclass(frozen=True)
class SignatureRequest:
    """`base` and `prepared` are SHA-256 (hex) of stored files: what the signer saw, and the file with the gap.
    `gap` is the half-open range of bytes that the signature will fill; `to_be_signed` the DER SET of signed attributes.
    `signature` is DER as CMS wants it; `confirmation` a passkey's, as it stands beside it in the file. `prepared` may
    be signed until `expires_at`. `key_deleted_at`: when the signer's page reported that it had deleted the key.
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
        """Whether it is a signature, in the file or on its way there; not one that was prepared alone, or lost."""
        return self.state in (RequestState.ACCEPTED, RequestState.EMBEDDED)

    def leased(self, now: datetime) -> bool:
        """Whether nobody else may prepare the document now."""
        return self.state is RequestState.ACCEPTED or (self.state is RequestState.PREPARED and now < self.expires_at)
