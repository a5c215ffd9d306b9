"""The walk of docs/sealing.md: another system seals its first file, with every line as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.programs.ports import free_port
from hub.store.server.embedded import EmbeddedPostgres
from tests.checkout import ROOT
from tests.database import scratch_folder
from tests.judges import program
from tests.processes.programs import Program, ask, environment, eventually, run
from tests.school_toml import ORGANISATION, SCHOOL
from tests.sealing.parts import pages

pytestmark = pytest.mark.real
SECTION = "The first file in ten minutes"


def lines_of_the_walk() -> str:
    text = (ROOT / "docs" / "sealing.md").read_text("utf-8")
    section = text.partition(f"\n## {SECTION}\n")[2].partition("\n## ")[0]
    return "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Yield the variables of a shell on the machine of a school whose hub runs."""
    folder = Path(tempfile.mkdtemp(prefix="qianda-walk-", dir=scratch_folder()))
    folder.chmod(0o755)
    data, port = folder / "data", free_port()
    (folder / "own.toml").write_text(ORGANISATION, "utf-8")
    (folder / "school.toml").write_text(SCHOOL, "utf-8")
    origin = f"http://127.0.0.1:{port}"
    known = {"QIANDA_CONFIG": str(folder / "own.toml"), "QIANDA_PORT": str(port), "QIANDA_ORIGIN": origin}
    programs = []
    try:
        for words in (("migrate",), ("init",), ("school", "apply", str(folder / "school.toml"))):
            done = run(data, *words, **known)
            assert done.returncode == 0, done.stderr
        programs = [Program(data, command, variables=known) for command in ("serve", "work")]
        eventually(lambda: ask(f"{origin}/healthz")[0] == 200, program=programs[0])
        yield environment(data, **known, HUB=origin)
    finally:
        for each in programs:
            each.clear()
        EmbeddedPostgres(data / "database").start().stop(remove=True)
        shutil.rmtree(folder)


def test_every_line_of_the_walk(hub: dict[str, str], tmp_path: Path) -> None:
    for name in ("curl", "pdfsig", "qpdf"):
        program(name)
    (tmp_path / "letter.pdf").write_bytes(pages("Dear parents", "Yours"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    walk = ["bash", "-euxo", "pipefail", "-c", lines_of_the_walk()]
    done = subprocess.run(walk, cwd=tmp_path, env=hub | {"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Signature is Valid." in done.stdout
    assert "No syntax or stream encoding errors found" in done.stdout
    assert (tmp_path / "sealed" / "letter.pdf").read_bytes().startswith((tmp_path / "letter.pdf").read_bytes())
