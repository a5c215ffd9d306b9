"""Starting, adopting, killing and stopping the embedded database."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from hub.errors import DatabaseUnavailable
from hub.store.server.embedded import EmbeddedPostgres
from tests.running import until
from tests.store.embedded_places import Place, User, modes


def test_first_starts_others_adopt_last_stops(place: Place) -> None:
    first = User(place)
    second = User(place)
    assert second.pid == first.pid
    assert (first.notes, second.notes) == (["note 1"], ["note 1", "note 2"])
    assert first.leave() is False
    assert second.leave() is True
    again = User(place)
    assert again.notes == ["note 1", "note 2", "note 3"]
    assert again.leave() is True
    assert not place.database().answers()


def test_where_files_lie_and_that_no_mode_changes(place: Place) -> None:
    before = modes(place.folder)
    with place.database() as database:
        inside = database.home.is_relative_to(place.folder)
        assert inside is (place.is_open or os.geteuid() != 0)
        assert database.home.stat().st_mode == 0o040700
    assert modes(place.folder) == before


def test_killed_owner_leaves_nothing_stale(place: Place) -> None:
    owner = User(place)
    owner.kill()
    next_one = User(place)
    assert next_one.pid == owner.pid
    assert next_one.leave() is True


@pytest.mark.real
def test_killed_server_comes_back_with_its_data(place: Place) -> None:
    with place.database() as database:
        user = User(place)
        os.kill(database.server_pid(), signal.SIGKILL)
        killed = database.server_pid()
        database.start()  # its parent process has to reap it first
        assert database.server_pid() != killed
        os.kill(database.server_pid(), signal.SIGKILL)
        later = User(place)  # its parent has not reaped it, so it is a zombie
        assert later.notes == ["note 1", "note 2"]
        assert later.leave() is False
        assert user.leave() is False


async def test_server_that_is_stopping_is_waited_for_not_adopted(open_place: Place) -> None:
    with open_place.database() as database:
        stopping = database.server_pid()
        last = await asyncpg.connect(database.dsn("superuser"))
        os.kill(stopping, signal.SIGTERM)  # "smart": it ends when its last client leaves, and accepts no new one
        await until(partial(_says, database, "stopping"))
        assert database.answers()
        starting = asyncio.create_task(asyncio.to_thread(database.start))
        await last.close()
        await starting
        assert database.server_pid() != stopping
        await (await asyncpg.connect(database.dsn("superuser"))).close()


async def _says(database: EmbeddedPostgres, state: str) -> bool:
    return state in (database.data / "postmaster.pid").read_text()


@pytest.mark.real
def test_number_of_killed_server_belongs_to_a_stranger_now(place: Place) -> None:
    user = User(place)
    user.kill()
    database = place.database()
    file = database.data / "postmaster.pid"
    os.kill(database.server_pid(), signal.SIGKILL)
    with subprocess.Popen(["sleep", "60"], start_new_session=True, **database.owner.popen_options()) as stranger:
        lines = file.read_text().split("\n")
        lines[0], lines[4] = str(stranger.pid), str(place.folder / "gone" / "socket")  # its runtime folder is gone too
        file.write_text("\n".join(lines))
        with database:
            assert database.server_pid() != stranger.pid
        assert stranger.poll() is None
        stranger.kill()


def test_two_that_start_at_once_share_one_server(place: Place) -> None:
    users = [User(place, wait=False) for _ in range(3)]
    pids = {user.hear() for user in users}
    assert len(pids) == 1
    assert sorted(user.leave() for user in users) == [False, False, True]


@pytest.mark.real
def test_data_folder_may_be_moved(place: Place) -> None:
    User(place).leave()
    moved = place.folder.rename(place.folder.with_name("moved"))
    user = User(Place(moved, place.state, place.programs, is_open=place.is_open))
    assert user.notes == ["note 1", "note 2"]
    assert user.leave() is True


@pytest.mark.real
@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps databases outside the data folder")
def test_copied_data_folder_does_not_touch_the_original(closed_place: Place) -> None:
    User(closed_place).leave()
    copy = closed_place.folder.with_name("copy")
    shutil.copytree(closed_place.folder, copy)
    with pytest.raises(DatabaseUnavailable, match="is a copy of"):
        EmbeddedPostgres(copy, programs=closed_place.programs, state_folder=closed_place.state)


@pytest.mark.real
def test_files_of_another_version_are_not_passed_over(open_place: Place) -> None:
    with open_place.database() as database:
        pass
    database.data.rename(database.home / "14")
    with pytest.raises(DatabaseUnavailable, match="was made by PostgreSQL 14"):
        database.start()
    database.stop()


@pytest.mark.real
def test_what_a_killed_first_start_left_is_made_anew(open_place: Place) -> None:
    with open_place.database() as database:
        pass
    database.data.rename(database.data.with_suffix(".new"))
    user = User(open_place)
    assert user.notes == ["note 1"]
    assert user.leave() is True
    assert not database.data.with_suffix(".new").exists()


def test_a_start_waits_for_the_initdb_of_a_killed_one(open_place: Place) -> None:
    gate = open_place.folder.parent / "gate"
    os.mkfifo(gate)
    gate.chmod(0o666)
    slow = open_place.folder.parent / "slow" / "bin"
    slow.mkdir(parents=True)
    (slow / "postgres").symlink_to(open_place.programs / "postgres")
    (slow / "initdb").write_text(f'#!/bin/sh\nread -r line <{gate}\nexec {open_place.programs}/initdb "$@"\n')
    (slow / "initdb").chmod(0o755)
    first = User(replace(open_place, programs=slow), wait=False)
    with gate.open("w"):  # opened as soon as initdb waits there
        first.kill()
        with (open_place.database().home / "start.lock").open("a") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    second = User(open_place)
    assert second.notes == ["note 1"]
    assert second.leave() is True


def test_a_start_that_fails_says_why(open_place: Place) -> None:
    with open_place.database() as database:
        pass
    database.false_start_timeout = 0.1
    (database.data / "postgresql.conf").write_text("shared_buffers = 'none'\n")
    with pytest.raises(DatabaseUnavailable, match=r"did not start.*shared_buffers"):
        database.start()
    database.stop()


@pytest.mark.real
def test_home_that_others_can_read_is_refused(open_place: Place) -> None:
    with open_place.database() as database:
        pass
    database.home.chmod(0o755)
    with pytest.raises(DatabaseUnavailable, match="mode 0700"):
        database.start()


@pytest.mark.real
def test_remove_deletes_the_files_only_as_the_last_user(place: Place) -> None:
    database = place.database().start()
    user = User(place)
    assert database.stop(remove=True) is False
    assert user.leave() is True
    assert database.start().stop(remove=True) is True
    assert not database.home.exists()
    assert not list(place.state.glob("*.folder"))


@pytest.mark.real
@pytest.mark.skipif(os.geteuid() != 0, reason="runs as another account, which only root may do")
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_the_database_runs_for_an_ordinary_user(open_place: Place, ordinary_python: list[str], mode: int) -> None:
    """Everything as an account without rights: closed and open folder, adoption, kill, modes unchanged."""
    nobody = Place(open_place.folder, open_place.state, open_place.programs, is_open=True, python=ordinary_python)
    shutil.chown(nobody.folder, "nobody", "nogroup")
    nobody.folder.chmod(mode)
    before = modes(nobody.folder)
    first = User(nobody)
    assert Path(first.home).is_relative_to(nobody.folder)
    assert Path(first.home).stat().st_uid == nobody.folder.stat().st_uid
    first.kill()
    second = User(nobody)
    assert second.pid == first.pid
    assert second.notes == ["note 1", "note 2"]
    assert second.leave() is True
    assert modes(nobody.folder) == before


@pytest.mark.real
@pytest.mark.real  # copies 80 MB
@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as another account")
def test_programs_in_a_closed_folder_are_copied(open_place: Place) -> None:
    closed = open_place.folder.with_name("home")
    package = open_place.programs.parents[1]
    for source in (package, package.with_name(package.name + ".libs")):
        if source.exists():
            shutil.copytree(source, closed / source.name, symlinks=True)
    closed.chmod(0o700)
    place = Place(open_place.folder, open_place.state, closed / open_place.programs.relative_to(package.parent), True)
    with place.database() as database:
        assert database.programs.is_relative_to(place.state)
    assert closed.stat().st_mode == 0o040700


@pytest.mark.real
def test_debian_programs_do_as_well(open_place: Place) -> None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("Debian's PostgreSQL is not installed")
    place = Place(open_place.folder, open_place.state, found[-1].parent, is_open=True)
    first = User(place)
    first.kill()
    second = User(place)
    assert second.pid == first.pid
    assert second.leave() is True
