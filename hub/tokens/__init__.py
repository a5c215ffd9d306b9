"""Keys that sign for the school and its authorities: on a PKCS#11 token, at a remote signing service (the seal alone),
or in memory (tests, software custody).

A file with a function `connect` is one kind of remote service; `kind` in the section `[seal]` of the configuration
turns it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp


class SigningKey(Protocol):
    """A P-256 key that can be asked to sign, wherever it is held. A remote one may be an RSA key."""

    @property
    def label(self) -> str: ...

    @property
    def spki(self) -> bytes:
        """The public key: DER of SubjectPublicKeyInfo (RFC 5480)."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 over `message`, in DER (RFC 3279, 2.2.3). TokenUnavailable when the key is away.

        By an RSA key: PKCS#1 v1.5 with SHA-256.
        """
        ...

    async def check(self) -> None:
        """Whether it would sign now; TokenUnavailable says why not."""
        ...


class RemoteKey(SigningKey, Protocol):
    """`certificates`: DER, the key's own first, as the service says. `trusted`: files with the authorities above it.
    `info`: what is to be kept for a start while the service is away; no secret."""

    @property
    def certificates(self) -> tuple[bytes, ...]: ...

    @property
    def trusted(self) -> tuple[Path, ...]: ...

    @property
    def info(self) -> str: ...


@dataclass(frozen=True)
class TokenContext:
    """What a remote service gets from the hub: a client for HTTP, and what it said of its key the last time (empty: it
    was never asked)."""

    http: aiohttp.ClientSession
    kept: str = ""
