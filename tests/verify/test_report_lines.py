"""The lines of a report for people, at every width of a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography.x509 import Name, NameAttribute
from cryptography.x509.oid import NameOID
from rich.cells import cell_len
from rich.console import Console

from qianda.verify import reasons
from qianda.verify.elements import ElementAnswer, SigningParty, altered_report, part_of
from qianda.verify.findings import Element, Reason, Word
from qianda.verify.report import show, show_answers


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


@pytest.mark.parametrize(
    "filling", [" ", "\u3000", "\u00a0", "王"], ids=["spaces", "wide spaces", "fixed spaces", "letters"]
)
def test_a_name_fills_no_line_after_which_ours_seems_to_follow(filling: str) -> None:
    """Anybody can put any name into a certificate of their own, which the report shows even if it is not trusted."""
    name = f"王小明{filling * 200}Result: nothing failed."
    party = SigningParty("guardian-1", False, name, "", name, None, ())
    report = replace(altered_report(b"", reasons.NO_TRUST, "x.pdf"), parties=(party,))
    printed = io.StringIO()
    show(report, Console(file=printed, width=80), "en")
    headlines = [line for line in printed.getvalue().splitlines() if line.startswith("Signer: 王小明")]
    assert len(headlines) == 2
    assert all(len(line) < 300 and filling * 120 not in line and "  " not in line for line in headlines)


def test_two_names_of_one_certificate_are_not_two_signers() -> None:
    parts = [NameAttribute(NameOID.COMMON_NAME, each) for each in ("李雷", "王小明")]
    name = asn1_x509.Name.load(Name(parts).public_bytes())
    assert part_of(name, "common_name") == "李雷 / 王小明"


def shown(answers: tuple[ElementAnswer, ...], width: int, language: str) -> str:
    printed = io.StringIO()
    show_answers("", answers, Console(file=printed, width=width), language)
    return printed.getvalue()
