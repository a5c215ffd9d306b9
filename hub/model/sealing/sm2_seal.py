"""The SM2 side of a seal, with which it can also seal OFD files (GB/T 38540). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.errors import CertificateNotValid


class Sm2KeyPlace(StrEnum):
    """Where an SM2 key is."""

    SOFTWARE = "software"
    """In the database, encrypted by the hub's key: no token protects it."""
    TOKEN = "token"
    """On the configured token, which signs by its vendor's mechanism."""


@dataclass(frozen=True)
class Sm2Seal:
    """The values by which a seal is applied to OFD files.

    `encoded`: the electronic seal (SESeal, DER). `chain`: certificates in DER, the one of its key first, then those
    above it as far as they are known. `size`: size of its picture in mm. `begins_at`, `ends_at`: the period in which
    both the seal and the certificate are valid. `private_key`: a software key; None if the key is on a token.
    """

    seal: UUID
    campus: str
    encoded: bytes
    chain: tuple[bytes, ...]
    size: tuple[float, float]
    key_place: Sm2KeyPlace
    key_label: str
    begins_at: datetime
    ends_at: datetime
    made_at: datetime
    private_key: bytes | None = field(default=None, repr=False)

    @property
    def custody(self) -> str:
        """Where the key is, in the words of the record."""
        return "school-software" if self.key_place is Sm2KeyPlace.SOFTWARE else "token"

    def check_valid(self, now: datetime) -> None:
        """Raise CertificateNotValid outside of the validity period, since verifiers would refuse such a seal."""
        if now < self.begins_at:
            raise CertificateNotValid(f"the SM2 certificate of the seal is valid from {self.begins_at:%Y-%m-%d} on")
        if now >= self.ends_at:
            raise CertificateNotValid(f"the SM2 certificate of the seal expired on {self.ends_at:%Y-%m-%d}")
