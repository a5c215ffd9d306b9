"""SealJob: files of another system that get one seal, each at the same kind of place. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from hub.errors import BadInput, ManySealFiles
from hub.model.sealing.seal_fault import SealFault

MAX_FILES_OF_JOB: Final = 200_000
MAX_UPLOADED_FILES: Final = 1_000
MAX_NAMED_FILES: Final = 5_000
MAX_FILE_BYTES: Final = 1 << 30
# Maximum number of files of one client in one hour, over all its jobs.
MAX_FILES_OF_HOUR: Final = 400_000
RATE_WINDOW: Final = timedelta(hours=1)
MAX_OPEN_JOBS: Final = 20
MAX_NAME_LENGTH: Final = 200
# A job that has not ended after this time is stopped: something that it needs is missing, and an open job counts
# towards the limits of its client.
JOB_DEADLINE: Final = timedelta(days=1)
# A job is not stopped if one of its files was sealed or failed within this time: then it is only slow.
PROGRESS_WINDOW: Final = timedelta(hours=1)
# How long the results of a job can be fetched after it has ended.
RESULT_RETENTION: Final = timedelta(days=7)
# How long the list of a job's files is kept, since their names may be personal. The register of seals is kept longer.
JOB_RETENTION: Final = timedelta(days=180)
# Limits of the files that are prepared together: their number, and their bytes in all. A larger file is prepared alone.
MAX_FILES_TOGETHER: Final = 16
MAX_BYTES_TOGETHER: Final = 8 << 20
# The number of files in one lease, at first and at most; and the seconds that a lease should take, few enough for the
# job's progress to be seen.
FILES_AT_FIRST: Final = 50
MAX_FILES_AT_ONCE: Final = 400
SECONDS_AT_ONCE: Final = 2.0
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
    """It cannot go on: the object store no longer exists, the job found no files or too many, its results would
    overwrite them, or it did not end in a day."""


class SealItemState(StrEnum):
    WAITING = "waiting"
    SEALED = "sealed"
    FAILED = "failed"


@dataclass(frozen=True)
class StorePrefix:
    """A place in a configured object store: the objects whose keys begin with a prefix."""

    store: str
    prefix: str = ""


@dataclass(frozen=True)
class SealTerms:
    """The terms of a job. `source`: where the files are; None if they are uploaded. `target`: where the results go;
    None if they are fetched. `webhook`: the name of a configured address that is called when the job has ended."""

    seal: UUID
    place: str
    level: SealLevel
    source: StorePrefix | None = None
    target: StorePrefix | None = None
    webhook: str | None = None


@dataclass(frozen=True)
class SealClient:
    """The API key that requested a job. `campus`: the campus of the key."""

    key: UUID
    name: str
    campus: str


@dataclass(frozen=True)
class SealJob:
    """A seal job. `reason`: why it was stopped, if it was."""

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
        """The time until which results can be fetched; None while the job runs."""
        return self.ended_at + RESULT_RETENTION if self.ended_at else None


@dataclass(frozen=True)
class NewItem:
    """A file of a new job. `source`: its key in the object store; empty for an uploaded file. `sha256`: hash of an
    uploaded file (hex), else empty."""

    name: str
    source: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class SealItem:
    """A file of a job. `number`: counts from 1. `fault`, `detail`: why it failed."""

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
        """The id of the file's line in the register of seals. It is the same at each try."""
        return uuid5(self.job, str(self.number))

    @property
    def about(self) -> str:
        """What the file's line in the register of seals is about."""
        return f"seal-job:{self.job}/{self.number}"


@dataclass(frozen=True)
class ItemOutcome:
    """The outcome for a file: its result, or the reason for a failure."""

    item: SealItem
    result_sha256: str | None = None
    result_size: int | None = None
    fault: SealFault | None = None
    detail: str = ""


@dataclass(frozen=True)
class ClientLoad:
    """The current load of a client. `files`: the files of its jobs within RATE_WINDOW. `oldest`: when the first of
    these jobs was requested."""

    open_jobs: int
    files: int
    oldest: datetime | None


def check_load(load: ClientLoad, files: int, now: datetime) -> None:
    """Raise ManySealFiles if the client would have too many open jobs, or too many files within RATE_WINDOW."""
    if load.open_jobs >= MAX_OPEN_JOBS:
        raise ManySealFiles(retry_after=timedelta(minutes=1))
    if load.files + files > MAX_FILES_OF_HOUR:
        oldest = load.oldest or now
        raise ManySealFiles(retry_after=max(timedelta(seconds=1), oldest + RATE_WINDOW - now))


def group_files(sizes: Sequence[tuple[SealItem, int]]) -> list[list[SealItem]]:
    """Return the groups of files that are prepared together, in order. `sizes`: each file with its size in bytes."""
    groups: list[list[SealItem]] = []
    room = 0
    for item, size in sizes:
        if not groups or size > room or len(groups[-1]) == MAX_FILES_TOGETHER:
            groups.append([])
            room = MAX_BYTES_TOGETHER
        groups[-1].append(item)
        room -= size
    return groups


def plan_lease(files: int, seconds: float) -> int:
    """Return how many files the next lease takes. `files`, `seconds`: what the last one took."""
    wanted = int(files * SECONDS_AT_ONCE / max(seconds, 0.001))
    return max(1, min(wanted, 2 * files, MAX_FILES_AT_ONCE))


def with_own_names(items: Iterable[NewItem]) -> list[NewItem]:
    """Return the files of a job, each with a unique name. Names that differ only in case do not count as different,
    because all results are in one folder, bucket or ZIP."""
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


def would_overwrite(terms: SealTerms, items: Sequence[NewItem]) -> bool:
    """Return whether a result would be stored under the key of one of these files."""
    source, target = terms.source, terms.target
    if source is None or target is None or source.store != target.store:
        return False
    keys = {item.source for item in items}
    return any(target.prefix + item.name in keys for item in items)


def safe_name(name: str, number: int) -> str:
    """Return a file name that is safe in a folder, a header and a ZIP: without a path and unsafe characters."""
    last = _UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).strip(" .")
    return last[-MAX_NAME_LENGTH:] or f"file-{number}"


def check_keys(place: StorePrefix, keys: Sequence[str], field: str) -> None:
    """Raise BadInput for keys that are not below the prefix, lead out of the store, or are named twice."""
    for key in keys:
        if not key.startswith(place.prefix) or key.endswith("/") or key == place.prefix:
            raise BadInput("each key is that of an object below the prefix", field=field)
        check_prefix(StorePrefix(place.store, key), field)
    if len(set(keys)) < len(keys):
        raise BadInput("a key is named twice", field=field)


def check_prefix(place: StorePrefix, field: str) -> None:
    """Raise BadInput for a prefix that could lead out of its store."""
    parts = place.prefix.split("/")
    elsewhere = {".", ".."} & set(parts) or "//" in place.prefix
    if elsewhere or place.prefix.startswith("/") or not place.prefix.isprintable() or len(place.prefix) > 500:
        raise BadInput("a prefix is a path in the store, without ..", field=field)
