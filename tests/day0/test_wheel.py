"""The built wheel runs anywhere: it contains everything that a hub needs."""

from __future__ import annotations

import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

from bench.programs.ports import free_port
from tests.checkout import ROOT
from tests.processes.programs import SCHOOL, ask, eventually
from tests.wheel import InstalledWheel, packed_files

pytestmark = pytest.mark.real
# Only needed for checks in the checkout: types of scripts.
NOT_PACKED = {"hub/web/pages/scripts.d.ts"}


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    packages = ("hub/", "channels/", "chats/", "qianda/", "bench/")
    wanted = {name for name in packed_files() if name.startswith(packages)} - NOT_PACKED
    with zipfile.ZipFile(wheel) as archive:
        missing = wanted - set(archive.namelist())
    assert len(wanted) > 500
    assert missing == set()


def test_the_version_is_that_of_the_project(installed: InstalledWheel) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    said = installed.run("--version")
    assert (said.returncode, said.stdout) == (0, f"qianda {project['version']}\n"), said.stderr


def test_nothing_is_read_from_the_checkout(installed: InstalledWheel) -> None:
    python = installed.command.with_name("python")
    program = "import hub, qianda, channels, chats, sys; print(hub.__file__, *sys.path, sep='\\n')"
    said = subprocess.run([python, "-c", program], cwd=installed.folder, capture_output=True, text=True, check=True)
    module, *paths = said.stdout.splitlines()
    assert Path(module).is_relative_to(installed.folder)
    assert str(ROOT) not in paths


def test_a_school_of_its_own_is_served(installed: InstalledWheel) -> None:
    (installed.folder / "own.toml").write_text(SCHOOL, "utf-8")
    port = str(free_port())
    variables = {"QIANDA_DATA": "served", "QIANDA_CONFIG": "own.toml", "QIANDA_PORT": port}
    for words in (["migrate"], ["init"]):
        done = installed.run(*words, **variables)
        assert done.returncode == 0, done.stderr
    with installed.running("serve", **variables) as said:
        origin = f"http://127.0.0.1:{port}"
        eventually(lambda: ask(f"{origin}/healthz")[0] == 200)
        status, page = ask(f"{origin}/verify", headers={"Accept-Language": "zh"})
        assert status == 200 and "合肥市明德培训学校" in page and "核验" in page, said.read_text("utf-8")
        assert ask(f"{origin}/static/base.css")[0] == 200


def test_the_demo_runs_with_its_school(installed: InstalledWheel) -> None:
    port = str(free_port())
    variables = {"QIANDA_DATA": "demo", "QIANDA_PORT": port, "QIANDA_DEMO_API_KEY": "key-of-the-demo"}
    with installed.running("demo", **variables):
        origin = f"http://127.0.0.1:{port}"
        eventually(lambda: ask(f"{origin}/readyz")[0] == 200)
        status, page = ask(f"{origin}/", headers={"Accept-Language": "zh"})
        assert status == 200 and "新航线教育集团" in page
        wanted = {"campus": "hefei", "course": "math-a", "student": STUDENT, "signers": [GUARDIAN]}
        status, contract = ask(f"{origin}/api/v1/contracts", key="key-of-the-demo", body=wanted)
        assert status == 201, contract


STUDENT = {"name": "陈小满", "id_type": "cn-id", "id_number": "340104201209010016"}
GUARDIAN = {
    "role": "guardian",
    "name": "陈建国",
    "phone": "+8619000000101",
    "id_number": "340104198501010019",
    "relation": "父亲",
}
