"""What the agent asks in its terminal."""

from __future__ import annotations

import builtins

import pytest

from qianda.agent.terminal import Terminal
from qianda.agent.words import AgentTrouble


@pytest.mark.parametrize("wrong", ["yes", "0", "3", "2.0", "²", "9" * 5000])
def test_a_wrong_number_is_asked_for_again(
    wrong: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter([wrong, " 2 "])
    monkeypatch.setattr(builtins, "input", lambda _: next(typed))
    assert Terminal("en").choose(2) == 2
    assert "a number from 1 to 2" in capsys.readouterr().out


def test_no_number_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "input", lambda _: "")
    with pytest.raises(AgentTrouble, match="stopped"):
        Terminal("zh").choose(2)
