"""SM2 identities, and a signed and sealed OFD, for the tests of this folder."""

from __future__ import annotations

import asyncio

import pytest

from tests.ofd.foreign import signed_by_person
from tests.ofd.identities import Identities
from tests.ofd.plain import plain_ofd


@pytest.fixture(scope="session")
def who() -> Identities:
    return asyncio.run(Identities.make())


@pytest.fixture(scope="session")
def sealed(who: Identities) -> bytes:
    """Return an OFD that one person signed and the organisation sealed."""
    return asyncio.run(_sealed(who))


async def _sealed(who: Identities) -> bytes:
    return await who.sealed(await signed_by_person(plain_ofd(), who))
