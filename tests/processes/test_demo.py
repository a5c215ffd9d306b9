"""`qianda demo` as a person runs it: one command to start, Ctrl-C to stop, and kill -9 of any of its processes in
between."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bench.programs.ports import free_port
from hub.settings import PACKED
from hub.store.server.embedded import EmbeddedPostgres
from tests.checkout import ROOT
from tests.database import scratch_folder
from tests.processes.programs import Program, alive, ask, children_of, environment, eventually, real_school, run

# Memory of a supervisor in KB (resident, shared pages included).
SMALL_KB = 30_000
KEY, PASSWORD, PHONE = "a key, verbatim", "a password, verbatim", "+8619000000101"


class Place:
    """One data folder and port, which the tests of this file use in turn. Between two tests only the demo may run."""

    def __init__(self) -> None:
        # A folder that other accounts may enter, as an administrator would make it, so that the database can be inside.
        self.folder = Path(tempfile.mkdtemp(prefix="qianda-demo-", dir=scratch_folder()))
        self.folder.chmod(0o755)
        self.data, self.port = self.folder / "data", free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.demo: Program | None = None

    def start(self, **more: str) -> Program:
        self.demo = Program(self.data, "demo", variables=more | {"QIANDA_PORT": str(self.port)})
        self.demo.wait_for("Press Ctrl-C to stop")
        return self.demo

    def running(self) -> Program:
        """Return the demo with the preset key: running since an earlier test, or newly started."""
        if self.demo is None or self.demo.process.poll() is not None:
            self.start(QIANDA_DEMO_API_KEY=KEY, QIANDA_DEMO_PASSWORD=PASSWORD)
        assert self.demo is not None
        self.ready()
        return self.demo

    def ready(self) -> None:
        eventually(lambda: ask(f"{self.origin}/readyz")[0] == 200, program=self.demo)

    @property
    def database(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.data / "database")

    def issue(self, external_id: str) -> str:
        """Issue a contract through the API. Return its id.

        Asks again while a part of the product is down (503), as the problem document says.
        """
        url, body = f"{self.origin}/api/v1/contracts", contract(external_id)
        status, answer = eventually(lambda: (found := ask(url, key=KEY, body=body))[0] not in (0, 503) and found)
        assert status == 201, answer
        return str(answer["id"])

    def invitations(self) -> int:
        status, messages = ask(f"{self.origin}/demo/phone.json?phone=%2B{PHONE[1:]}")
        return sum(message["purpose"] == "invitation" for message in messages) if status == 200 else -1

    def all_down(self) -> bool:
        """Return whether the database is down and the port is free."""
        with socket.socket() as client:
            return not self.database.answers() and client.connect_ex(("127.0.0.1", self.port)) != 0


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    place = Place()
    try:
        yield place
    finally:
        if place.demo:
            place.demo.clear()
        if (place.data / "database").exists():
            place.database.start().stop(remove=True)
        shutil.rmtree(place.folder)


def contract(external_id: str) -> dict[str, Any]:
    student = {"name": "陈小满", "id_type": "cn-id", "id_number": "340104201209010016"}
    guardian = {"role": "guardian", "name": "陈建国", "phone": PHONE, "id_number": "340104198501010019"}
    return {
        "campus": "hefei",
        "course": "math-a",
        "student": student,
        "signers": [guardian],
        "external_id": external_id,
        "send": "now",
    }


def test_it_says_what_it_is_and_lets_in(place: Place) -> None:
    demo = place.start(QIANDA_DEMO_API_KEY=KEY, QIANDA_DEMO_PASSWORD=PASSWORD)
    for words in (place.origin, "login demo", PASSWORD, KEY, "This is a demo", "for trial and internal use only"):
        assert words in demo.output
    place.ready()
    assert ask(f"{place.origin}/api/v1/contracts", key=KEY)[0] == 200
    assert ask(f"{place.origin}/api/v1/contracts", key="another")[0] == 401
    assert ask(f"{place.origin}/demo/phone.json?phone=%2B{PHONE[1:]}") == (200, [])


@pytest.mark.real
def test_the_roster_is_loaded_and_the_commands_work_beside_it(place: Place) -> None:
    place.running()
    known = run(place.data, "import", str(PACKED / "demo" / "seeds" / "roster.xlsx"), QIANDA_PORT=str(place.port))
    assert (known.returncode, known.stderr) == (0, "")
    assert "0 enrolments added, 200 known already, 0 rows refused" in known.stdout
    issued = run(place.data, "issue", asyncio.run(any_enrolment(place)), QIANDA_PORT=str(place.port))
    assert issued.returncode == 0, issued.stderr
    assert "ISSUED" in issued.stdout
    examined = run(place.data, "doctor", "--records", "--files", QIANDA_PORT=str(place.port))
    assert examined.returncode == 0, examined.stdout
    assert " contracts are whole" in examined.stdout and " stored files are whole" in examined.stdout
    assert "BAD" not in examined.stdout and "seal key 'seal' on the token signs" in examined.stdout
    stored = next(path for path in (place.data / "files").glob("*/*") if not path.name.startswith("."))
    stored.rename(place.data / "away")
    missing = run(place.data, "doctor", "--files", QIANDA_PORT=str(place.port))
    (place.data / "away").rename(stored)
    assert missing.returncode == 1 and f"the stored file {stored.name} is missing (" in missing.stdout
    assert "record" not in missing.stdout


async def any_enrolment(place: Place) -> str:
    connection = await asyncpg.connect(place.database.dsn("owner"))
    try:
        await connection.execute("SELECT set_config('qianda.scope', '*', false)")
        return str(await connection.fetchval("SELECT id FROM enrolment ORDER BY id LIMIT 1"))
    finally:
        await connection.close()


VICTIMS = ["work", "web", "database"]


@pytest.mark.real
@pytest.mark.parametrize("victim", VICTIMS)
def test_what_was_killed_comes_back_by_itself(place: Place, victim: str) -> None:
    """Afterwards it works: a contract is drawn by the web process, its invitation sent by the worker, both stored by
    the database."""
    demo = place.running()
    before = place.invitations()
    children = children_of(demo.process.pid)
    pid = place.database.server_pid() if victim == "database" else children[victim]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))
    eventually(lambda: f"{victim} ended" in demo.output, program=demo)
    eventually(lambda: set(children_of(demo.process.pid)) == {"web", "work"}, program=demo)
    place.ready()
    place.issue(f"after {victim}")
    # Long before the worker would look by itself, so it is notified of new work again.
    eventually(lambda: place.invitations() == before + 1, 25, demo)


def test_the_supervisor_stays_small(place: Place) -> None:
    demo = place.running()
    lines = Path(f"/proc/{demo.process.pid}/status").read_text().splitlines()
    resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    assert len(children_of(demo.process.pid)) == 2  # it is the supervisor, not the command that became it
    assert resident < SMALL_KB


@pytest.mark.real
def test_when_the_supervisor_is_killed_everything_ends_and_nothing_is_lost(place: Place) -> None:
    demo = place.running()
    number = place.issue("before the kill")
    children = children_of(demo.process.pid)
    os.kill(demo.process.pid, signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in children.values()), 60)
    demo.ended()
    assert place.all_down()
    place.running()
    status, found = ask(f"{place.origin}/api/v1/contracts/{number}", key=KEY)
    assert (status, found["state"]) == (200, "ISSUED")
    eventually(lambda: place.invitations() >= 1)


@pytest.mark.real
def test_a_taken_port_is_named(place: Place) -> None:
    place.running()
    other = place.folder / "other"
    refused = run(other, "demo", QIANDA_PORT=str(place.port))
    assert refused.returncode == 2
    assert f"cannot listen on 127.0.0.1:{place.port}" in refused.stderr
    assert not (other / "database").exists()


SERVING = ["serve", pytest.param("work", marks=pytest.mark.real), pytest.param("migrate", marks=pytest.mark.real)]


@pytest.mark.parametrize("command", SERVING)
def test_nobody_else_serves_a_demos_database(place: Place, command: str) -> None:
    place.running()
    refused = run(place.data, command, QIANDA_PORT=str(free_port()), **real_school(place.data.parent))
    assert refused.returncode == 2
    assert "belongs to a demo" in refused.stderr


def test_ctrl_c_stops_everything_quietly(place: Place) -> None:
    demo = place.running()
    children = children_of(demo.process.pid)
    assert demo.ctrl_c() == 0
    assert not any(alive(pid) for pid in children.values())
    assert place.all_down()
    assert "Traceback" not in demo.output and "KeyboardInterrupt" not in demo.output
    assert demo.lines[-1] == "Stopped.\n"


@pytest.mark.real
def test_another_start_keeps_its_own_secrets(place: Place) -> None:
    """Without the variables the demo generates a key and a password once, so a second start locks nobody out."""
    outputs = []
    for _ in range(2):
        if place.demo:
            place.demo.clear()
        outputs.append(place.start().output)
    key = (place.data / "demo" / "api-key").read_text()
    password = (place.data / "demo" / "password").read_text()
    assert all(key in output and password in output for output in outputs)
    assert {(place.data / "demo" / name).stat().st_mode & 0o777 for name in ("api-key", "password")} == {0o600}
    assert ask(f"{place.origin}/api/v1/contracts", key=key)[0] == 200
    assert ask(f"{place.origin}/api/v1/contracts", key=KEY)[0] == 401


@pytest.mark.real
def test_an_ordinary_user_runs_it_too() -> None:
    """If root runs the tests, this one uses another account; otherwise all the other tests were run by an ordinary
    user."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, to become somebody else")
    nobody = pwd.getpwnam("nobody")
    become = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    again = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', 'import hub']))"  # not as root
    reachable = subprocess.run([*become, sys.executable, "-c", again], capture_output=True, check=False, cwd=ROOT)
    if reachable.returncode != 0:
        pytest.skip("the account nobody may not enter this checkout or its Python")
    folder = Path(tempfile.mkdtemp(prefix="qianda-nobody-", dir=scratch_folder()))
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    port = free_port()
    demo = Program(folder / "data", "demo", become=become, variables={"QIANDA_PORT": str(port), "HOME": str(folder)})
    try:
        demo.wait_for("Press Ctrl-C to stop")
        eventually(lambda: ask(f"http://127.0.0.1:{port}/readyz")[0] == 200, program=demo)
        assert demo.ctrl_c() == 0
        assert {path.owner() for path in folder.rglob("*")} == {"nobody"}
    finally:
        demo.clear()
        shutil.rmtree(folder)


def test_the_environment_of_these_tests_is_clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QIANDA_DEMO_PASSWORD", "left over")
    assert "QIANDA_DEMO_PASSWORD" not in environment(tmp_path)
