"""Another system has files sealed: by upload, from an object store, with the reasons of those that fail."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from hub.lifecycle.sealing.jobs.run_seal_job import LEASE, run_seal_job
from hub.lifecycle.sealing.jobs.seal_chunk import MAX_DENIALS
from hub.lifecycle.sealing.jobs.seal_jobs import MANY_ITEMS, NamedFiles, begin_seal_job, list_source
from hub.model.sealing.seal_job import (
    MAX_FILES_OF_JOB,
    MAX_UPLOADED_FILES,
    SealClient,
    SealJob,
    SealJobState,
    SealLevel,
    SealTerms,
    StorePrefix,
)
from hub.model.sealing.seal_use import UseOutcome
from hub.model.staff.accounts import ApiKey
from hub.model.staff.scope import EVERYTHING
from hub.store.files.object_places import FoundObject, ObjectPlace
from tests.judges import judge_by_qpdf
from tests.running import Running, running_hub, until
from tests.sealing.clients import configured_seal, granted_client, new_client
from tests.sealing.parts import KEYWORD_PAGES, pages
from tests.sealing.s3_double import ObjectStoreDouble, object_store

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bucket() -> AsyncIterator[ObjectStoreDouble]:
    async with object_store() as double:
        yield double


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(bucket: ObjectStoreDouble) -> AsyncIterator[Running]:
    of_others = bucket.settings | {"clients": ["somebody-else"]}
    configured = {"seal_files": {"stores": {"archive": bucket.settings, "of-others": of_others}, "children": 1}}
    async with running_hub(configured=configured) as hub:
        yield hub


async def test_one_file_by_upload(running: Running, tmp_path: Path) -> None:
    client = await granted_client(running)
    status, job = await client.upload({"合同.pdf": pages("a", "b")}, "across", level="lasting")
    assert (status, job["state"], job["total"]) == (201, "running", 1)
    ended = await client.ended(job["id"])
    assert (ended["state"], ended["sealed"], ended["failed"], ended["left"]) == ("done", 1, 0, 0)
    status, sealed = await client.get(f"{job['id']}/items/1/file")
    assert status == 200
    (tmp_path / "sealed.pdf").write_bytes(sealed)
    judge_by_qpdf(tmp_path / "sealed.pdf")
    (item,) = await client.items(job["id"])
    assert (item["name"], item["size"], item["fault"]) == ("合同.pdf", len(sealed), None)


async def test_same_request_again_is_the_same_job(running: Running) -> None:
    client, file = await granted_client(running), {"a.pdf": pages("a")}
    first = await client.upload(file, "page:1,60,60", once="key")
    assert await client.upload(file, "page:1,60,60", once="key") == first
    assert (await client.upload(file, "page:1,60,90", once="key"))[0] == 422


async def test_bad_files_fail_and_the_others_are_sealed(running: Running) -> None:
    client = await granted_client(running)
    good = pages(*KEYWORD_PAGES)
    files = {
        "good.pdf": good,
        "no.pdf": pages("nothing"),
        "half.pdf": good[:700],
        "x.gif": b"GIF89a",
        "again.pdf": good,
    }
    status, job = await client.upload(files, "keyword:Party A")
    assert status == 201
    ended = await client.ended(job["id"])
    assert (ended["sealed"], ended["failed"]) == (2, 3)
    failed = await client.items(job["id"], "?state=failed")
    assert [(item["name"], item["fault"]) for item in failed] == [
        ("no.pdf", "keyword-missing"),
        ("half.pdf", "damaged"),
        ("x.gif", "not-a-document"),
    ]
    assert all(item["fault_en"] and item["fault_zh"] for item in failed)
    status, packed = await client.get(f"{job['id']}/results.zip")
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["good.pdf", "again.pdf"]
    assert (await client.get(f"{job['id']}/items/2/file"))[0] == 409
    async with running.hub.database.transaction(EVERYTHING) as tx:
        lines = await tx.seal_register.list_of_seal((await configured_seal(running)).id)
    mine = [line for line in lines if line.about.startswith(f"seal-job:{job['id']}/")]
    assert sorted(line.outcome for line in mine) == sorted([UseOutcome.SEALED] * 2 + [UseOutcome.FAILED] * 3)


async def test_grant_is_used_up_and_gives_back_what_failed(running: Running) -> None:
    client = await granted_client(running, uses=3)
    good = pages("a")
    status, job = await client.upload({"1.pdf": good, "2.pdf": b"%PDF-", "3.pdf": good}, "page:1,60,60")
    assert status == 201 and (await client.ended(job["id"]))["sealed"] == 2
    _, job = await client.upload({"4.pdf": good, "5.pdf": good}, "page:1,60,60")
    ended = await client.ended(job["id"])
    assert (ended["sealed"], ended["failed"]) == (1, 1)
    (item,) = await client.items(job["id"], "?state=failed")
    assert (item["fault"], item["detail"]) == ("seal-refused", "exhausted")


async def test_files_that_fail_leave_their_uses_to_those_behind_them(running: Running) -> None:
    """All four are in one lease, and the first two are counted before they fail."""
    client, good = await granted_client(running, uses=2), pages("a")
    files = {"1.pdf": b"%PDF-", "2.pdf": b"%PDF-", "3.pdf": good, "4.pdf": good}
    _, job = await client.upload(files, "page:1,60,60")
    ended = await client.ended(job["id"])
    assert (ended["sealed"], ended["failed"]) == (2, 2)
    assert [item["fault"] for item in await client.items(job["id"])] == ["damaged", "damaged", None, None]


async def test_without_a_grant_nothing_is_sealed(running: Running) -> None:
    await configured_seal(running)
    client = await new_client(running)
    _, job = await client.upload({"1.pdf": pages("a")}, "page:1,60,60")
    await client.ended(job["id"])
    (item,) = await client.items(job["id"])
    assert (item["fault"], item["detail"]) == ("seal-refused", "not-granted")
    other = await granted_client(running)
    assert (await other.get(job["id"]))[0] == 404


async def test_files_of_an_object_store(running: Running, bucket: ObjectStoreDouble) -> None:
    client, good = await granted_client(running), pages("a", "b")
    bucket.objects |= {f"in/2026/{number}.pdf": good for number in range(5)} | {
        "in/odd name+%.pdf": b"no",
        "else": b"x",
    }
    status, job = await client.ask(
        place="page:last,60,60",
        source={"store": "archive", "prefix": "in/"},
        target={"store": "archive", "prefix": "out/"},
    )
    assert (status, job["state"]) == (201, "listing")
    ended = await client.ended(job["id"])
    assert (ended["total"], ended["sealed"], ended["failed"], bucket.refused) == (6, 5, 1, 0)
    assert sorted(bucket.puts) == [f"out/2026/{number}.pdf" for number in range(5)]
    assert all(bucket.objects[f"out/2026/{number}.pdf"].startswith(good) for number in range(5))
    (failed,) = await client.items(job["id"], "?state=failed")
    assert (failed["name"], failed["fault"]) == ("odd name+%.pdf", "not-a-document")


async def test_only_the_files_of_a_list(running: Running, bucket: ObjectStoreDouble) -> None:
    client, good = await granted_client(running), pages("a")
    bucket.objects |= {f"list/{name}.pdf": good for name in ("a", "b", "c")}
    source = {"store": "archive", "prefix": "list/", "keys": ["list/c.pdf", "list/a.pdf", "list/gone.pdf"]}
    status, job = await client.ask(
        place="page:1,60,60", source=source, target={"store": "archive", "prefix": "listed/"}
    )
    assert (status, job["state"], job["total"]) == (201, "running", 3)
    ended = await client.ended(job["id"])
    assert (ended["sealed"], ended["failed"]) == (2, 1)
    assert sorted(key for key in bucket.objects if key.startswith("listed/")) == ["listed/a.pdf", "listed/c.pdf"]
    assert [item["fault"] for item in await client.items(job["id"])] == [None, None, "source-missing"]


async def test_statistics_are_gathered_with_the_files(running: Running) -> None:
    """The database knows how many there are before the first of them is leased."""
    seal, key = await configured_seal(running), ApiKey(uuid4(), "registry-99", "hefei")
    terms = SealTerms(seal.id, "across", SealLevel.PLAIN, StorePrefix("archive", ""))
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.api_keys.add(key, "secret of many", tx.now)
        files = NamedFiles(tuple(f"{number}.pdf" for number in range(MANY_ITEMS)))
        job = await begin_seal_job(running.hub.services, tx, SealClient(key.id, key.name, key.campus), terms, files)
        counted = await tx.connection.fetch("SELECT reltuples FROM pg_class WHERE oid = 'seal_job_item'::regclass")
        await tx.seal_jobs.stop(job.id, "no-store", tx.now)
    assert counted.one()[0] >= MANY_ITEMS


async def test_results_that_would_overwrite_listed_files_stop_the_job(
    running: Running, bucket: ObjectStoreDouble
) -> None:
    client, good = await granted_client(running), pages("a")
    bucket.objects["same/a.pdf"] = good
    source, target = {"store": "archive", "prefix": "same"}, {"store": "archive", "prefix": "same/"}
    _, job = await client.ask(place="page:1,60,60", source=source, target=target)
    ended = await client.ended(job["id"])
    assert (ended["state"], ended["reason"], bucket.objects["same/a.pdf"]) == ("stopped", "would-overwrite", good)


async def test_an_object_that_the_store_refuses_fails_after_some_tries(
    running: Running, bucket: ObjectStoreDouble
) -> None:
    client, services = await granted_client(running), running.hub.services
    bucket.objects |= {f"mine/{name}.pdf": pages(name) for name in ("read", "written", "well")}
    bucket.denied = frozenset({"mine/read.pdf", "theirs/written.pdf"})
    source, target = {"store": "archive", "prefix": "mine/"}, {"store": "archive", "prefix": "theirs/"}
    _, job = await client.ask(place="page:1,60,60", source=source, target=target)

    async def well_is_sealed() -> bool | None:
        return (await client.ask_about(job["id"]))["sealed"] == 1 or None

    await until(well_is_sealed)
    for _ in range(2 * MAX_DENIALS):
        running.clock.advance(LEASE)
        await run_seal_job(services, UUID(job["id"]), lambda: True)
    ended = await client.ended(job["id"])
    assert (ended["sealed"], ended["failed"]) == (1, 2)
    faults = {item["name"]: item["fault"] for item in await client.items(job["id"])}
    assert faults == {"read.pdf": "store-denied", "written.pdf": "store-denied", "well.pdf": None}
    # The clock is put on while the worker has some of them: it may ask once more for what it no longer holds.
    assert all(MAX_DENIALS <= count <= 2 * MAX_DENIALS for count in Counter(bucket.denials).values()), bucket.denials


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"place": "somewhere", "source": {"store": "archive"}}, "place"),
        ({"place": "across", "source": {"store": "nowhere"}}, "source.store"),
        ({"place": "across", "source": {"store": "of-others"}}, "source.store"),
        ({"place": "across", "source": {"store": "archive"}, "target": {"store": "archive"}}, "target.prefix"),
        (
            {
                "place": "across",
                "source": {"store": "archive", "prefix": "in", "keys": ["in/a"]},
                "target": {"store": "archive", "prefix": "in/"},
            },
            "target.prefix",
        ),
        ({"place": "across", "source": {"store": "archive", "prefix": "../x"}}, "source.prefix"),
        ({"place": "across", "source": {"store": "archive", "keys": ["a", "../x"]}}, "source.keys"),
        ({"place": "across", "source": {"store": "archive", "keys": ["a", "a"]}}, "source.keys"),
        ({"place": "across", "source": {"store": "archive", "prefix": "in/", "keys": ["out/a"]}}, "source.keys"),
        ({"place": "across", "source": {"store": "archive"}, "webhook": "nobody"}, "webhook"),
        ({"place": "across"}, "source"),
    ],
)
async def test_wrong_requests(running: Running, asked: dict[str, object], field: str) -> None:
    client = await granted_client(running)
    status, problem = await client.ask(**asked)
    assert (status, problem["field"]) == (422, field)


async def test_upload_that_is_refused_leaves_nothing(running: Running) -> None:
    client = await granted_client(running)
    assert (await client.upload({"1.pdf": pages("a")}, "nowhere"))[0] == 422
    folder = running.hub.services.seal_files.folder.folder
    assert not await asyncio.to_thread(lambda: list(folder.glob("upload-*")))


@pytest.mark.parametrize(("number", "refused"), [(MAX_UPLOADED_FILES, "place"), (MAX_UPLOADED_FILES + 1, "file")])
async def test_so_many_files_are_uploaded_at_once(running: Running, number: int, refused: str) -> None:
    client = await new_client(running)
    status, problem = await client.upload({f"{each}.pdf": b"x" for each in range(number)}, "nowhere")
    assert (status, problem["field"]) == (422, refused)


class LongList(ObjectPlace):
    """An object store with so many files."""

    def __init__(self, number: int) -> None:
        super().__init__("memory://", {}, ())
        self._number = number

    async def list_objects(self, prefix: str) -> AsyncIterator[list[FoundObject]]:
        yield [FoundObject(f"{prefix}/{each}.pdf", 1) for each in range(self._number)]


@pytest.mark.parametrize(
    ("number", "reason"), [(MAX_FILES_OF_JOB, "would-overwrite"), (MAX_FILES_OF_JOB + 1, "too-many-files")]
)
async def test_so_many_files_are_listed(running: Running, number: int, reason: str) -> None:
    """At the bound the list is looked at: its results would overwrite the files."""
    seal, key = await configured_seal(running), ApiKey(uuid4(), f"long-{number}", "hefei")
    places = StorePrefix("long", "in"), StorePrefix("long", "in/")
    terms = SealTerms(seal.id, "across", SealLevel.PLAIN, *places)
    services = running.hub.services
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.api_keys.add(key, f"secret of {number}", tx.now)
        client = SealClient(key.id, key.name, key.campus)
        await tx.seal_jobs.add(job := SealJob(uuid4(), client, terms, SealJobState.LISTING, tx.now))
    await list_source(
        replace(services, seal_files=replace(services.seal_files, stores={"long": LongList(number)})), job
    )
    async with running.hub.database.transaction(EVERYTHING) as tx:
        listed = await tx.seal_jobs.get(job.id)
    assert (listed.state, listed.reason) == (SealJobState.STOPPED, reason)
