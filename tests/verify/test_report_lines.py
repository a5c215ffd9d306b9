"""The lines of a report for people, at every width of a terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from qianda.verify import reasons
from qianda.verify.elements import ElementAnswer
from qianda.verify.findings import Element, Reason, Word
from qianda.verify.report import show_answers


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_line_begins_with_the_end_of_a_sentence(language: str) -> None:
    said = [value for value in vars(reasons).values() if isinstance(value, Reason)]
    assert len(said) > 30
    answers = tuple(ElementAnswer(Element.OWNED, Word.FAILED, reason) for reason in said)
    for width in range(40, 121):
        printed = io.StringIO()
        show_answers("", answers, Console(file=printed, width=width), language)
        lines = printed.getvalue().splitlines()
        assert [line for line in lines if line.strip()[:1] in tuple("。，、；：！？）》」…")] == []
        assert max(map(cell_len, lines)) <= width
        whole = "".join(reason.zh if language == "zh" else reason.en for reason in said)
        for letter in set(whole) - set(" "):
            assert printed.getvalue().count(letter) >= whole.count(letter)  # nothing is cut off
