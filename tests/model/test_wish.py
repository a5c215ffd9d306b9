"""What people write to us, understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.messaging.sms_commands import Wish, language_of, wish_of


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("STOP", Wish.STOP), (" stop. ", Wish.STOP), ("ＳＴＯＰ", Wish.STOP),
        ("退订", Wish.STOP), ("【退订】", Wish.STOP),
        ("TD", Wish.STOP), ("Start", Wish.START), ("恢复", Wish.START), ("help", Wish.HELP), ("?", Wish.HELP),
        ("帮助！", Wish.HELP), ("status", Wish.STATUS), ("进度", Wish.STATUS), ("LINK", Wish.LINK), ("重发", Wish.LINK),
        ("please do not stop", Wish.OTHER), ("", Wish.OTHER), ("不要退订", Wish.OTHER), ("123456", Wish.OTHER),
    ],
)  # fmt: skip
def test_one_word_is_a_wish_and_a_sentence_is_none(text: str, wish: Wish) -> None:
    assert wish_of(text) is wish


@given(st.text())
def test_whatever_is_written_has_an_answer(text: str) -> None:
    assert wish_of(text) in Wish
    assert language_of(text) in ("zh", "en")


def test_the_answer_is_in_the_language_of_the_text_or_of_the_person() -> None:
    assert (language_of("进度"), language_of("STATUS", "zh"), language_of("STATUS", "en"), language_of("?")) == (
        "zh", "zh", "en", "en",
    )  # fmt: skip
