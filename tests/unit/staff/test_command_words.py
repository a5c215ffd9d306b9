"""What the commands about accounts say."""

from __future__ import annotations

from hub.commands.staff import say_sessions


def test_one_session_is_no_plural() -> None:
    assert [say_sessions(number) for number in (0, 1, 2)] == ["0 sessions", "1 session", "2 sessions"]
