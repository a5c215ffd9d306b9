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


@pytest.mark.parametrize("language", ["zh", pytest.param("en", marks=pytest.mark.real)])
def test_no_line_begins_with_the_end_of_a_sentence(language: str) -> None:
    said = [value for value in vars(reasons).values() if isinstance(value, Reason)]
    assert len(said) > 30
    answers = tuple(ElementAnswer(Element.OWNED, Word.FAILED, reason) for reason in said)
    for width in range(40, 121):
        printed = shown(answers, width, language)
        lines = printed.splitlines()
        assert [line for line in lines if line.strip()[:1] in tuple("。，、；：！？）》」…")] == []
        assert max(map(cell_len, lines)) <= width
        whole = "".join(reason.zh if language == "zh" else reason.en for reason in said)
        for letter in set(whole) - set(" "):
            assert printed.count(letter) >= whole.count(letter)  # nothing is cut off


@pytest.mark.parametrize(
    ("width", "name"), [(60, "Müller-Lüdenscheidt"), (50, "Нестеренко"), (44, "Παπαδόπουλος"), (46, "school’s")]
)
def test_a_word_is_not_broken_in_any_letters(width: int, name: str) -> None:
    reason = Reason("", " ".join([name] * 8))
    printed = shown((ElementAnswer(Element.OWNED, Word.FAILED, reason),), width, "en")
    assert printed.count(name) == 8


@pytest.mark.parametrize("opening", list("（《「『“‘"))
def test_no_line_ends_with_an_opening_mark(opening: str) -> None:
    reason = Reason("".join(f"{'甲' * count}{opening}乙，" for count in range(30)), "")
    for width in range(40, 60):
        printed = shown((ElementAnswer(Element.OWNED, Word.FAILED, reason),), width, "zh")
        assert [line for line in printed.splitlines() if line.rstrip().endswith(opening)] == []
        assert printed.count(opening) == 30


def shown(answers: tuple[ElementAnswer, ...], width: int, language: str) -> str:
    printed = io.StringIO()
    show_answers("", answers, Console(file=printed, width=width), language)
    return printed.getvalue()
