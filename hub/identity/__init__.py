"""Who a signer is. This is the interface of providers that check a person's name and document outside of the school.

The school's own roster (`roster`) always comes first: what a signer enters has to be what is on file. Then a provider,
if one is configured (an entry `[identities.NAME]`, and `identity = "NAME"`), is asked whether what is on file is true.
Every other file with a function `connect` is one kind of provider.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import aiohttp


@dataclass(frozen=True)
class PersonOnFile:
    """As the roster has them. It goes to the provider and nowhere else: neither to logs nor into a record."""

    name: str
    id_type: str
    id_number: str
    phone: str

    def __repr__(self) -> str:
        return "Person(…)"


@dataclass(frozen=True)
class IdentityVerdict:
    """`reference` is the provider's own id of this check, by which it can be asked later what it said."""

    matched: bool
    reference: str


class IdentityProvider(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def method(self) -> str:
        """What it compares, in words for the evidence."""
        ...

    def serves(self, person: PersonOnFile) -> bool:
        """Whether it can be asked about a document of this kind at all."""
        ...

    async def check(self, person: PersonOnFile) -> IdentityVerdict:
        """Raises IdentityUnavailable for everything that is neither a yes nor a no."""
        ...


@dataclass(frozen=True)
class IdentityContext:
    """What a provider gets from the hub: the name of its entry, a client for HTTP, and the time."""

    name: str
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]
