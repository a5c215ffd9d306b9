"""What a phone's platform states about an app's key: where it is kept, whose app it is, whether it asks the person.

Every other file with a function `connect` reads one format of such statements; an entry `[attestations.NAME]` of the
configuration turns it on and names the school's apps. No statement is believed without proof: a key is attested only if
that is proved from a configured root, for exactly this key and this challenge.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import aiohttp


@dataclass(frozen=True)
class Statement:
    """A platform's statement as the app sends it.

    `chain`: DER, the key's own certificate first (android-key). `content` and `key_id`: the attestation object and the
    id of the key that the platform attests (apple-appattest).
    """

    format: str
    chain: tuple[bytes, ...] = ()
    content: bytes = b""
    key_id: bytes = b""

    @property
    def evidence(self) -> bytes:
        """The whole statement in one form, for storage."""
        text = {
            "format": self.format,
            "chain": [b64encode(each).decode() for each in self.chain],
            "content": b64encode(self.content).decode(),
            "key_id": b64encode(self.key_id).decode(),
        }
        return json.dumps(text, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.evidence).hexdigest()


class Level(StrEnum):
    """Who states where the key is kept.

    `VOUCHED`: a genuine app of the school on a genuine device. The other levels: the device's secure hardware, which
    holds the key.
    """

    STRONGBOX = "strongbox"
    TEE = "tee"
    VOUCHED = "vouched"


@dataclass(frozen=True)
class Attested:
    """The key is attested. `app`: which of the configured apps made it."""

    platform: str
    app: str
    level: Level


@dataclass(frozen=True)
class NotAttested:
    """The key is not attested. `reasons`: everything that speaks against it, in single words, for the record."""

    reasons: tuple[str, ...]


Verdict = Attested | NotAttested


class Attestor(Protocol):
    @property
    def format(self) -> str:
        """Format of the statements that it reads, as in `Statement`."""
        ...

    async def check(self, statement: Statement, spki: bytes, challenge: bytes) -> Verdict:
        """Return whether this statement was made for this key and in answer to this challenge.

        Raises nothing: if something cannot be read or asked, the key is not attested.
        """
        ...


# The configured attestors, by the format that they read.
Attestors = Mapping[str, Attestor]


@dataclass(frozen=True)
class AttestationContext:
    """What an attestor gets from the hub: the name of its entry, an HTTP client, and the clock."""

    name: str
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]
