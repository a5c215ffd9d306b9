"""What every limited child process has in common: it starts soon, and one that dies is replaced."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from hub.documents.child import Limits
from hub.documents.pages import PagePainter
from hub.errors import UnreadableFile
from hub.settings import PACKED
from tests.documents.contract_samples import contract_pdf
from tests.dying_child import die_over_question

CHILDREN = sorted(
    ".".join(path.relative_to(PACKED.parent).with_suffix("").parts)
    for path in (PACKED / "documents").rglob("*.py")
    if "\n    serve(" in path.read_text("utf-8")
)


def test_no_child_loads_what_only_its_parent_needs() -> None:
    """Each file that somebody uploads has a child of its own, and `rich` alone takes as long as Python itself."""
    assert len(CHILDREN) > 5
    asks = f"import sys, {', '.join(CHILDREN)}\nprint(*({{'structlog', 'rich', 'asyncpg'}} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-I", "-c", asks], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


async def test_if_a_warm_child_dies_over_a_question_a_new_one_answers() -> None:
    painter, file = PagePainter(), contract_pdf()
    images = await painter.draw(file)
    child = painter._process
    assert child is not None
    with capture_logs() as lines:
        assert await die_over_question(child.pid, painter.draw(file)) == images
    (line,) = lines
    assert (line["event"], line["exit"], line["question"]) == ("child lost", -signal.SIGKILL, len(file))
    painter.close()


async def test_if_a_new_child_dies_over_a_question_it_was_the_question() -> None:
    painter = PagePainter(Limits(memory_bytes=1 << 20, cpu_seconds=20, seconds=60))  # not enough to start
    with capture_logs() as lines, pytest.raises(UnreadableFile, match="too much time or memory"):
        await painter.draw(contract_pdf())
    assert [line["event"] for line in lines] == ["child lost"]
