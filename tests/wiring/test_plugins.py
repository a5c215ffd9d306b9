"""Whoever writes a plug-in is told what is missing in it, by file and line, when the hub starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from hub.plugins import (
    ATTESTORS,
    AUTHORITIES,
    CHANNELS,
    CHATS,
    IDENTITIES,
    NOTARIES,
    SEALS,
    TIMESTAMPS,
    PluginKind,
    connect_plugin,
)

SORTS: tuple[PluginKind[Any, Any], ...] = (
    CHANNELS,
    CHATS,
    AUTHORITIES,
    IDENTITIES,
    NOTARIES,
    SEALS,
    ATTESTORS,
    TIMESTAMPS,
)


class Pigeon(Protocol):
    rules: str

    @property
    def name(self) -> str: ...

    async def send(self) -> None: ...


PIGEONS = PluginKind[None, Pigeon]("pigeons", "pigeon_house", "pigeon", Pigeon, "builtin")
WHOLE = """
class Grey:
    rules = name = "grey"
    async def send(self): ...

def connect(options, context):
    return Grey()
"""
BROKEN = {
    "def connect(options, context):\n    return 1 +": r"grey\.py cannot be used: SyntaxError",
    "import nowhere": r"grey\.py cannot be used: ModuleNotFoundError: No module named 'nowhere' \(grey\.py, line 1\)",
    "def connect(options):\n    return 1": r"grey\.py cannot be used: TypeError: connect\(\) takes 1 positional",
    "\ndef connect(options, context):\n    return options['url']": r"KeyError: 'url' \(grey\.py, line 3\)",
    "def connect(options, context):\n    open('/nowhere/key.pem')": r"pigeons\.mine: /nowhere/key\.pem: No such file",
    "def conect(options, context):\n    return 1": r"there is no pigeon grey to configure: .*grey\.py has no function",
    WHOLE.replace("def send", "def post"): r"what `connect` in pigeon_house/grey\.py returns \(Grey\) has no send$",
}


@pytest.fixture
def grey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a module for the kind `grey`, in a package of its own."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "pigeon_house").mkdir()
    for name in ("pigeon_house", "pigeon_house.grey"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path / "pigeon_house" / "grey.py"


@pytest.mark.parametrize(("source", "words"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_broken_plug_in_is_named_with_its_fault(grey: Path, source: str, words: str) -> None:
    grey.write_text(source)
    with pytest.raises(ValueError, match=words) as stopped:
        connect_plugin(PIGEONS, "mine", {"kind": "grey"}, None)
    assert str(stopped.value).startswith("pigeons.mine: ")


def test_a_whole_one_is_connected_and_its_own_refusals_stay(grey: Path) -> None:
    grey.write_text(WHOLE)
    assert connect_plugin(PIGEONS, "grey", {}, None).rules == "grey"
    with pytest.raises(ValueError, match=r"pigeons\.builtin: there is no pigeon grey to configure: builtin is the"):
        connect_plugin(PIGEONS, "builtin", {"kind": "grey"}, None)


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.section)
def test_every_kind_demands_something(sort: PluginKind[Any, Any]) -> None:
    with pytest.raises(ValueError, match=f"{sort.section}.x: there is no {sort.noun} x to configure: there is no file"):
        connect_plugin(sort, "x", {}, None)
