"""A backup that is damaged, cut, foreign or opened with another passphrase is refused, and nothing is there
afterwards."""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.errors import BadInput, UnreadableFile
from hub.maintenance.backup import delete_older, name_in, restore_embedded
from hub.store.backup.archive import MAX_NAMED, ArchiveWriter, read_members
from hub.store.backup.contents import unpack
from hub.store.backup.sealed_stream import CHUNK_BYTES, HEAD, TAG_BYTES, OpeningReader, SealingWriter
from hub.store.server.embedded import EmbeddedPostgres
from tests.store.backup_files import ABOUT_IT, CHEAP, MEMBERS, PASSPHRASE, backup_of, boundaries, sealed, written

FLIPS = 200


def refused(tmp_path: Path, content: bytes, passphrase: str = PASSPHRASE) -> str:
    """Return why a restore of this file is refused, having changed nothing."""
    data = tmp_path / "elsewhere" / "data"
    path = written(tmp_path, content)
    with pytest.raises(UnreadableFile) as error:
        restore_embedded(data, path, passphrase)
    assert list(data.parent.iterdir()) == []
    return str(error.value)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_what_was_sealed_is_opened(size: int) -> None:
    content = random.Random(size).randbytes(size)
    made = sealed(content)
    assert len(made) == HEAD.size + size + TAG_BYTES * max(1, -(-size // CHUNK_BYTES))
    reader = OpeningReader(io.BytesIO(made), PASSPHRASE)
    assert reader.read(size + 1) == content and reader.read(1) == b""


def test_a_whole_backup_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    about = unpack(written(tmp_path, backup_of()), PASSPHRASE, tmp_path / "data", tmp_path / "dump")
    assert about == ABOUT_IT
    assert (tmp_path / "dump").read_bytes() == MEMBERS[1][1] + MEMBERS[2][1]
    found = {
        path.relative_to(tmp_path / "data").as_posix() for path in (tmp_path / "data").rglob("*") if path.is_file()
    }
    assert found == {"files/ab/abc", "keys/master.key", "installation.id"}
    assert (tmp_path / "data" / "keys" / "master.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.real
def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    whole, chance = backup_of(), random.Random(5)
    # The head, and bytes anywhere behind it.
    places = [*range(0, HEAD.size, 2), *(chance.randrange(HEAD.size, len(whole)) for _ in range(FLIPS))]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        assert refused(tmp_path, bytes(damaged)), place


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    whole = backup_of()
    assert len(boundaries(whole)) > 2
    for end in boundaries(whole):
        assert "cut off" in refused(tmp_path, whole[:end])
        assert refused(tmp_path, whole[: end + 1])
    assert refused(tmp_path, whole[:-1]) and refused(tmp_path, whole + b"\0")
    assert refused(tmp_path, b"") == refused(tmp_path, whole[: HEAD.size - 1]) == "this is not a Qianda backup"


def test_chunks_in_another_order_or_left_out_are_noticed(tmp_path: Path) -> None:
    whole = backup_of()
    first, second, third = boundaries(whole)[:3]
    head, one, two, rest = whole[:first], whole[first:second], whole[second:third], whole[third:]
    assert refused(tmp_path, head + two + one + rest)
    assert refused(tmp_path, head + two + rest)
    assert refused(tmp_path, head + one + one + two + rest)


def test_the_stream_alone_notices_another_order() -> None:
    """Without the tar and its manifests, which would notice it too."""
    whole = sealed(bytes(3 * CHUNK_BYTES))
    first, second, third = boundaries(whole)[:3]
    swapped = whole[:first] + whole[second:third] + whole[first:second] + whole[third:]
    reader = OpeningReader(io.BytesIO(swapped), PASSPHRASE)
    with pytest.raises(UnreadableFile, match="wrong passphrase, or the file is damaged"):
        reader.read(1)


def test_another_passphrase_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, backup_of(), "correct horse batterie") == "wrong passphrase, or the file is damaged"
    assert refused(tmp_path, b"%PDF-2.0\n" * 1000) == "this is not a Qianda backup"
    assert refused(tmp_path, sealed(b"no tar at all" * 1000)).startswith("the backup is not as it was written")


def forged(members: Sequence[tuple[str, bytes]], order: Sequence[int]) -> bytes:
    """Return a backup whose members stand in another order than its writer wrote them: what only somebody with the
    passphrase can make."""
    plain = OpeningReader(io.BytesIO(backup_of(members)), PASSPHRASE).read(1 << 30)
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        found = [(each, tar.extractfile(each).read()) for each in tar.getmembers()]  # type: ignore[union-attr]
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for place in order:
            header, content = found[place]
            tar.addfile(header, io.BytesIO(content))
    return sealed(made.getvalue())


def test_members_in_another_order_are_refused(tmp_path: Path) -> None:
    whole = list(range(len(MEMBERS) + 1))
    swapped, without = [0, 2, 1, *whole[3:]], [place for place in whole if place != 3]
    assert refused(tmp_path, forged(MEMBERS, swapped)) == "a part of the database is missing in the backup"
    assert refused(tmp_path, forged(MEMBERS, [0, 1, 2, 4, 3, 5, 6])).endswith("its manifest names other members")
    assert refused(tmp_path, forged(MEMBERS, without)).endswith("its manifest names other members")
    assert refused(tmp_path, forged(MEMBERS, whole[:-1])).endswith("the last manifest is missing")
    assert "does not belong there" in refused(tmp_path, forged(MEMBERS, [*whole, 3]))
    assert refused(tmp_path, forged(MEMBERS, whole[1:])) == "the backup does not say what it is"


@pytest.mark.parametrize(
    "name", ["keys/../../escaped", "/etc/passwd", "files/./x", "database/x", "demo/password", "keys"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no member of a backup"):
        backup_of([(name, b"x")])
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in (MEMBERS[0], (name, b"x")):
            header = tarfile.TarInfo(member)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    assert "does not belong there" in refused(tmp_path, sealed(made.getvalue()))
    assert not (tmp_path / "escaped").exists()


def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    newer = [(MEMBERS[0][0], MEMBERS[0][1].replace(b'"0001"', b'"9999"')), *MEMBERS[1:]]
    assert "which this version does not know" in refused(tmp_path, backup_of(newer))
    other = [*MEMBERS[:-1], ("installation.id", b"7b0c6f0e-0b7a-4c57-9d43-0f2f4f3d0002")]
    assert refused(tmp_path, backup_of(other)) == "the backup belongs to two installations"


def test_a_folder_that_holds_anything_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "something").touch()
    with pytest.raises(BadInput, match="is not empty"):
        restore_embedded(tmp_path / "data", written(tmp_path, backup_of()), PASSPHRASE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "qianda.backup"]


def test_what_a_killed_restore_left_is_named(tmp_path: Path) -> None:
    (tmp_path / ".data-restoring-x1y2z3").mkdir()
    with pytest.raises(BadInput, match=r"data-restoring-x1y2z3 .* has keys and data"):
        restore_embedded(tmp_path / "data", tmp_path / "qianda.backup", PASSPHRASE)


def test_the_database_of_a_killed_restore_is_named_as_well(tmp_path: Path) -> None:
    """It runs on. For root, its files lie in the state folder."""
    server = EmbeddedPostgres(tmp_path / ".data-restoring-x1y2z3" / "data" / "database", durable=False)
    with pytest.raises(BadInput) as stopped:
        restore_embedded(tmp_path / "data", tmp_path / "qianda.backup", PASSPHRASE)
    assert "kill -INT" not in stopped.value.detail
    try:
        server.start()
        with pytest.raises(BadInput, match=f"`kill -INT {server.server_pid()}`") as running:
            restore_embedded(tmp_path / "data", tmp_path / "qianda.backup", PASSPHRASE)
    finally:
        server.stop(remove=True)
    for said in (stopped.value.detail, running.value.detail):
        elsewhere = not server.home.is_relative_to(tmp_path)
        assert (f"delete {server.home} and {server.home}.folder, and this folder last" in said) is elsewhere, said


def test_many_members_have_several_manifests() -> None:
    target = io.BytesIO()
    archive = ArchiveWriter(SealingWriter(target, PASSPHRASE, CHEAP))
    for number in range(2 * MAX_NAMED + 1):
        archive.add_bytes(f"files/{number}", b"")
    archive.finish()
    target.seek(0)
    assert sum(1 for _ in read_members(OpeningReader(target, PASSPHRASE))) == 2 * MAX_NAMED + 1


def test_only_the_oldest_of_our_own_names_are_deleted(tmp_path: Path) -> None:
    ours = [tmp_path / f"qianda-2026112{day}T023000Z.backup" for day in range(4)]
    for path in (*ours, tmp_path / "qianda.backup", tmp_path / "notes.txt"):
        path.touch()
    newest = name_in(tmp_path)
    newest.touch()
    killed, running = (tmp_path / f".{name_in(tmp_path).name}.{digit * 32}" for digit in "0f")
    for path in (killed, running):
        path.touch()
    os.utime(killed, (0, 0))
    assert delete_older(tmp_path, 9) == 0
    assert delete_older(tmp_path, 2) == 3
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {ours[3].name, newest.name, running.name, "qianda.backup", "notes.txt"}
