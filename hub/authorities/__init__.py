"""The interface of authorities, which issue certificates, revoke them and state whether they are valid.

Every other file with a function `connect` is one kind of authority; an entry `[authorities.NAME]` of the configuration
turns it on. The built-in authority needs no entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

import aiohttp

from qianda.passkey_binding import PasskeyBinding

Clock = Callable[[], datetime]
# How far the clock of an authority, or of whoever reads its certificates, may differ from ours.
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Issued:
    """A certificate in DER, and its chain: the certificate itself first, the root last."""

    certificate: bytes
    chain: tuple[bytes, ...]
    serial: int
    not_before: datetime
    not_after: datetime


class Revoked(NamedTuple):
    """One line of a CRL. `reason` is a name of asn1crypto's CRLReason, for example `key_compromise` or `superseded`."""

    serial: int
    revoked_at: datetime
    reason: str


class CertificateStatus(StrEnum):
    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class Authority(Protocol):
    """One certificate authority. It stores nothing: the hub's store has the issued and the revoked certificates.

    Its methods raise AuthorityUnavailable if the authority cannot be reached or its answer is wrong (TokenUnavailable
    for a key of our own), and AuthorityRefused if it rejects the request. After that, no other authority is asked.
    """

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificates above those that the authority issues, in DER, its own first, the root last."""
        ...

    @property
    def trial(self) -> bool:
        """Whether its certificates are for trial and internal use only."""
        ...

    async def enrol(
        self, spki: bytes, common_name: str, pseudonym: str, lifetime: timedelta, passkey: PasskeyBinding | None = None
    ) -> Issued:
        """Issue a certificate for a person's key. The person has proved to the hub that they possess it.

        The person waits for the answer. An authority that has the certificate later is asked again within its deadline;
        after that, raise AuthorityUnavailable. An outside authority may choose another lifetime, and may leave out the
        passkey. Raises BadInput if it does not accept the key.
        """
        ...

    async def revoke(self, certificate: bytes, reason: str) -> None:
        """Revoke a certificate; the caller then marks it in the hub's store. `reason` as in `Revoked`.

        Raises AuthorityRefused if the authority revokes nothing for the hub, or not this certificate.
        """
        ...

    async def status(self, certificate: bytes, revoked: Sequence[Revoked] = ()) -> CertificateStatus:
        """Return the status of a certificate. `revoked`: the hub's rows about this authority.

        `revocation` reads published lists; the built-in authority makes its own.
        """
        ...

    async def check(self) -> str:
        """Check that the authority would serve us now. Return the text for `qianda doctor`. Raises as the other methods
        do."""
        ...


@dataclass(frozen=True)
class AuthorityContext:
    """What an authority gets from the hub: the name of its entry, an HTTP client, and the clock."""

    name: str
    http: aiohttp.ClientSession
    clock: Clock
