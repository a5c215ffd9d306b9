"""How signers get the agent: from a file of the school with its hash, never by a name that anybody could register."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.custody
ROOT = Path(__file__).parents[2]
PATTERNS = ("*.md", "docs/**/*.md", "hub/templates/**/*.html", "hub/templates/**/*.po")
PAGES = [path for pattern in PATTERNS for path in ROOT.glob(pattern)]
INSTALLED = re.compile(r"pip3? install[^\n`]*?\bqianda\b(?P<rest>[^\n`]*)", re.IGNORECASE)
OF_A_FILE = re.compile(r"(\[\w+\])? @ (https|file)://[^\s\"]+\.whl#sha256=\w+")
COMMAND = re.compile(r'^    python -m pip install "(?P<what>[^"\n]+)"$', re.MULTILINE)


def by_name_alone(text: str) -> list[str]:
    """Return commands that would install whatever another person put into a public index under our name."""
    return [found[0] for found in INSTALLED.finditer(text) if not OF_A_FILE.match(found["rest"])]


def test_no_page_installs_a_package_that_is_not_registered() -> None:
    assert {path.name: found for path in PAGES if (found := by_name_alone(path.read_text("utf-8")))} == {}


@pytest.mark.parametrize(
    "wrong",
    [
        "pip install qianda[agent]",
        "pip install -U qianda",
        'pip3 install "qianda[agent]==0.1.0"',
        'pip install "qianda[agent] @ https://files.example/qianda-0.1.0-py3-none-any.whl"',
        'pip install "qianda @ http://files.example/qianda.whl#sha256=ab"',
    ],
)
def test_such_a_command_is_found(wrong: str) -> None:
    assert by_name_alone(f"Then `{wrong}`.")


def pip(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.real
def test_the_command_of_the_page_takes_the_file_with_its_hash_and_no_other(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", source], input=archive, check=True)
    built = pip("wheel", "--no-deps", "--no-build-isolation", source, "-w", tmp_path / "dist")
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("qianda-*.whl")
    page = (ROOT / "docs" / "usb-agent.md").read_text("utf-8")
    what = COMMAND.search(page)
    assert what
    address = re.search(r"https://\S+\.whl", what["what"])
    assert address and address[0].endswith(f"/{wheel.name}")
    here = what["what"].replace(address[0], wheel.as_uri())
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for name, digest in (("right", right), ("wrong", hashlib.sha256(b"another file").hexdigest())):
        done = pip("install", "--no-deps", "--no-index", "--target", tmp_path / name, here.replace("HASH", digest))
        assert (done.returncode == 0) is (tmp_path / name / "qianda" / "agent").is_dir() is (name == "right"), (
            done.stderr
        )
        assert ("DO NOT MATCH THE HASHES" in done.stderr) is (name == "wrong")
