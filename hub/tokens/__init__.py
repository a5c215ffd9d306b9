"""Keys that sign for the school and its authorities: on a PKCS#11 token, at a remote signing service, or in memory.

Only the seal's key may be at a remote service. A key in memory is for tests and software custody. A file with an
asynchronous function `connect(options, context)`, which returns a `RemoteKey`, is one kind of remote service; `kind` in
the section `[seal]` of the configuration turns it on.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp


class SigningKey(Protocol):
    """A P-256 key that can sign, wherever it is held. A remote key may be an RSA key."""

    @property
    def label(self) -> str: ...

    @property
    def spki(self) -> bytes:
        """The public key: DER of SubjectPublicKeyInfo (RFC 5480)."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`: ECDSA with SHA-256 in DER (RFC 3279, 2.2.3), RSA PKCS#1 v1.5 with
        SHA-256, or SM2 with SM3 in DER.

        Raises TokenUnavailable if the key cannot be reached.
        """
        ...

    async def sign_all(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return the signatures over several messages, as `sign` does."""
        ...

    async def check(self) -> None:
        """Check that the key could sign now. Raises TokenUnavailable with the reason if not."""
        ...


class SignsEach(ABC):
    """Base of keys that sign messages one by one."""

    @abstractmethod
    async def sign(self, message: bytes) -> bytes: ...

    async def sign_all(self, messages: Sequence[bytes]) -> list[bytes]:
        return await asyncio.gather(*(self.sign(message) for message in messages))


class RemoteKey(SigningKey, Protocol):
    """A key at a remote signing service.

    `certificates`: DER, the key's own first, as the service states them. `trusted`: files with the authorities above
    them. `info`: stored, so that the hub can start while the service is down; it holds no secret.
    """

    @property
    def certificates(self) -> tuple[bytes, ...]: ...

    @property
    def trusted(self) -> tuple[Path, ...]: ...

    @property
    def info(self) -> str: ...


class KeyToken(Protocol):
    """A token that holds keys under labels. All methods raise TokenUnavailable if it cannot be reached."""

    async def has_key(self, label: str) -> bool: ...

    async def key(self, label: str) -> SigningKey:
        """Return the key with this label. Raises TokenUnavailable if there is none."""
        ...

    async def sm2_key(self, label: str) -> SigningKey:
        """Return the SM2 key with this label, which signs with SM3. Raises TokenUnavailable also if no mechanism for
        SM2 is configured."""
        ...

    async def generate_key(self, label: str) -> SigningKey:
        """Return a new key, which never leaves the token; the existing one if the label is taken."""
        ...

    async def list_keys(self) -> dict[str, list[str]]:
        """Return the labels of all private keys, each with the tokens that have it."""
        ...


@dataclass(frozen=True)
class TokenContext:
    """What a remote service receives from the hub: an HTTP client, the `info` that it last returned (empty if none),
    and the folder of `hub.tokens.pins.PinRefusal`."""

    http: aiohttp.ClientSession
    kept: str = ""
    refused_pins: Path | None = None
