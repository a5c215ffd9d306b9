"""How SMS that people write to us are understood."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from hub.model.messaging.sms_commands import SmsCommand, choose_reply_language, parse_sms_command


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("STOP", SmsCommand.STOP),
        (" stop. ", SmsCommand.STOP),
        ("ＳＴＯＰ", SmsCommand.STOP),
        ("退订", SmsCommand.STOP),
        ("【退订】", SmsCommand.STOP),
        ("TD", SmsCommand.STOP),
        ("Start", SmsCommand.START),
        ("恢复", SmsCommand.START),
        ("help", SmsCommand.HELP),
        ("?", SmsCommand.HELP),
        ("帮助！", SmsCommand.HELP),
        ("status", SmsCommand.STATUS),
        ("进度", SmsCommand.STATUS),
        ("LINK", SmsCommand.LINK),
        ("重发", SmsCommand.LINK),
        ("好的，谢谢", SmsCommand.THANKS),
        ("好的。", SmsCommand.THANKS),
        ("Thank you!", SmsCommand.THANKS),
        ("please do not stop", SmsCommand.OTHER),
        ("", SmsCommand.OTHER),
        ("不要退订", SmsCommand.OTHER),
        ("123456", SmsCommand.OTHER),
    ],
)
def test_one_word_is_a_wish_and_a_sentence_is_none(text: str, wish: SmsCommand) -> None:
    assert parse_sms_command(text) is wish


@given(st.text())
def test_whatever_is_written_has_an_answer(text: str) -> None:
    assert parse_sms_command(text) in SmsCommand
    assert choose_reply_language(text) in ("zh", "en")


def test_the_answer_is_in_the_language_of_the_text_or_of_the_person() -> None:
    assert (
        choose_reply_language("进度"),
        choose_reply_language("STATUS", "zh"),
        choose_reply_language("STATUS", "en"),
        choose_reply_language("?"),
    ) == (
        "zh",
        "zh",
        "en",
        "en",
    )
