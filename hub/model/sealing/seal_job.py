"""SealJob: files of another system that get one seal, each at the same kind of place. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from hub.errors import BadInput, ManySealFiles
from hub.model.sealing.seal_fault import SealFault

MAX_FILES_OF_JOB: Final = 200_000
MAX_UPLOADED_FILES: Final = 1_000
MAX_FILE_BYTES: Final = 1 << 30
# Files of one client in one hour, over all its jobs.
MAX_FILES_OF_HOUR: Final = 400_000
RATE_WINDOW: Final = timedelta(hours=1)
MAX_OPEN_JOBS: Final = 20
MAX_NAME_LENGTH: Final = 200
# How long the files of a job that has ended can be fetched.
RESULT_RETENTION: Final = timedelta(days=7)
# How long it is known which files a job had: their names may be personal. The register of seals stays.
JOB_RETENTION: Final = timedelta(days=180)
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|\u202a-\u202e\u2066-\u2069]")


class SealLevel(StrEnum):
    PLAIN = "plain"
    """A signature alone (PAdES B-B)."""
    LASTING = "lasting"
    """With timestamps and what validation needs years later (PAdES B-LTA)."""


class SealJobState(StrEnum):
    LISTING = "listing"
    """The files of an object store are being listed."""
    RUNNING = "running"
    DONE = "done"
    """Each file is sealed or has failed."""
    STOPPED = "stopped"
    """It cannot go on: the object store is not there any more, or the job found no files."""


class SealItemState(StrEnum):
    WAITING = "waiting"
    SEALED = "sealed"
    FAILED = "failed"


@dataclass(frozen=True)
class StorePrefix:
    """A place in a configured object store: below a prefix."""

    store: str
    prefix: str = ""


@dataclass(frozen=True)
class SealTerms:
    """What a job is to do. `source`, `target`: None for files that are uploaded, and for results that are fetched.
    `webhook`: the name of a configured address that is told about the end."""

    seal: UUID
    place: str
    level: SealLevel
    source: StorePrefix | None = None
    target: StorePrefix | None = None
    webhook: str | None = None


@dataclass(frozen=True)
class SealClient:
    """Who asked: an API key. `campus`: whose files they are."""

    key: UUID
    name: str
    campus: str


@dataclass(frozen=True)
class SealJob:
    """A job. `reason`: why it stopped."""

    id: UUID
    client: SealClient
    terms: SealTerms
    state: SealJobState
    asked_at: datetime
    total: int = 0
    sealed: int = 0
    failed: int = 0
    reason: str = ""
    ended_at: datetime | None = None

    @property
    def left(self) -> int:
        return self.total - self.sealed - self.failed

    @property
    def files_until(self) -> datetime | None:
        """Until when results can be fetched; None while the job runs."""
        return self.ended_at + RESULT_RETENTION if self.ended_at else None


@dataclass(frozen=True)
class NewItem:
    """A file of a job. `source`: its key in the object store, empty for one that was uploaded; `sha256`: of an uploaded
    one, hex."""

    name: str
    source: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class SealItem:
    """A file of a job. `number`: from 1 on; `fault`, `detail`: why it failed."""

    job: UUID
    number: int
    name: str
    source: str
    sha256: str
    state: SealItemState
    tries: int = 0
    result_sha256: str | None = None
    result_size: int | None = None
    fault: SealFault | None = None
    detail: str = ""

    @property
    def use(self) -> UUID:
        """The line of the register of seals: the same at each try."""
        return uuid5(self.job, str(self.number))


@dataclass(frozen=True)
class ItemOutcome:
    """What became of a file: sealed, or why not."""

    item: SealItem
    result_sha256: str | None = None
    result_size: int | None = None
    fault: SealFault | None = None
    detail: str = ""


@dataclass(frozen=True)
class ClientLoad:
    """What a client has under way. `files`: those of its jobs within RATE_WINDOW; `oldest`: when the first of these
    jobs was asked for."""

    open_jobs: int
    files: int
    oldest: datetime | None


def check_load(load: ClientLoad, files: int, now: datetime) -> None:
    """Raise ManySealFiles if the client has too many jobs or files under way."""
    if load.open_jobs >= MAX_OPEN_JOBS:
        raise ManySealFiles(retry_after=timedelta(minutes=1))
    if load.files + files > MAX_FILES_OF_HOUR:
        oldest = load.oldest or now
        raise ManySealFiles(retry_after=max(timedelta(seconds=1), oldest + RATE_WINDOW - now))


def with_own_names(items: Iterable[NewItem]) -> list[NewItem]:
    """Return the files of a job with a name for each that no other one has, however a reader compares names: results
    stand in one folder, bucket or ZIP."""
    seen = set[str]()
    found = []
    for number, item in enumerate(items, 1):
        way, slash, last = item.name.rpartition("/")
        name = item.name if item.name.casefold() not in seen else f"{way}{slash}{number}-{last}"
        while name.casefold() in seen:
            name = f"{name}_"
        seen.add(name.casefold())
        found.append(replace(item, name=name))
    return found


def safe_name(name: str, number: int) -> str:
    """Return a file's name as it may stand in a folder, a header and a ZIP: without a way to somewhere else."""
    last = _UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).strip(" .")
    return last[-MAX_NAME_LENGTH:] or f"file-{number}"


def check_prefix(place: StorePrefix, field: str) -> None:
    """Raise BadInput for a prefix that leads elsewhere."""
    parts = place.prefix.split("/")
    elsewhere = {".", ".."} & set(parts) or "//" in place.prefix
    if elsewhere or place.prefix.startswith("/") or not place.prefix.isprintable() or len(place.prefix) > 500:
        raise BadInput("a prefix is a path below the store, without ..", field=field)
