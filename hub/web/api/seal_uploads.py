"""Receive files with the request to seal them (multipart/form-data), and write them to the disk as they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import ValidationError

from hub.errors import BadInput
from hub.lifecycle.sealing.jobs.seal_jobs import UploadedFiles
from hub.model.sealing.seal_job import MAX_FILE_BYTES, MAX_UPLOADED_FILES, NewItem, safe_name
from hub.store.sealing.job_files import SealJobFiles
from hub.web.api.endpoint import MULTIPART, Operation, Received, bad_input
from hub.web.api.seal_job_schemas import SealJobAsked
from hub.web.http.app_keys import HUB

MAX_FIELDS = 20
MAX_FIELD_BYTES = 4096
# The most bytes of all files of one request.
MAX_UPLOAD_BYTES = 4 << 30
CHUNK = 1 << 18
_PLACES = ("source", "target")


class SealOperation(Operation):
    """The operation that takes files, or JSON that says where the files are."""

    takes_files = True

    @contextlib.asynccontextmanager
    async def received(self, request: web.Request) -> AsyncIterator[Received]:
        if request.content_type != MULTIPART:
            async with super().received(request) as received:
                yield received
            return
        files = request.app[HUB].services.seal_files.folder
        folder = await asyncio.to_thread(files.new_upload, uuid4())
        try:
            upload = _Incoming(files, folder)
            await upload.read(request)
            uploaded = UploadedFiles(folder, tuple(upload.items)) if upload.items else None
            yield Received(_asked(upload.fields), upload.described, uploaded)
        finally:  # if a job was begun, it has already moved the folder away
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@dataclass
class _Incoming:
    """The parts that have arrived. `fields`: texts; `items`: files, numbered from 1."""

    files: SealJobFiles
    folder: Path
    fields: dict[str, str] = field(default_factory=dict)
    items: list[NewItem] = field(default_factory=list)
    size: int = 0

    @property
    def described(self) -> bytes:
        """Return bytes that describe the request, to tell two requests with the same Idempotency-Key apart."""
        return json.dumps([self.fields, [[item.name, item.sha256] for item in self.items]], sort_keys=True).encode()

    async def read(self, request: web.Request) -> None:
        try:
            async for part in await request.multipart():
                if not isinstance(part, BodyPartReader):
                    raise BadInput("a part must not contain other parts", field="file")
                if part.filename is None:
                    await self._read_field(part)
                else:
                    await self._read_file(part)
        except (ValueError, HttpProcessingError) as error:  # aiohttp's reader of multipart bodies
            raise BadInput("the body is not multipart/form-data", field="file") from error

    async def _read_field(self, part: BodyPartReader) -> None:
        content = bytearray()
        while chunk := await part.read_chunk(MAX_FIELD_BYTES):
            content += chunk
            if len(content) > MAX_FIELD_BYTES:
                raise BadInput("this field is too long", field=part.name or "")
        if len(self.fields) >= MAX_FIELDS:
            raise BadInput(f"up to {MAX_FIELDS} fields", field=part.name or "")
        if part.name is None or part.name in self.fields:
            raise BadInput("each field must have a name and occur only once", field=part.name or "")
        self.fields[part.name] = content.decode("utf-8")

    async def _read_file(self, part: BodyPartReader) -> None:
        number = len(self.items) + 1
        if number > MAX_UPLOADED_FILES:
            raise BadInput(f"up to {MAX_UPLOADED_FILES} files at once", field="file")
        hashed, size = hashlib.sha256(), 0
        with self.files.place_in(self.folder, number).open("wb") as file:
            while chunk := await part.read_chunk(CHUNK):
                size += len(chunk)
                self.size += len(chunk)
                if size > MAX_FILE_BYTES or self.size > MAX_UPLOAD_BYTES:
                    raise web.HTTPRequestEntityTooLarge(MAX_FILE_BYTES, size)
                hashed.update(chunk)
                file.write(chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        self.items.append(NewItem(safe_name(part.filename or "", number), "", hashed.hexdigest()))


def _asked(fields: dict[str, str]) -> SealJobAsked:
    """Return the request in the fields. A place in an object store is written `store` or `store/prefix`."""
    values: dict[str, Any] = dict(fields)
    for name in _PLACES:
        if name in values:
            store, _, prefix = values[name].partition("/")
            values[name] = {"store": store, "prefix": prefix}
    try:
        return SealJobAsked.model_validate(values)
    except ValidationError as error:
        raise bad_input(error) from None
