"""The questions in a terminal: in order, each wrong one asked again with its reason; a real mail is sent and seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from rich.console import Console

from bench.programs.ports import free_port
from hub.commands.setup_terminal import TerminalQuestions, terminal_language
from hub.setup.answers_file import AnswersFile
from hub.setup.check_answers import find_first_faulty_step
from tests.setup.given import CAMPUSES, CODE, COURSES

Line = str | Callable[[], str]


class Typed(StringIO):
    """What somebody types, line by line; a line may depend on what has happened by then."""

    def __init__(self, *lines: Line) -> None:
        super().__init__()
        self._lines = list(lines)

    def readline(self, _size: int = -1, /) -> str:  # type: ignore[override]  # as StringIO itself has it
        assert self._lines, "more was asked than expected"
        line = self._lines.pop(0)
        return (line if isinstance(line, str) else line()) + "\n"


class Mailbox:
    """A mail server in a thread, and what it took."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content.decode())
        return "250 2.0.0 Ok"

    def code(self) -> str:
        found = re.search(r"set-up page: (\d{6})", self.mails[-1].replace("=\r\n", ""))
        assert found, self.mails[-1]
        return found[1]


@contextmanager
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box, port = Mailbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, str(port)
    finally:
        controller.stop()


def until_courses(folder: Path) -> list[Line]:
    courses = folder / "courses.csv"
    courses.write_bytes(COURSES.encode("gbk"))
    return [
        "http://127.0.0.1:8080",
        "合肥市明德培训学校",
        CODE[:-1] + "4",
        "教民234010000000001号",
        "",
        "",
        "",
        "",
        CODE,
        *CAMPUSES.splitlines(),
        "",
        "Office",
        "周示范",
        "",
        "office",
        "course",
        str(courses),
    ]


def test_all_is_asked_in_order_and_a_real_mail_is_seen(tmp_path: Path) -> None:
    with mailbox() as (box, port):
        mail = ["1", "127.0.0.1", port, "none", "", "", "a@school.example", "me@school.example"]
        typed = Typed(*until_courses(tmp_path), "2", "1", *mail, "y", "nothing", box.code)
        said = Console(file=StringIO(), width=200)
        file = AnswersFile(tmp_path / "data")
        asked = TerminalQuestions(file, said, "en", typed)
        asked.ask_all(datetime.now(UTC))
    text = said.file.getvalue() if isinstance(said.file, StringIO) else ""
    assert find_first_faulty_step(asked.answers, file.keys) is None
    assert file.read() == asked.answers and asked.answers["seal"] == {"kind": "request"}
    for words in (
        "is not a valid credit code",
        "has to be 2 to 40 small letters",
        "on this machine alone",
        "does not prove who keeps the key",
        "not the code of the last message",
        "You have seen it",
    ):
        assert words in text, words
    assert len(box.mails) == 1
    again = TerminalQuestions(file, said, "en", Typed())
    again.answers["messages"] = {"kind": "none"}
    again.ask_all(datetime.now(UTC))  # nothing is left to ask


def test_a_table_with_a_fault_is_asked_again(tmp_path: Path) -> None:
    file = AnswersFile(tmp_path)
    lines = until_courses(tmp_path)
    wrong = [*lines[:9], "编号,上级,名称", "hq,hp,总部", "", *lines[9:]]
    said = Console(file=StringIO(), width=200)
    asked = TerminalQuestions(file, said, "zh", Typed(*wrong, "1", "1", "3"))
    asked.ask_all(datetime.now(UTC))
    assert isinstance(said.file, StringIO) and "没有校区 hp" in said.file.getvalue()
    assert asked.answers["messages"] == {"kind": "none"}


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LC_ALL": "C", "LANG": "zh_CN"}, "en"),
        ({}, "en"),
    ],
)
def test_the_terminal_speaks_its_language(environment: dict[str, str], language: str) -> None:
    assert terminal_language(environment) == language
