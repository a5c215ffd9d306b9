"""Seal files of other systems by the API: jobs, the outcome for each file, and the results."""

from __future__ import annotations

import asyncio
import contextlib
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from hub.errors import BadInput, ResultNotReady, SealJobNotFound, SealNotFound
from hub.lifecycle.sealing.jobs.seal_jobs import NamedFiles, UploadedFiles, begin_seal_job
from hub.lifecycle.sealing.seals.contract_seal import get_configured_seal
from hub.lifecycle.services import Services
from hub.model.sealing.seal_job import SealClient, SealItem, SealItemState, SealJob, SealTerms, StorePrefix
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction
from hub.web.api.endpoint import ApiCall
from hub.web.api.schemas import pick
from hub.web.api.seal_job_schemas import (
    SealItemGiven,
    SealItemPage,
    SealItemsAsked,
    SealJobAsked,
    SealJobGiven,
    StorePlace,
)
from hub.web.pages.files import ZipSink

ZIP_TYPE = "application/zip"
SEALED_TYPE = "application/octet-stream"
# Items of a job that are read at a time for a ZIP of its results.
ITEMS_AT_A_TIME = 500
CHUNK_BYTES = 1 << 20


async def create(call: ApiCall) -> SealJobGiven:
    """Begin a job with the files that came with the request, or with files of an object store."""
    asked, uploaded = cast(SealJobAsked, call.asked), cast(UploadedFiles | None, call.attached)
    if (asked.source is None) == (uploaded is None):
        raise BadInput("either name an object store or upload files", field="source")
    async with call.services.database.transaction(EVERYTHING) as tx:
        seal = await _seal_id(call.services, tx, asked.seal)
        webhook, level = asked.webhook, asked.level
        terms = SealTerms(seal, asked.place, level, _prefix(asked.source), _prefix(asked.target), webhook)
        client = SealClient(call.key.id, call.key.name, call.key.campus)
        named = NamedFiles(tuple(asked.source.keys)) if asked.source and asked.source.keys else None
        job = await begin_seal_job(call.services, tx, client, terms, uploaded or named)
        return await call.keep(tx, pick(SealJobGiven, job))


async def read(call: ApiCall) -> SealJobGiven:
    async with call.transaction() as tx:
        return pick(SealJobGiven, await _get_job(call, tx))


async def list_items(call: ApiCall) -> SealItemPage:
    asked = cast(SealItemsAsked, call.asked)
    async with call.transaction() as tx:
        job = await _get_job(call, tx)
        found = await tx.seal_jobs.list_items(job.id, asked.state, asked.after, asked.limit + 1)
    shown = found[: asked.limit]
    following = shown[-1].number if len(found) > len(shown) else None
    return SealItemPage(items=[_item(item) for item in shown], next=following)


async def result(call: ApiCall) -> web.FileResponse:
    """Return one sealed file."""
    async with call.transaction() as tx:
        job = await _get_job(call, tx)
        item = await tx.seal_jobs.get_item(job.id, call.number)
    if item.state is not SealItemState.SEALED:
        raise ResultNotReady(item.state.value)
    path = call.services.seal_files.folder.result(item)
    if not path.is_file():
        raise ResultNotReady("deleted")
    return web.FileResponse(path, headers=_headers(item.name.rpartition("/")[2], SEALED_TYPE))


async def results(call: ApiCall) -> web.Response:
    """Return all sealed files of a job that has ended, as a ZIP."""
    async with call.transaction() as tx:
        job = await _get_job(call, tx)
    if job.ended_at is None or job.terms.target is not None:
        raise ResultNotReady(job.state.value)
    if job.files_until is not None and job.files_until <= call.services.clock():
        raise ResultNotReady("deleted")
    return web.Response(body=_zip(call.services, job), headers=_headers(f"sealed-{job.id}.zip", ZIP_TYPE))


def _headers(name: str, content_type: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}", "Content-Type": content_type}


async def _zip(services: Services, job: SealJob) -> AsyncIterator[bytes]:
    """Yield a ZIP piece by piece. Sealed files are already compressed, so they are only stored in it."""
    sink = ZipSink()
    with sink.open() as archive:
        after = 0
        while True:
            async with services.database.transaction(EVERYTHING) as tx:
                some = await tx.seal_jobs.list_items(job.id, SealItemState.SEALED, after, ITEMS_AT_A_TIME)
            for item in some:
                path = services.seal_files.folder.result(item)
                if path.is_file():
                    async for piece in _packed(archive, sink, item.name, path):
                        yield piece
            if len(some) < ITEMS_AT_A_TIME:
                break
            after = some[-1].number
    yield sink.take()


async def _packed(archive: zipfile.ZipFile, sink: ZipSink, name: str, path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file, archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            member.write(chunk)
            yield sink.take()


async def _get_job(call: ApiCall, tx: Transaction) -> SealJob:
    """Return a job of this client. Raises SealJobNotFound."""
    with contextlib.suppress(ValueError):
        job = await tx.seal_jobs.get(UUID(call.path["id"]))
        if job.client.name == call.key.name:
            return job
    raise SealJobNotFound


async def _seal_id(services: Services, tx: Transaction, name: str | None) -> UUID:
    seal = await get_configured_seal(services, tx) if name is None else await tx.seals.find(name)
    if seal is None:
        raise SealNotFound
    return seal.id


def _prefix(place: StorePlace | None) -> StorePrefix | None:
    return StorePrefix(place.store, place.prefix) if place else None


def _item(item: SealItem) -> SealItemGiven:
    english, chinese = (item.fault.english, item.fault.chinese) if item.fault else (None, None)
    hashed = {"sha256": item.result_sha256, "size": item.result_size}
    return pick(SealItemGiven, item, **hashed, fault_en=english, fault_zh=chinese)
