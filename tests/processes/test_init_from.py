"""`qianda init --from`: a whole school from one file, or nothing of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12

from bench.programs.ports import free_port
from hub.commands.setup import SchoolInstaller
from hub.commands.with_hub import with_hub
from hub.model.staff.scope import EVERYTHING
from hub.store.server.embedded import EmbeddedPostgres
from hub.wiring import Hub
from tests.database import scratch_folder
from tests.processes import programs
from tests.processes.programs import QIANDA
from tests.school_toml import SCHOOL
from tests.setup.given import right_answers
from tests.wiring.test_seal_setup import Licensed

pytestmark = pytest.mark.real
ORIGIN = 'origin = "https://sign.school.example"\n'
FIRST_DAY = """
[staff]
login = "office"
name = "周示范"
[seal]
kind = "request"
[configuration]
workers = 2
[configuration.token]
seal_key = "school-seal"
"""
WHOLE = ORIGIN + SCHOOL + FIRST_DAY


class Machine:
    """An empty data folder, and a school's file next to it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.port = str(free_port())

    def init(self, text: str, **more: str) -> CompletedProcess[str]:
        (self.folder / "school.toml").write_text(text, "utf-8")
        return self.run("init", "--from", str(self.folder / "school.toml"), **more)

    def run(self, *words: str, **more: str) -> CompletedProcess[str]:
        return programs.run(self.data, *words, QIANDA_PORT=self.port, **more)


@pytest.fixture
def machine() -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="qianda-first-", dir=scratch_folder()))
    folder.chmod(0o755)
    try:
        yield Machine(folder)
    finally:
        if (folder / "data" / "database").exists():
            EmbeddedPostgres(folder / "data" / "database").start().stop(remove=True)
        shutil.rmtree(folder)


def test_a_school_is_there_after_one_command(machine: Machine) -> None:
    made = machine.init(WHOLE)
    assert made.returncode == 0, made.stderr + made.stdout
    assert "5 changes, 0 entries as they are." in made.stdout
    assert "https://sign.school.example/staff: log in as office.\n" in made.stdout
    assert re.search(r"Password, which is not shown again: (\w{4}-){3}\w{4}\n", made.stdout)
    assert "`qianda verify` will say of it: exclusively owned: not shown." in made.stdout
    assert "still missing: channels: " in made.stdout
    request = x509.load_pem_x509_csr((machine.data / "seal.csr").read_bytes())
    assert request.is_signature_valid and "52340100MJ00000015" in request.subject.rfc4514_string()
    assert (machine.data / "qianda.toml").stat().st_mode & 0o777 == 0o600
    assert "office  周示范  hq  owner" in machine.run("staff", "list").stdout
    examined = machine.run("doctor").stdout
    assert "the seal key 'school-seal' on the token signs" in examined

    again = machine.init(WHOLE)
    assert again.returncode == 0, again.stderr
    assert "0 changes, 5 entries as they are." in again.stdout and "Password" not in again.stdout
    other = machine.init(WHOLE.replace("workers = 2", "workers = 3"))
    assert other.returncode == 2 and "differs from the file (workers)" in other.stderr


def test_a_key_in_a_file_is_the_seals_from_the_first_day(machine: Machine) -> None:
    licensed, key = Licensed(), ec.generate_private_key(ec.SECP256R1())
    leaf = licensed.issue(key.public_key())
    secret = BestAvailableEncryption(b"of the file")
    data = pkcs12.serialize_key_and_certificates(b"seal", key, leaf, [licensed.issuing], secret)
    (machine.folder / "seal.p12").write_bytes(data)
    (machine.folder / "root.pem").write_bytes(licensed.root.public_bytes(Encoding.PEM))
    (machine.folder / "password").write_text("wrong\n")
    names = {"file": "seal.p12", "password_file": "password", "above": "root.pem"}
    named = "".join(f'{name} = "{machine.folder / file}"\n' for name, file in names.items())
    text = WHOLE.replace('kind = "request"\n', f'kind = "pkcs12"\n{named}')
    refused = machine.init(text)
    assert refused.returncode == 1 and "the password does not open seal.p12" in refused.stdout + refused.stderr
    assert not machine.data.exists()
    (machine.folder / "password").write_text("of the file\n")
    made = machine.init(text)
    assert made.returncode == 0, made.stderr + made.stdout
    assert "issued by Licensed CA; its key was imported into the token" in made.stdout
    assert "exclusively owned: declared." in made.stdout
    assert "certificate of the seal changed" in machine.run("school", "record").stdout
    files = [str(machine.folder / name) for name in ("seal.p12", "root.pem")]
    again = machine.run("seal", "install", *files, "--password-file", str(machine.folder / "password"))
    assert again.returncode == 0 and "Nothing was changed." in again.stdout, again.stderr


