"""Data folder and database are one installation: what `qianda init` makes and binds, and what is refused."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess
from uuid import uuid4

import asyncpg
import pytest

from bench.programs.ports import free_port
from hub import initialise as steps
from hub.errors import DatabaseUnavailable, WrongInstallation
from hub.initialise import initialise, renew
from hub.installation.data_folder import ID_FILE, installation_of, master_key
from hub.lifecycle.contract.issue import issue
from hub.model.staff.scope import EVERYTHING
from hub.settings import Settings
from hub.store.encryption.keys import Keys
from hub.store.server.installation import Binding, find_binding, mark
from hub.wiring import Hub, build, utc_now
from tests.database import Dsns, fresh_database
from tests.processes.programs import Program, ask, real_school, run
from tests.running import minor_with_guardian, prepare_school, token_settings


@dataclass
class Installation:
    """A database and the data folder that is bound to it."""

    dsns: Dsns
    folder: Path

    def settings(self, data: Path | None = None) -> Settings:
        origin = "https://sign.school.example"
        return Settings.load(data=data or self.folder, origin=origin, token=token_settings())

    def variables(self) -> dict[str, str]:
        token = token_settings()
        named = {f"QIANDA_TOKEN__{name.upper()}": str(getattr(token, name)) for name in ("module", "label", "pin")}
        database = {"QIANDA_DATABASE": self.dsns.app, "QIANDA_DATABASE_OWNER": self.dsns.owner}
        origin = {"QIANDA_ORIGIN": "https://sign.school.example", "QIANDA_PORT": str(free_port())}
        return (
            named | database | origin | real_school(self.folder.parent) | {"SOFTHSM2_CONF": os.environ["SOFTHSM2_CONF"]}
        )

    async def run(self, data: Path, *words: str) -> CompletedProcess[str]:
        return await asyncio.to_thread(run, data, *words, **self.variables())

    @asynccontextmanager
    async def hub(self, data: Path | None = None) -> AsyncIterator[Hub]:
        hub = await build(self.settings(data), self.dsns.app, demo=False)
        try:
            yield hub
        finally:
            await hub.close()


@pytest.fixture
async def unbound(tmp_path: Path) -> AsyncIterator[Installation]:
    """Yield an installation after `qianda migrate`, before `qianda init`."""
    async with fresh_database() as dsns:
        await mark(dsns.owner, "production", utc_now())
        yield Installation(dsns, tmp_path / "data")


@pytest.fixture
async def bound(unbound: Installation) -> Installation:
    await initialise(unbound.settings(), unbound.dsns.owner)
    return unbound


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def other_keys(bound: Installation) -> Path:
    """Return a folder with the same installation id, but another master key."""
    other = bound.folder.with_name("other")
    shutil.copytree(bound.folder, other)
    master_key(other).unlink()
    Keys.load_or_create(master_key(other))
    return other


# ---- a folder without keys


@pytest.mark.real
async def test_an_empty_data_folder_joins_no_database(bound: Installation) -> None:
    """Every command says what to do, and makes nothing in that folder. Nothing is ever served from it."""
    empty = bound.folder.with_name("empty")
    empty.mkdir()
    for words in (["doctor"], ["work"], ["migrate"], ["init"], ["init", "--renew"], ["issue", str(uuid4())]):
        refused = await bound.run(empty, *words)
        assert refused.returncode == 2, (words, refused.stdout, refused.stderr)
        assert f"the data folder {empty} has no keys" in refused.stderr and "set QIANDA_DATA" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert list(empty.iterdir()) == []
    variables = bound.variables()
    served = Program(empty, "serve", variables=variables)
    try:
        answers = []
        while served.process.poll() is None:
            answers.append(ask(f"http://127.0.0.1:{variables['QIANDA_PORT']}/readyz")[0])
            await asyncio.sleep(0.05)
        assert served.ended() == 2 and 200 not in answers
        assert "has no keys" in served.output
    finally:
        served.clear()
    assert list(empty.iterdir()) == []


async def test_nothing_is_issued_from_a_foreign_folder(bound: Installation) -> None:
    foreign = Installation(bound.dsns, bound.folder.with_name("foreign"))
    async with fresh_database() as elsewhere:
        await mark(elsewhere.owner, "production", utc_now())
        await initialise(foreign.settings(), elsewhere.owner)
    before = content(foreign.folder)
    with pytest.raises(WrongInstallation, match=f"belongs to installation {installation_of(foreign.folder)}"):
        async with foreign.hub():
            raise AssertionError("started")
    for words in (["serve"], ["work"], ["doctor"], ["migrate"]):
        refused = await bound.run(foreign.folder, *words)
        assert refused.returncode == 2 and "belongs to installation" in refused.stderr, refused.stderr
    for act in (initialise, renew):
        with pytest.raises(WrongInstallation):
            await act(foreign.settings(), bound.dsns.owner)
    assert content(foreign.folder) == before


async def test_before_init_nothing_starts_and_nothing_is_made(unbound: Installation) -> None:
    for words in (["serve"], ["work"], ["doctor"]):
        refused = await unbound.run(unbound.folder, *words)
        assert refused.returncode == 2 and "run `qianda init`" in refused.stderr, refused.stderr
    migrated = await unbound.run(unbound.folder, "migrate")
    assert migrated.returncode == 0 and "run `qianda init` next" in migrated.stdout, migrated.stderr
    assert not unbound.folder.exists()


async def test_the_commands_in_their_order(unbound: Installation) -> None:
    made = await unbound.run(unbound.folder, "init")
    assert made.returncode == 0 and "bound now" in made.stdout, made.stderr
    before = content(unbound.folder)
    again = await unbound.run(unbound.folder, "init")
    assert again.returncode == 0 and "bound already" in again.stdout, again.stderr
    assert content(unbound.folder) | {"provision.lock": b""} == before | {"provision.lock": b""}
    migrated = await unbound.run(unbound.folder, "migrate")
    assert (migrated.returncode, migrated.stdout) == (0, "The database is up to date.\n")
    examined = await unbound.run(unbound.folder, "doctor")
    assert examined.returncode == 1 and "BAD  channels" in examined.stdout, examined.stderr


# ---- what is compared


async def test_another_master_key_is_refused(bound: Installation) -> None:
    with pytest.raises(WrongInstallation, match="is not the master key of this database"):
        async with bound.hub(other_keys(bound)):
            raise AssertionError("started")


@pytest.mark.parametrize(
    "lost", ["keys/master.key", "authority/root.der", "authority/seal.der", "authority/timestamp.der"]
)
async def test_what_is_missing_is_named_and_not_made_again(bound: Installation, lost: str) -> None:
    (bound.folder / lost).unlink()
    with pytest.raises(WrongInstallation, match=f"{lost} is missing.*"):
        async with bound.hub():
            raise AssertionError("started")
    assert not (bound.folder / lost).exists()


async def test_another_root_is_refused(bound: Installation) -> None:
    (bound.folder / "authority" / "root.der").unlink()
    await steps._make_certificates(bound.settings(), utc_now)
    with pytest.raises(WrongInstallation, match="is not the root of this installation"):
        async with bound.hub():
            raise AssertionError("started")


async def test_another_seal_is_refused_until_init_renews_the_binding(bound: Installation) -> None:
    first = await find_binding(bound.dsns.app)
    assert first is not None
    (bound.folder / "authority" / "seal.der").unlink()
    await steps._make_certificates(bound.settings(), utc_now)
    for start in (bound.hub, lambda: _initialised(bound)):
        with pytest.raises(WrongInstallation, match="run `qianda init --renew` once"):
            async with start():
                raise AssertionError("started")
    assert "The database knows the new certificates now" in await renew(bound.settings(), bound.dsns.owner)
    known = await find_binding(bound.dsns.app)
    assert known == replace(first, seal=known.seal if known else "") and known != first
    async with bound.hub():
        pass
    assert "The database knows this root and this seal already" in await renew(bound.settings(), bound.dsns.owner)


@asynccontextmanager
async def _initialised(bound: Installation) -> AsyncIterator[None]:
    await initialise(bound.settings(), bound.dsns.owner)
    yield


async def test_a_seal_key_that_is_configured_anew_gets_its_certificate_by_renew_alone(bound: Installation) -> None:
    changed = bound.settings().model_copy(update={"token": replace_seal_key(f"seal-{uuid4().hex[:6]}")})
    old = (bound.folder / "authority" / "seal.der").read_bytes()
    with pytest.raises(Exception, match="has no key"):
        await build(changed, bound.dsns.app, demo=False)
    await renew(changed, bound.dsns.owner)
    hub = await build(changed, bound.dsns.app, demo=False)
    try:
        assert hub.services.sealing.seal.chain[0] != old
    finally:
        await hub.close()
    with pytest.raises(ValueError, match="is not for the key"):
        await build(bound.settings(), bound.dsns.app, demo=False)
    assert old in content(bound.folder / "authority").values(), "the old certificate is kept"


def replace_seal_key(name: str) -> object:
    return token_settings().model_copy(update={"seal_key": name})


# ---- init


@pytest.mark.parametrize("after", ["keys", "certificates", "row"])
async def test_init_that_was_killed_is_run_again_and_nothing_is_lost(
    unbound: Installation, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    step: dict[str, Callable[[], None]] = {
        "keys": lambda: monkeypatch.setattr(steps, "make_token", killed),
        "certificates": lambda: monkeypatch.setattr(steps, "_seal", killed),
        "row": lambda: monkeypatch.setattr(steps, "_write_id", killed),
    }
    step[after]()
    with pytest.raises(Killed):
        await initialise(unbound.settings(), unbound.dsns.owner)
    monkeypatch.undo()
    kept = content(unbound.folder)
    assert ID_FILE not in kept and "keys/master.key" in kept
    assert (await find_binding(unbound.dsns.app) is not None) == (after == "row")
    await initialise(unbound.settings(), unbound.dsns.owner)
    now = content(unbound.folder)
    assert {name: now[name] for name in kept} == kept
    async with unbound.hub():
        pass


async def test_of_two_folders_at_once_one_is_bound(unbound: Installation) -> None:
    other = unbound.folder.with_name("other")
    outcomes = await asyncio.gather(
        *(initialise(unbound.settings(data), unbound.dsns.owner) for data in (unbound.folder, other)),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["WrongInstallation", "str"]
    loser = [unbound.folder, other][[isinstance(each, str) for each in outcomes].index(False)]
    assert not master_key(loser).exists()


async def test_a_folder_of_an_earlier_version_is_taken_as_it_is(unbound: Installation) -> None:
    """Its database has rows and is not bound to a folder yet: only the key that can decrypt the rows is bound."""
    await initialise(unbound.settings(), unbound.dsns.owner)
    async with unbound.hub() as hub:
        await prepare_school(hub.database)
        await issue(hub.services, EVERYTHING, replace(minor_with_guardian(), send="none"), "test")
    await _as_before(unbound)
    empty = unbound.folder.with_name("empty")
    stranger = unbound.folder.with_name("stranger")
    Keys.load_or_create(master_key(stranger))
    for data in (empty, stranger):
        with pytest.raises(WrongInstallation, match="another master key sealed"):
            await initialise(unbound.settings(data), unbound.dsns.owner)
    assert not empty.exists() and list(content(stranger)) == ["keys/master.key"]
    before = content(unbound.folder)
    assert "bound now" in await initialise(unbound.settings(), unbound.dsns.owner)
    assert {name: content(unbound.folder)[name] for name in before} == before


async def _as_before(installation: Installation) -> None:
    owner = await asyncpg.connect(installation.dsns.owner)
    columns = "installation_id = NULL, master_check = NULL, root_sha256 = NULL, seal_sha256 = NULL"
    await owner.execute(f"UPDATE installation SET {columns}")
    await owner.close()
    (installation.folder / ID_FILE).unlink()


async def test_a_bound_folder_does_not_take_an_empty_database(bound: Installation) -> None:
    async with fresh_database() as fresh:
        await mark(fresh.owner, "production", utc_now())
        with pytest.raises(WrongInstallation, match="and this database is empty"):
            await initialise(bound.settings(), fresh.owner)
        assert await find_binding(fresh.app) is None


async def test_a_further_host_with_the_same_keys_gets_the_id(bound: Installation) -> None:
    further = bound.folder.with_name("further")
    shutil.copytree(bound.folder, further)
    (further / ID_FILE).unlink()
    with pytest.raises(WrongInstallation, match=r"has keys, but no installation\.id.*run `qianda init`"):
        await build(bound.settings(further), bound.dsns.app, demo=False)
    await initialise(bound.settings(further), bound.dsns.app)  # nothing is written to the database
    async with bound.hub(further):
        assert installation_of(further) == installation_of(bound.folder)


async def test_init_wants_a_migrated_database(tmp_path: Path) -> None:
    async with fresh_database() as dsns:
        with pytest.raises(DatabaseUnavailable, match="run `qianda migrate` first"):
            await initialise(Installation(dsns, tmp_path / "data").settings(), dsns.owner)
    assert not (tmp_path / "data").exists()


async def test_the_role_app_reads_what_is_bound_and_writes_nothing(bound: Installation) -> None:
    app = await asyncpg.connect(bound.dsns.app)
    try:
        assert await app.fetchval("SELECT installation_id FROM installation") == installation_of(bound.folder)
        for statement in (
            "DELETE FROM installation",
            "UPDATE installation SET seal_sha256 = 'x'",
            "TRUNCATE installation",
            "INSERT INTO demo_clock VALUES (true, '1 day')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.execute(statement)
    finally:
        await app.close()
    known = await find_binding(bound.dsns.app)
    assert isinstance(known, Binding) and known.master_check == Keys.load(master_key(bound.folder)).check
