"""The life of a text that staff write: decisions without a database."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from hub.errors import BadInput, SecondReaderNeeded, TextChangedMeanwhile, TextMoveNotAllowed
from hub.model.school.text_version import (
    MAX_TEXT_LENGTH,
    MAX_TEXT_LINES,
    ChangeKind,
    TextEdit,
    TextKind,
    TextState,
    TextVersion,
    approve_text,
    compare_demands,
    compare_lines,
    discard_text,
    edit_text,
    list_changed_keys,
    order_texts,
    send_back_text,
    submit_text,
)

NOW = datetime(2026, 12, 1, tzinfo=UTC)
TEXTS = {"zh.title": "合同", "zh.clauses": "# 一\n+ 甲\n+ 乙\n"}
DRAFT = TextVersion(uuid4(), TextKind.CONTRACT, "course", 1, TextState.DRAFT, "2026.2", TEXTS, NOW)


def changed(text: str, note: str = "why", revision: int = 0) -> TextEdit:
    return TextEdit({"zh.clauses": text, "zh.other": "not a text of this one"}, note, revision)


def submitted() -> TextVersion:
    written = edit_text(DRAFT, changed("# 一\n+ 丙\n"), "staff:ann", NOW)
    return submit_text(written, written.revision, "staff:bea", NOW)


def test_a_draft_keeps_what_was_entered_and_who_wrote_it() -> None:
    after = edit_text(DRAFT, changed("# 一\n+ 丙\n"), "staff:ann", NOW)
    assert after.texts == TEXTS | {"zh.clauses": "# 一\n+ 丙\n"} and after.writers == ("staff:ann",)
    assert (after.note, after.revision, after.sha256 != DRAFT.sha256) == ("why", 1, True)
    again = edit_text(after, changed("# 一\n+ 丙\n", "because", 1), "staff:bea", NOW)
    assert again.writers == ("staff:ann",) and again.note == "because"  # a note makes nobody a writer
    assert edit_text(again, TextEdit({}, "because", 2), "staff:cai", NOW) is again


def test_nobody_overwrites_what_they_have_not_read() -> None:
    after = edit_text(DRAFT, changed("x"), "staff:ann", NOW)
    acts: list[Callable[[], TextVersion]] = [
        lambda: edit_text(after, changed("y"), "staff:bea", NOW),
        lambda: submit_text(after, 0, "staff:bea", NOW),
        lambda: discard_text(after, 0, "staff:bea", NOW),
        lambda: approve_text(submitted(), 0, "staff:cai", NOW),
        lambda: send_back_text(submitted(), TextEdit({}, "no", 0), "staff:cai", NOW),
    ]
    for act in acts:
        with pytest.raises(TextChangedMeanwhile):
            act()


@pytest.mark.parametrize("actor", ["staff:ann", "staff:bea"])
def test_whoever_wrote_or_submitted_it_does_not_approve_it(actor: str) -> None:
    waiting = submitted()
    assert not waiting.may_approve(actor)
    with pytest.raises(SecondReaderNeeded):
        approve_text(waiting, waiting.revision, actor, NOW)


def test_an_approved_text_is_in_force_and_names_who_approved_it() -> None:
    waiting = submitted()
    after = approve_text(waiting, waiting.revision, "staff:cai", NOW)
    assert (after.state, after.decided_by, after.label) == (TextState.IN_FORCE, "staff:cai", "desk-1")


def test_a_text_that_is_sent_back_is_written_on_with_the_reason() -> None:
    waiting = submitted()
    after = send_back_text(waiting, TextEdit({}, " too long ", waiting.revision), "staff:cai", NOW)
    assert (after.state, after.note, after.submitted_by) == (TextState.DRAFT, "too long", None)
    with pytest.raises(BadInput):
        send_back_text(waiting, TextEdit({}, " ", waiting.revision), "staff:cai", NOW)


def test_a_change_that_nobody_explains_is_not_submitted() -> None:
    with pytest.raises(BadInput, match="what changes"):
        submit_text(DRAFT, 0, "staff:ann", NOW)
    with pytest.raises(BadInput, match=str(MAX_TEXT_LENGTH)):
        edit_text(DRAFT, changed("x" * (MAX_TEXT_LENGTH + 1)), "staff:ann", NOW)
    with pytest.raises(BadInput, match=f"at most {MAX_TEXT_LINES} lines"):
        edit_text(DRAFT, changed("\n" * (MAX_TEXT_LINES + 1)), "staff:ann", NOW)


ACTS: dict[str, tuple[Callable[[TextVersion], TextVersion], set[TextState]]] = {
    "edit": (lambda it: edit_text(it, changed("x"), "staff:x", NOW), {TextState.DRAFT}),
    "submit": (lambda it: submit_text(it, 0, "staff:x", NOW), {TextState.DRAFT}),
    "approve": (lambda it: approve_text(it, 0, "staff:x", NOW), {TextState.SUBMITTED}),
    "send back": (lambda it: send_back_text(it, changed("x"), "staff:x", NOW), {TextState.SUBMITTED}),
    "discard": (lambda it: discard_text(it, 0, "staff:x", NOW), {TextState.DRAFT, TextState.SUBMITTED}),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("state", TextState)
def test_each_act_has_its_states(act: str, state: TextState) -> None:
    decide, allowed = ACTS[act]
    version = replace(DRAFT, state=state, note="why")
    if state in allowed:
        assert decide(version).revision == 1
        return
    with pytest.raises(TextMoveNotAllowed):
        decide(version)


def test_what_changed_is_shown_line_by_line() -> None:
    lines = compare_lines("# 一\n+ 甲\n+ 乙\n+ 丁", "# 一\n+ 丙\n+ 乙\n+ 丁")
    assert [(line.kind, line.text) for line in lines] == [
        (ChangeKind.SAME, "# 一"),
        (ChangeKind.GONE, "+ 甲"),
        (ChangeKind.NEW, "+ 丙"),
        (ChangeKind.SAME, "+ 乙"),
    ]
    assert compare_lines("a", "a") == []
    before = time.process_time()
    alike = "\n" * (3 * MAX_TEXT_LINES)
    changed_at_the_end = compare_lines(alike + "\n", alike + "a")
    assert [line.kind for line in changed_at_the_end] == [ChangeKind.SAME, ChangeKind.GONE, ChangeKind.NEW]
    assert time.process_time() - before < 1  # lines that are all alike took seconds
    assert list_changed_keys(TEXTS, TEXTS | {"zh.title": "x"}) == ["zh.title"]


def test_texts_stand_in_one_order() -> None:
    for keys in (
        "zh.title zh.consent zh.clauses en.title en.clauses",
        "sms.full.zh sms.full.en sms.code.zh voice.zh email.subject.zh email.text.zh",
    ):
        assert list(order_texts(dict.fromkeys(sorted(keys.split()), ""))) == keys.split()


def test_whoever_approves_sees_what_is_demanded_otherwise() -> None:
    before = {"representative": False, "custody": {}, "languages": {"zh": {"asks": [], "consent": {"version": "1"}}}}
    asked = [{"name": "allergy", "required": True}]
    after = {"representative": True, "custody": {"guardian": ["usb-token"]}, "languages": {"zh": {"asks": asked}}}
    found = [(each.demand, each.language, each.before, each.after) for each in compare_demands(before, after)]
    assert found == [
        ("representative", "", "", "yes"),
        ("custody", "", "", "guardian: usb-token"),
        ("asks", "zh", "", "name: allergy, required: yes"),
    ]
    assert compare_demands(after, after) == []
