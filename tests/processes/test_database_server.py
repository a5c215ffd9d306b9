"""From the embedded database to a server with passwords: roles are created, and everything moves, killed or not."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import asyncpg
import pytest

from bench.programs.ports import free_port
from hub.errors import DatabaseUnavailable
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.server.embedded import EmbeddedPostgres
from hub.store.server.migrate import is_current
from hub.store.transaction import Database
from tests.checkout import ROOT
from tests.database import scratch_folder
from tests.processes import programs
from tests.processes.programs import QIANDA, Program, ask, eventually
from tests.school_toml import ORGANISATION, SCHOOL
from tests.server_postgres import ServerPostgres, server_postgres

pytestmark = pytest.mark.real


@pytest.fixture
async def server() -> AsyncIterator[ServerPostgres]:
    async with server_postgres(prepared=False) as server:
        yield server


@pytest.fixture
def school() -> Iterator[Path]:
    """A school with an embedded database, which is not running."""
    folder = Path(tempfile.mkdtemp(prefix="qianda-move-", dir=scratch_folder()))
    folder.chmod(0o755)
    (folder / "school.toml").write_text(SCHOOL, "utf-8")
    try:
        for words in (("migrate",), ("init",), ("school", "apply", str(folder / "school.toml"))):
            assert run(folder, *words).returncode == 0
        yield folder
    finally:
        EmbeddedPostgres(folder / "data" / "database").start().stop(remove=True)
        shutil.rmtree(folder)


def run(folder: Path, *words: str, **more: str) -> CompletedProcess[str]:
    (folder / "own.toml").write_text(ORGANISATION, "utf-8")
    return programs.run(folder / "data", *words, QIANDA_CONFIG=str(folder / "own.toml"), **more)


async def created(server: ServerPostgres, folder: Path, *options: str) -> dict[str, str]:
    """Have the roles created, and return the settings that were said."""
    words = ("database", "create-roles", "--execute", *options)
    done = await asyncio.to_thread(run, folder, *words, QIANDA_DATABASE_ADMIN=server.admin)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("QIANDA_"))


async def test_roles_are_created_once_and_get_new_passwords_on_demand(server: ServerPostgres, tmp_path: Path) -> None:
    settings = await created(server, tmp_path)
    for address, role in ((settings["QIANDA_DATABASE"], "app"), (settings["QIANDA_DATABASE_OWNER"], "owner")):
        connection = await asyncpg.connect(address)
        assert await connection.fetchval("SELECT current_user") == role
        rights = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        assert set(await connection.fetchrow(rights) or ()) == {False}
        await connection.close()
    words = ("database", "create-roles", "--execute")
    again = await asyncio.to_thread(run, tmp_path, *words, QIANDA_DATABASE_ADMIN=server.admin)
    assert again.returncode == 2 and "role app, role owner, database qianda already" in again.stderr
    renewed = await created(server, tmp_path, "--new-passwords")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(settings["QIANDA_DATABASE"])
    await (await asyncpg.connect(renewed["QIANDA_DATABASE"])).close()
    as_app = await asyncio.to_thread(run, tmp_path, *words, QIANDA_DATABASE_ADMIN=renewed["QIANDA_DATABASE"])
    assert as_app.returncode == 2


REFUSALS = ("ALTER ROLE app PASSWORD 'renewed'", "ALTER ROLE app NOLOGIN", "ALTER DATABASE qianda RENAME TO other")


@pytest.mark.parametrize("statement", REFUSALS)
async def test_a_connection_that_is_refused_meanwhile_is_no_unknown_error(tmp_path: Path, statement: str) -> None:
    async with server_postgres() as server:
        database = Database(server.app, Keys.load_or_create(tmp_path / "key"), lambda: datetime.now(UTC))
        admin = await asyncpg.connect(server.admin)
        await admin.execute(statement)
        await admin.close()
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction(EVERYTHING):
                pass
        with pytest.raises(DatabaseUnavailable):
            await is_current(server.app)
        await database.close()


async def test_printed_statements_do_the_same(server: ServerPostgres, tmp_path: Path) -> None:
    host = server.admin.rpartition("@")[2].partition("/")[0]
    printed = run(tmp_path, "database", "create-roles", "--database", "other", "--host", host).stdout
    psql = [str(server.programs / "psql"), server.admin, "--set=ON_ERROR_STOP=1", "--quiet"]
    done = await asyncio.to_thread(subprocess.run, psql, input=printed, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    address = re.search(r"QIANDA_DATABASE=(\S+)", printed)
    assert address
    await (await asyncpg.connect(address[1])).close()


async def test_everything_moves_and_the_old_database_is_never_started_again(
    server: ServerPostgres, school: Path
) -> None:
    settings = await created(server, school)
    await _refused_while_others_work(school, settings)
    await _refused_where_something_else_is(school, settings)
    shown = run(school, "school", "show").stdout
    await _killed_in_the_middle(school, settings)
    moved = await asyncio.to_thread(run, school, "database", "move", **settings)
    assert moved.returncode == 0 and re.match(r"Moved: \d\d tables, [\d,]+ rows", moved.stdout), moved.stderr
    served = {"QIANDA_DATABASE": settings["QIANDA_DATABASE"]}
    assert run(school, "school", "show", **served).stdout == shown
    whole = run(school, "doctor", "--records", "--files", **served)
    assert "contracts are whole" in whole.stdout and "stored files are whole" in whole.stdout, whole.stdout
    assert "database moved to a server" in run(school, "school", "record", **served).stdout
    for words in (("school", "show"), ("migrate",), ("work",)):
        stale = run(school, *words)
        assert stale.returncode == 2 and "was moved to qianda at app@127.0.0.1" in stale.stderr, words
    again = await asyncio.to_thread(run, school, "database", "move", **settings)
    assert again.returncode == 2 and "moved already" in again.stderr


async def _refused_while_others_work(school: Path, settings: dict[str, str]) -> None:
    port = free_port()
    variables = {"QIANDA_PORT": str(port), "QIANDA_CONFIG": str(school / "own.toml")}
    at_work = Program(school / "data", "serve", variables=variables)
    try:
        await asyncio.to_thread(eventually, lambda: ask(f"http://127.0.0.1:{port}/healthz")[0] == 200, program=at_work)
        refused = await asyncio.to_thread(run, school, "database", "move", **settings)
        assert refused.returncode == 2 and "stop `serve` and `work` first" in refused.stderr
    finally:
        await asyncio.to_thread(at_work.clear)


async def _refused_where_something_else_is(school: Path, settings: dict[str, str]) -> None:
    owner = await asyncpg.connect(settings["QIANDA_DATABASE_OWNER"])
    await owner.execute("CREATE TABLE somebody_elses (a int)")
    refused = await asyncio.to_thread(run, school, "database", "move", **settings)
    await owner.execute("DROP TABLE somebody_elses")
    await owner.close()
    assert refused.returncode == 2 and "does not hold what the embedded one holds" in refused.stderr


async def _killed_in_the_middle(school: Path, settings: dict[str, str]) -> None:
    environment = programs.environment(school / "data", QIANDA_CONFIG=str(school / "own.toml"), **settings)
    mark = school / "data" / "database-moved.json"
    process = await asyncio.to_thread(
        subprocess.Popen, [str(QIANDA), "database", "move"], env=environment, cwd=ROOT, start_new_session=True
    )
    async with asyncio.timeout(180):
        while not mark.exists():
            await asyncio.sleep(0.01)
    process.kill()
    process.wait()
    stale = await asyncio.to_thread(run, school, "school", "show")
    assert stale.returncode == 2 and "run `qianda database move` again" in stale.stderr
