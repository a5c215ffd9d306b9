"""Requests and answers of the API about sealing files of other systems. Field names are public and must not change."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from hub.model.sealing.seal_fault import SealFault
from hub.model.sealing.seal_job import MAX_NAMED_FILES, SealItemState, SealJobState, SealLevel
from hub.web.api.schemas import NO_CONTROLS, ApiAnswer, ApiRequest, Words

Prefix = Annotated[str, StringConstraints(max_length=500, pattern=NO_CONTROLS)]
Place = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_CONTROLS)]


class StorePlace(ApiRequest):
    store: Words = Field(description="The name of a configured object store.")
    prefix: Prefix = Field("", description="The beginning of the keys, like `in/2026/`.")


class StoreFiles(StorePlace):
    keys: list[Prefix] | None = Field(
        None,
        min_length=1,
        max_length=MAX_NAMED_FILES,
        description="Only the objects with these full keys, all below the prefix. By default, all objects below it.",
    )


class SealJobAsked(ApiRequest):
    """In JSON: the files of an object store. As multipart/form-data: the same fields as texts, and the files."""

    seal: Words | None = Field(None, description="The name of the seal; by default the configured seal.")
    place: Place = Field(
        description="`page:3,105,200` (middle of the seal, mm from left and top), `page:last,105,200`, "
        "`keyword:WORDS`, `keyword#2:WORDS`, `keyword#all:WORDS`, `field:NAME`, `across`, `across:150`."
    )
    level: SealLevel = Field(SealLevel.PLAIN, description="`plain` (B-B), or `lasting` (B-LTA).")
    source: StoreFiles | None = Field(None, description="Where the files are, unless they are uploaded.")
    target: StorePlace | None = Field(None, description="Where the results go; by default they are fetched here.")
    webhook: Words | None = Field(None, description="The name of a configured webhook to call when the job has ended.")


class SealJobGiven(ApiAnswer):
    id: UUID
    state: SealJobState
    reason: str = Field(description="Why it stopped.")
    total: int
    sealed: int
    failed: int
    left: int
    asked_at: datetime
    ended_at: datetime | None
    files_until: datetime | None = Field(description="Until when results can be fetched.")


class SealItemGiven(ApiAnswer):
    number: int
    name: str
    state: SealItemState
    sha256: str | None = Field(description="Of the sealed file.")
    size: int | None
    fault: SealFault | None
    fault_en: str | None
    fault_zh: str | None
    detail: str


class SealItemsAsked(ApiRequest):
    state: SealItemState | None = Field(None, description="Only these.")
    after: int = Field(0, ge=0, le=2_000_000_000, description="Only files after this number.")
    limit: int = Field(200, ge=1, le=1000)


class SealItemPage(ApiAnswer):
    items: list[SealItemGiven]
    next: int | None = Field(description="`after` for the next page; null on the last page.")
