"""A job of many files: the database knows how many there are before the first of them is leased."""

from __future__ import annotations

from uuid import uuid4

from hub.model.sealing.seal_job import NewItem, SealClient, SealJob, SealJobState, SealLevel, SealTerms
from hub.model.staff.accounts import EVERYTHING, ApiKey
from hub.store.transaction import Database
from tests.store.sealing.test_seal_register import NOW, a_seal, store

__all__ = ["store"]
COUNTED = "SELECT reltuples FROM pg_class WHERE oid = 'seal_job_item'::regclass"


async def test_statistics_of_new_files_are_gathered(store: Database) -> None:
    seal, _ = await a_seal(store)
    terms = SealTerms(seal.id, "page:1,60,60", SealLevel.PLAIN)
    key = ApiKey(uuid4(), "registry", "hefei")
    job = SealJob(uuid4(), SealClient(key.id, key.name, key.campus), terms, SealJobState.LISTING, NOW)
    async with store.transaction(EVERYTHING) as tx:
        await tx.api_keys.add(key, "secret", tx.now)
        await tx.seal_jobs.add(job)
        await tx.seal_jobs.add_items(job, 1, [NewItem(f"{number}.pdf") for number in range(500)])
    async with store.transaction(EVERYTHING) as tx:
        await tx.seal_jobs.analyze()
    async with store.transaction(EVERYTHING) as tx:
        assert (await tx.connection.fetch(COUNTED)).one()[0] == 500
