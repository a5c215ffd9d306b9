"""Contracts that have ended in each way, and their packages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from hub.authorities import Issued
from hub.lifecycle.contract.decline import decline
from hub.lifecycle.contract.end import expire, void
from hub.lifecycle.evidence.make_package import make_package
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from qianda.evidence.container import MIMETYPE, open_container
from qianda.evidence.items import META, read_items
from qianda.evidence.signer import check_signer
from qianda.verify.trust import Trust
from tests.lifecycle.signer import completed, person, signed
from tests.running import Running
from tests.signing_parts import Pki

ENDS = ("completed", "declined", "expired", "voided")


async def package_of(running: Running, contract: Contract) -> bytes:
    """Make the package, as the job does, and return its bytes."""
    services = running.hub.services
    await make_package(services, contract.id)
    async with services.database.transaction(EVERYTHING) as tx:
        package = await tx.packages.find_newest(contract.id)
        assert package is not None, await tx.signatures.list_attempts(contract.id)
    return await services.files.get(package.sha256)


async def ended(running: Running, how: str) -> Contract:
    """Return a contract that has ended in one of the ways of ENDS."""
    contract = await running.issue_minor()
    services = running.hub.services
    if how == "completed":
        await signed(running, contract)
        await completed(running, contract)
    elif how == "declined":
        somebody = await person(running, contract)
        await somebody.enter()
        await decline(services, somebody.secret, contract.id, "too far away")
    elif how == "expired":
        async with services.database.transaction(EVERYTHING) as tx:
            await expire(services, tx, await tx.contracts.lock_contract(contract.id))
    else:
        await void(services, EVERYTHING, contract.id, "not needed", "staff:test")
    return contract


async def attempts_of(running: Running, contract: Contract) -> list[str]:
    """Return the states of the attempts to make a package."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.signatures.list_attempts(contract.id)
    return [attempt["state"] for attempt in found if attempt["kind"] == "evidence"]


def trusted_pem(running: Running) -> bytes:
    """Return the certificates that the hub's trust folder holds, as a stranger gets them."""
    return b"".join(file.read_bytes() for file in sorted((running.hub.settings.data / "trust").glob("*.pem")))


async def opened(running: Running, package: bytes) -> Mapping[str, bytes]:
    """Check the package as a stranger does, with the hub's trust folder. Return its items."""
    container = open_container(package)
    trust = Trust.load([running.hub.settings.data / "trust"])
    await asyncio.to_thread(check_signer, container, trust)
    return container.items


def pki_of(running: Running) -> Pki:
    """Return the hub's own keys and certificates, as those see them who can sign with its seal."""
    sealing, now = running.hub.services.sealing, running.hub.services.clock
    seal = Issued(sealing.seal.chain[0], sealing.seal.chain, 0, now(), now())
    return Pki(sealing.authority, cast(Any, sealing.timestamps), cast(Any, sealing.seal.key), seal, now)


def signed_items(package: bytes) -> dict[str, bytes]:
    """Return what the package is about, without its mimetype and META-INF."""
    return {
        item.name: item.content
        for item in read_items(package)
        if item.name != MIMETYPE and not item.name.startswith(META)
    }
