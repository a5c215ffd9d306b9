"""Two guardians press "sign" at the same moment: one waits for the other, and no signature is lost."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from hub.model.contract.contract import Contract
from hub.model.evidence.record import find_broken_entry
from hub.model.staff.scope import EVERYTHING
from qianda.client import SigningClient
from qianda.holder import SoftwareKey
from qianda.wire import ProtocolProblem
from tests.lifecycle.people import MOTHER_ID, MOTHER_PHONE, two_guardians
from tests.running import Running, running_hub
from tests.web.signer_visits import verified

pytestmark = pytest.mark.custody

PAIRS_AT_ONCE = 3
IN_ONE_VISIT = 20  # a session contains no more contracts


async def press(client: SigningClient, key: SoftwareKey, contract: Contract) -> int:
    """Press until the contract is signed, as a person does who is told of another signature. Return how often."""
    for presses in range(1, 4):
        try:
            assert (await client.sign(key, str(contract.id))).state == "SIGNED"
            return presses
        except ProtocolProblem as problem:
            if problem.code != "document-changed":
                raise
    raise AssertionError("pressed three times in vain")


Guardian = tuple[SigningClient, SoftwareKey]


async def both_press(gate: asyncio.Semaphore, guardians: Sequence[Guardian], contract: Contract) -> list[int]:
    async with gate:
        return list(await asyncio.gather(*(press(client, key, contract) for client, key in guardians)))


async def nothing_is_lost(running: Running, contract: Contract) -> None:
    final = await running.completed(contract)
    fields = [each.field_name for each in PdfFileReader(io.BytesIO(final)).embedded_regular_signatures]
    assert sorted(fields) == ["guardian-1", "guardian-2", "seal"]
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.record.list_entries(contract.id)
    kinds = [entry.kind for entry in entries]
    assert [kinds.count(kind) for kind in ("signature-accepted", "signature-embedded", "seal-used", "completed")] == [
        2,
        2,
        1,
        1,
    ]
    assert find_broken_entry(entries) is None


@contextlib.asynccontextmanager
async def both_here(running: Running, contract: Contract, count: int) -> AsyncIterator[list[SigningClient]]:
    async with (
        verified(running, contract, 0, count=count) as father,
        verified(running, contract, 1, "周文静", MOTHER_ID[-4:], MOTHER_PHONE, count) as mother,
    ):
        yield [father, mother]


async def rounds(running: Running, times: int) -> list[int]:
    presses: list[int] = []
    for count, start in enumerate(range(0, times, IN_ONE_VISIT), start=1):
        running.clock.advance(timedelta(minutes=15) if count > 1 else timedelta(0))  # until the next code
        contracts = [
            await running.issue_minor(signers=two_guardians(1, 1), send="none")
            for _ in range(min(IN_ONE_VISIT, times - start))
        ]
        gate = asyncio.Semaphore(PAIRS_AT_ONCE)
        async with both_here(running, contracts[0], count) as clients:
            guardians = [(client, SoftwareKey()) for client in clients]
            for client, key in guardians:
                await client.key(key, str(contracts[0].id))
            for each in await asyncio.gather(*(both_press(gate, guardians, contract) for contract in contracts)):
                presses += each
        for contract in contracts:
            await nothing_is_lost(running, contract)
    return presses


@pytest.mark.real
async def test_twice_both_press_and_nothing_is_lost() -> None:
    async with running_hub() as running:
        assert len(await rounds(running, 2)) == 4


@pytest.mark.real
async def test_a_hundred_times_both_press_and_nothing_is_lost() -> None:
    many = {"per_number_hour": 1000, "per_number_day": 1000, "per_prefix_hour": 1000}  # for a hundred completed copies
    async with running_hub(configured={"budgets": many}) as running:
        presses = await rounds(running, 100)
    assert len(presses) == 200
    assert max(presses) > 1  # they really met
