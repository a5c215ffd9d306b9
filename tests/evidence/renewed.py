"""Contracts whose evidence was renewed: by another timestamp service, years later, and by another hash after that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hub.installation.trust import trust_timestamps
from hub.lifecycle.evidence.build_tree import add_proofs, build_tree
from hub.lifecycle.evidence.renew import hash_anew, renew
from hub.lifecycle.evidence.renewed_record import add_renewed_version
from hub.model.contract.contract import Contract
from hub.timestamps.builtin import BuiltinTimestamps
from hub.tokens.softkey import SoftKey
from tests.changed_services import change_services
from tests.evidence.ended_contracts import ended, package_of
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.running import Running

# The certificate of the built-in timestamp service is for ten years.
NEARLY_ALL_OF_IT = timedelta(days=3650 - 100)


@dataclass(frozen=True)
class RenewedPackages:
    """A running hub, a completed contract and one that was voided, and the versions of the first one's package."""

    running: Running
    clock: StandingClock
    contracts: tuple[Contract, Contract]
    versions: dict[int, bytes]


async def change_timestamps(running: Running) -> None:
    """Let the hub use another timestamp service, with a key of its own, from now on."""
    key, services = SoftKey.generate("tsa"), running.hub.services
    issued = await services.sealing.authority.enrol_timestamp(key.spki)
    service = BuiltinTimestamps(key, issued.chain, services.clock)
    trust_timestamps(running.hub.settings, service.certificates[:1])
    running.hub = replace(running.hub, services=change_services(services, "sealing", timestamps=service))


@asynccontextmanager
async def proven_packages(configured: Mapping[str, Any] | None = None) -> AsyncIterator[RenewedPackages]:
    """Make the packages, with their proof in the tree of the day."""
    clock = StandingClock()
    async with quiet_hub(clock, configured=configured) as running:
        contracts = await ended(running, "completed"), await ended(running, "voided")
        first, _ = [await package_of(running, each) for each in contracts]
        assert await build_tree(running.hub.services) and await add_proofs(running.hub.services) == 2
        versions = {1: first, 2: await package_of(running, contracts[0])}
        yield RenewedPackages(running, clock, contracts, versions)


async def renew_twice(made: RenewedPackages) -> None:
    """Renew the timestamps when their certificate has nearly run out, and after that the hash trees."""
    made.clock.advance(NEARLY_ALL_OF_IT)
    assert await renew(made.running.hub.services) == 0  # by the same certificate nothing would be gained
    await change_timestamps(made.running)
    services, contract = made.running.hub.services, made.contracts[0]
    assert await renew(services) == 1
    assert await add_renewed_version(services, contract.id)
    made.versions[3] = await package_of(made.running, contract)
    made.clock.advance(timedelta(days=1))
    assert await hash_anew(services, "sha512") == 1
    assert await add_renewed_version(services, contract.id)
    made.versions[4] = await package_of(made.running, contract)
