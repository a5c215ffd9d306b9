"""Check who a signer is: the interface of providers that compare a person's name and document with outside sources.

The school's own roster (`roster`) always comes first: what a signer enters must match the roster. Then a provider, if
one is configured (an entry `[identities.NAME]`, and `identity = "NAME"`), is asked whether the roster's data are true.
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
    """A person as in the roster. The data go only to the provider, neither into logs nor into a record."""

    name: str
    id_type: str
    id_number: str
    phone: str

    def __repr__(self) -> str:
        return "Person(…)"


@dataclass(frozen=True)
class IdentityVerdict:
    """The provider's answer. `reference`: the provider's own id for this check, by which it can be asked later."""

    matched: bool
    reference: str


class IdentityProvider(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def method(self) -> str:
        """What the provider compares, in words for the evidence."""
        ...

    def serves(self, person: PersonOnFile) -> bool:
        """Return whether the provider can be asked about this kind of document."""
        ...

    async def check(self, person: PersonOnFile) -> IdentityVerdict:
        """Ask the provider. The person waits: one that answers later is asked again within its deadline.

        Raises IdentityUnavailable for every answer that is neither yes nor no, and if none comes in time.
        """
        ...


@dataclass(frozen=True)
class IdentityContext:
    """What a provider gets from the hub: the name of its entry, an HTTP client, and the clock."""

    name: str
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]
