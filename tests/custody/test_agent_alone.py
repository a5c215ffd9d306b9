"""The agent on a computer with the extra `agent` and nothing of the server: it starts, and it signs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hub.errors import TokenUnavailable
from hub.tokens import softhsm
from tests.custody.agent_process import agent
from tests.custody.test_agent import LyingHub, to_the_pin
from tests.custody.usb_token import PIN, UsbToken

pytestmark = pytest.mark.custody

# Python imports a module of this name at its start. Here it blocks the import of everything that the extra does not
# install.
_ONLY = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed on the signer's computer", name=name)

sys.meta_path.insert(0, Missing())
"""
OURS_OF_THE_SERVER = {"hub", "channels", "chats", "bench", "tests"}


def installed_with(extra: str) -> set[str]:
    """Return the distributions that `pip install qianda[EXTRA]` installs, by the metadata of each."""
    found: set[str] = set()
    todo = [("qianda", frozenset({extra}))]
    while todo:
        name, extras = todo.pop()
        found.add(canonicalize_name(name))
        try:
            wanted = [Requirement(each) for each in requires(name) or []]
        except PackageNotFoundError:  # for another system than this one
            continue
        for each in wanted:
            applies = each.marker is None or any(each.marker.evaluate({"extra": one}) for one in (*extras, ""))
            if applies and canonicalize_name(each.name) not in found:
                todo.append((each.name, frozenset(each.extras)))
    return found


def missing_there() -> set[str]:
    """Return every module that is installed here and would be missing there."""
    there = installed_with("agent")
    return OURS_OF_THE_SERVER | {
        module
        for module, distributions in packages_distributions().items()
        if not any(canonicalize_name(each) in there for each in distributions)
    }


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "only"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_ONLY.format(missing=missing_there()))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_what_it_needs_is_little_and_nothing_of_the_server(alone: Path) -> None:
    brought = installed_with("agent")
    assert {"aiohttp", "python-pkcs11", "cryptography", "typer"} <= brought
    assert not brought & {"sqlalchemy", "jinja2", "asyncpg", "pillow", "typst", "twilio"}
    for module in ("hub", "channels", "sqlalchemy", "asyncpg", "jinja2"):
        assert "not installed on the signer" in python("-c", f"import {module}").stderr
    said = python("-m", "qianda", "agent", "--help")
    assert said.returncode == 0 and "--module" in said.stdout
    loaded = python("-c", "import sys, qianda.agent.flow; print(*sorted(sys.modules))")
    assert loaded.returncode == 0, loaded.stderr
    assert not {name.partition(".")[0] for name in loaded.stdout.split()} & OURS_OF_THE_SERVER


async def test_it_signs_there(alone: Path, tmp_path: Path) -> None:
    try:
        softhsm.module_path()
    except TokenUnavailable as reason:
        pytest.skip(str(reason))
    token, hub = UsbToken.make(tmp_path / "usb"), LyingHub()
    async with TestServer(hub.app()) as server:
        origin = str(server.make_url("/")).rstrip("/")
        async with agent(token, "--origin", origin, "--module", token.module) as program:
            await program.answer("Pairing code", "ABCD1234")
            await to_the_pin(program, 1)
            program.type(PIN)
            assert await program.ended() == 0, program.text
    assert hub.state == "SIGNED"
