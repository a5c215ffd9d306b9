"""What templates do to texts."""

from __future__ import annotations

import pytest

from hub.web.pages.i18n import join_sentences
from hub.web.pages.render import as_heading, below_heading, with_code


def test_commands_in_a_text_become_code_and_nothing_else_becomes_html() -> None:
    assert with_code("run `qianda resume` & wait") == "run <code>qianda resume</code> &amp; wait"
    assert with_code("`<b>` ` <i>") == "<code>&lt;b&gt;</code> ` &lt;i&gt;"


@pytest.mark.parametrize(
    ("text", "heading", "rest"),
    [
        ("没有找到这份合同。", "没有找到这份合同", ""),
        ("您的角色无权进行此操作。如有需要，请联系校区。", "您的角色无权进行此操作", "如有需要，请联系校区。"),
        ("Something went wrong. Nothing was lost.", "Something went wrong", "Nothing was lost."),
        ("Needs Python 3.11 or newer", "Needs Python 3.11 or newer", ""),
    ],
)
def test_a_heading_is_one_sentence_without_a_full_stop(text: str, heading: str, rest: str) -> None:
    assert (as_heading(text), below_heading(text)) == (heading, rest)


def test_sentences_are_joined_as_their_language_does() -> None:
    assert join_sentences("还没有海报。", "", "请新建。") == "还没有海报。请新建。"
    assert join_sentences("There is none.", "", "Make one.") == "There is none. Make one."
    assert join_sentences("", "") == ""
