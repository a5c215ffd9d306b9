"""A full disk is told as such, and any other fault as what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.errors import DiskFull
from hub.store.files.free_space import DiskSpace, explain_full_disk, find_space

GB = 1 << 30


def test_what_does_not_fit_is_told_as_a_full_disk() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(DiskFull), explain_full_disk():
        full.write(b"x")
    with pytest.raises(FileNotFoundError), explain_full_disk():
        Path("/nowhere/at/all").read_bytes()


@pytest.mark.parametrize(
    ("free", "total", "is_low"),
    [(1 * GB, 100 * GB, True), (3 * GB, 100 * GB, False), (GB // 2, 8 * GB, True), (1 * GB, 8 * GB, False)],
)
def test_little_is_less_than_a_tenth_and_than_two_gigabytes(free: int, total: int, is_low: bool) -> None:
    assert DiskSpace(Path("/"), free, total).is_low is is_low


def test_each_file_system_is_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (found,) = find_space([tmp_path, None, tmp_path / "files"])
    assert found.folder == tmp_path and 0 <= found.free <= found.total
