"""Authorities: they issue certificates, revoke them and answer for them. This is their interface.

Every other file with a function `connect` is one kind of authority; an entry `[authorities.NAME]` of the configuration
turns it on. The built-in one needs no entry.
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


@dataclass(frozen=True)
class Issued:
    """A certificate in DER, and its chain: the certificate itself first, the root last."""

    certificate: bytes
    chain: tuple[bytes, ...]
    serial: int
    not_before: datetime
    not_after: datetime


class Revoked(NamedTuple):
    """One line of a CRL. `reason` is a name of asn1crypto's CRLReason, such as `key_compromise` or `superseded`."""

    serial: int
    revoked_at: datetime
    reason: str


class CertificateStatus(StrEnum):
    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class Authority(Protocol):
    """One certificate authority. It keeps nothing: what it issued and what was revoked stands in the hub's store.

    Whatever is away or answers wrongly raises AuthorityUnavailable (TokenUnavailable for a key of our own); what the
    authority decided against raises AuthorityRefused, and nobody else is asked instead.
    """

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificates above those that it issues, DER, its own first, the root last."""
        ...

    @property
    def trial(self) -> bool:
        """Whether its certificates are for trial and internal use only."""
        ...

    async def enrol(
        self, spki: bytes, common_name: str, pseudonym: str, lifetime: timedelta, passkey: PasskeyBinding | None = None
    ) -> Issued:
        """A certificate for a person's key, whose possession was proved to the hub. An outside authority may give
        another lifetime than was asked for, and leave out the passkey that the certificate was to name. BadInput: a key
        that it does not serve."""
        ...

    async def revoke(self, certificate: bytes, reason: str) -> None:
        """Once the hub's own row says so, too, it is done. `reason` as in `Revoked`. AuthorityRefused: it revokes
        nothing that we ask it to, or not this one."""
        ...

    async def status(self, certificate: bytes, revoked: Sequence[Revoked] = ()) -> CertificateStatus:
        """`revoked` is what the hub's store knows of this authority. For the lists themselves see `revocation`; the
        built-in authority makes its own."""
        ...

    async def check(self) -> str:
        """Whether it would serve us now, in words for `qianda doctor`; raises as everything else does."""
        ...


@dataclass(frozen=True)
class AuthorityContext:
    """What an authority gets from the hub: the name of its entry, a client for HTTP, and the time."""

    name: str
    http: aiohttp.ClientSession
    clock: Clock
