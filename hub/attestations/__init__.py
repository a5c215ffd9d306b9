"""What a phone's platform says of a key that an app made: where it lies, whose app it is, whether it asks the person.

Every other file with a function `connect` reads one format of such statements; an entry `[attestations.NAME]` of the
configuration turns it on and names the school's apps. Nothing here is taken on trust: what cannot be shown down to a
configured root, for this very key and this very challenge, is not attested.
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
    """As the app sends it. `chain`: DER, the key's own certificate first (android-key). `content` and `key_id`: the
    attestation object and the id of the key that the platform attests (apple-appattest)."""

    format: str
    chain: tuple[bytes, ...] = ()
    content: bytes = b""
    key_id: bytes = b""

    @property
    def evidence(self) -> bytes:
        """The whole statement in one form, to be kept."""
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
    """`VOUCHED`: a genuine app of the school's on a genuine device says so of its key; where the key lies is that app's
    word. The others are said by the device's secure hardware, which holds the key."""

    STRONGBOX = "strongbox"
    TEE = "tee"
    VOUCHED = "vouched"


@dataclass(frozen=True)
class Attested:
    """`app`: which of the configured apps."""

    platform: str
    app: str
    level: Level


@dataclass(frozen=True)
class NotAttested:
    """`reasons`: everything that was found against it, in single words, for the record."""

    reasons: tuple[str, ...]


Verdict = Attested | NotAttested


class Attestor(Protocol):
    @property
    def format(self) -> str:
        """Of the statements that it reads, as in `Statement`."""
        ...

    async def check(self, statement: Statement, spki: bytes, challenge: bytes) -> Verdict:
        """Whether this statement was made for this key and in answer to this challenge. Raises nothing: what cannot be
        read or asked is not attested."""
        ...


# Those that are configured, by the format that they read.
Attestors = Mapping[str, Attestor]


@dataclass(frozen=True)
class AttestationContext:
    """What an attestor gets from the hub: the name of its entry, a client for HTTP, and the time."""

    name: str
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]
