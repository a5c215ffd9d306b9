"""Certificates of authorities and of the seal are stored once, and every request still has its whole chain."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest

from hub.model.contract.contract import Contract
from hub.model.signing.signature_request import SignatureRequest
from hub.model.staff.scope import EVERYTHING
from tests.database import tamper
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.signer import completed, signed
from tests.running import Running
from tests.store.evidence.test_record import superuser

pytestmark = pytest.mark.asyncio(loop_scope="module")

LENGTHS = """
SELECT task IS NULL, ARRAY(SELECT octet_length(part) FROM unnest(chain) WITH ORDINALITY AS parts (part, n) ORDER BY n)
FROM signature_request WHERE contract = $1 ORDER BY created_at
"""


async def requests(running: Running, contract: Contract) -> list[SignatureRequest]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return sorted(await tx.signatures.list_of_contract(contract.id), key=lambda request: request.is_seal)


async def test_a_chain_is_whole_whether_its_certificates_are_shared_or_not() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running, superuser(running) as database:
        contracts = []
        for _ in range(2):
            contracts.append(await running.issue_minor())
            somebody = await signed(running, contracts[-1])
            await completed(running, contracts[-1])
            clock.advance(timedelta(hours=1))
        signer, seal = await requests(running, contracts[1])
        assert signer.chain == somebody.chain
        assert seal.chain == running.hub.services.sealing.seal.chain
        stored = {row[0]: row[1] for row in await database.fetch(LENGTHS, contracts[1].id)}
        assert stored == {False: [len(somebody.chain[0]), 32], True: [32, 32]}
        assert await database.fetchval("SELECT count(*) FROM shared_certificate") == 2  # the root and the seal
        for each in (signer, seal):  # as earlier versions stored it
            await tamper(
                running.hub.database.dsn, "UPDATE signature_request SET chain = $1 WHERE id = $2", each.chain, each.id
            )
        assert await requests(running, contracts[1]) == [signer, seal]


async def test_the_database_takes_no_certificate_under_another_ones_hash() -> None:
    async with quiet_hub() as running, superuser(running) as database:
        with pytest.raises(asyncpg.CheckViolationError):
            await database.execute("INSERT INTO shared_certificate VALUES (sha256('one'), 'another')")