def test_killed_in_between_it_goes_on(machine: Machine) -> None:
    """After keys were made and bound, and before anything of the school was there."""
    (machine.folder / "school.toml").write_text(WHOLE, "utf-8")
    process = subprocess.Popen(
        [QIANDA, "init", "--from", machine.folder / "school.toml"],
        env=programs.environment(machine.data, QIANDA_PORT=machine.port),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert any("bound now" in line for line in process.stdout)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    assert "office" not in machine.run("staff", "list").stdout
    done = machine.init(WHOLE)
    assert done.returncode == 0, done.stderr
    assert "bound already" in done.stdout and "5 changes" in done.stdout and "Password" in done.stdout


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (ORIGIN, "", "origin: is missing, and a first installation needs it"),
        (FIRST_DAY, "", "staff: is missing, and a first installation needs it"),
        ('login = "office"', 'login = "Office"', "staff, login: the login 'Office' has to be"),
        ('name = "周示范"', 'password_file = "nowhere"', "staff, password_file: nowhere: No such file"),
        ('templates = ["course"]', 'templates = ["dance"]', "templates: there is no contract template dance"),
        ('parent = "west"', 'parent = "wset"', "campus 4 (west-annex), parent: there is no campus wset"),
        ("Asia/Urumqi", "Asia/Urumchi", "campus 3 (west), zone: there is no time zone"),
    ],
)
def test_a_fault_in_the_file_makes_nothing(machine: Machine, before: str, after: str, fault: str) -> None:
    assert before in WHOLE
    refused = machine.init(WHOLE.replace(before, after, 1))
    assert refused.returncode == 1, refused.stderr
    assert any(line.startswith(fault) for line in refused.stdout.splitlines()), refused.stdout
    assert "Nothing was changed." in refused.stdout
    assert not machine.data.exists()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("workers = 2", "workers = 200", "the configuration is wrong: workers"),
        ("workers = 2", "worker = 2", "the configuration is wrong: worker"),
        ("https://", "http://", "the origin is http://sign.school.example, and has to begin with https://"),
    ],
)
def test_a_configuration_that_could_not_start_makes_nothing(
    machine: Machine, before: str, after: str, reason: str
) -> None:
    refused = machine.init(WHOLE.replace(before, after, 1))
    assert refused.returncode == 2 and reason in refused.stderr, refused.stderr
    assert not machine.data.exists()


def test_a_configuration_of_ones_own_has_to_say_the_same(machine: Machine) -> None:
    own = machine.folder / "own.toml"
    own.write_text(ORIGIN.replace("sign.", "other.") + SCHOOL.partition("[[campus]]")[0].partition("\n")[2], "utf-8")
    refused = machine.init(WHOLE, QIANDA_CONFIG=str(own))
    assert refused.returncode == 2, refused.stdout
    assert f"{own} differs from the file (origin, workers, token)" in refused.stderr
    assert not machine.data.exists()


def _installed(data: Path, own: str) -> tuple[str, bool]:
    """Install a school whose first account has this password of its own. Return the password that is shown for it, and
    whether it has to be changed. To be run in a process of its own: one process has one token."""
    os.environ["QIANDA_DATA"] = str(data)
    given = right_answers()
    answers = given | {"account": given["account"] | {"password": own}, "messages": {"kind": "none"}}
    done = SchoolInstaller(data).install(answers, lambda _: None)

    async def must_be_changed(hub: Hub) -> bool:
        async with hub.database.transaction(EVERYTHING) as tx:
            found = await tx.accounts.get_login("office", tx.now)
        assert found
        return found.one_time

    return done.password, with_hub(must_be_changed)


@pytest.mark.parametrize("own", ["", "quiet-Lantern-72-orchard"])
def test_a_password_that_its_person_chose_need_not_be_changed(machine: Machine, own: str) -> None:
    """One that was generated has to be."""
    machine.data.mkdir()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        shown, must_be_changed = pool.submit(_installed, machine.data, own).result()
    assert bool(shown) is must_be_changed is not bool(own)
