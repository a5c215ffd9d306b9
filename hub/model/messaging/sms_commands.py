"""What somebody wants who writes to us by SMS. Pure."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from enum import StrEnum


class SmsCommand(StrEnum):
    STOP = "stop"
    START = "start"
    HELP = "help"
    STATUS = "status"
    LINK = "link"
    OTHER = "other"


STOPS_A_MINUTE = 20
# More STOPs than that in so long, by calls that nobody signed, are held for staff: somebody may be making them up.
STOP_WINDOW = timedelta(minutes=1)

_WORDS = {
    SmsCommand.STOP: (
        "stop",
        "stopall",
        "unsubscribe",
        "cancel",
        "end",
        "quit",
        "退订",
        "退",
        "td",
        "t",
        "取消订阅",
        "停止",
    ),
    SmsCommand.START: ("start", "unstop", "恢复", "订阅", "开始", "恢复订阅"),
    SmsCommand.HELP: ("help", "info", "帮助", "?", "怎么办"),
    SmsCommand.STATUS: ("status", "进度", "状态", "查询"),
    SmsCommand.LINK: ("link", "resend", "重发", "链接", "再发", "重新发送"),
}
_WISHES = {word: wish for wish, words in _WORDS.items() for word in words}
_AROUND = " \t\r\n.,!;:'\"。，！；：、‘’“”【】[]()（）"


def wish_of(text: str) -> SmsCommand:
    """The wish behind a whole message: its only word, in any width and case. A sentence is no command."""
    return _WISHES.get(unicodedata.normalize("NFKC", text).casefold().strip(_AROUND), SmsCommand.OTHER)


def language_of(text: str, known: str | None = None) -> str:
    """The language to answer in: that of the text if it shows one, else the one on file, else English for Latin
    letters."""
    if any("一" <= character <= "鿿" for character in text):
        return "zh"
    return known or "en"
