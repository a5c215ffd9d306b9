"""The files of seal jobs on this machine: uploaded or fetched sources, and results.

They are named `JOB/in/0001/1234` and `JOB/out/0001/1234`. The name of a result is known before it is made, and a result
exists only if it is complete. So a worker that repeats the work after a crash finds it. An object of an object store
may change meanwhile, so the name of its result ends with the hash of what was sealed: `JOB/out/0001/1234-SHA256`.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from hub.durable_files import make_folder, sync_folder
from hub.model.sealing.seal_job import SealItem

PER_FOLDER = 1_000


@dataclass(frozen=True)
class SealJobFiles:
    """The files of all seal jobs. `folder`: a folder that web and workers share."""

    folder: Path

    def source(self, job: UUID, number: int) -> Path:
        """Return the path of a file before it is sealed."""
        return self._place(job, "in", number)

    def result(self, item: SealItem) -> Path:
        """Return the path of a sealed file."""
        path = self._place(item.job, "out", item.number)
        return path.with_name(f"{path.name}-{item.sha256}") if item.source and item.sha256 else path

    def take_over(self, job: UUID, uploaded: Path) -> None:
        """Move a folder with uploaded sources, which must be below `folder`, to its job, and sync all their names."""
        for path in uploaded.iterdir():
            sync_folder(path)
        own = self.folder / str(job)
        make_folder(own)
        uploaded.rename(own / "in")
        sync_folder(own)

    def new_upload(self, upload: UUID) -> Path:
        """Make and return a new folder for an upload. `place_in` names the files in it."""
        folder = self.folder / f"upload-{upload}"
        make_folder(folder)
        return folder

    def place_in(self, uploaded: Path, number: int) -> Path:
        path = uploaded / f"{number // PER_FOLDER:04}" / str(number)
        if not path.parent.exists():
            make_folder(path.parent)
        return path

    def forget_source(self, job: UUID, number: int) -> None:
        self.source(job, number).unlink(missing_ok=True)

    def delete(self, job: UUID) -> None:
        """Delete everything of a job."""
        shutil.rmtree(self.folder / str(job), ignore_errors=True)

    def list_old_jobs(self, before: float) -> list[UUID]:
        """Return the jobs with a folder last written before this time (seconds since 1970)."""
        found = []
        for path in self.folder.glob("*-*-*-*-*"):
            if not path.name.startswith("upload-") and path.stat().st_mtime < before:
                with contextlib.suppress(ValueError):
                    found.append(UUID(path.name))
        return found

    def list_old_uploads(self, before: float) -> list[Path]:
        """Return uploads that never became a job, last written before this time (seconds since 1970)."""
        return [path for path in self.folder.glob("upload-*") if path.stat().st_mtime < before]

    def make_folders(self, job: UUID, numbers: Iterable[int]) -> None:
        """Make the folders of these files, before and after they are sealed."""
        for number in {number // PER_FOLDER * PER_FOLDER for number in numbers}:
            for kind in ("in", "out"):
                make_folder(self._place(job, kind, number).parent)

    def sync_results(self, job: UUID, numbers: Iterable[int]) -> None:
        """Sync the names of results to the disk. Call this before a row says that they exist."""
        for folder in {self._place(job, "out", number).parent for number in numbers}:
            sync_folder(folder)

    def _place(self, job: UUID, kind: str, number: int) -> Path:
        return self.folder / f"{job}/{kind}/{number // PER_FOLDER:04}/{number}"


def sha256_of(path: Path) -> tuple[str, int]:
    """Return the SHA-256 (hex) of a file, and its size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
