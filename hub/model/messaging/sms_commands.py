"""Commands that people send by SMS. Pure."""

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
    THANKS = "thanks"
    OTHER = "other"


# More STOPs than this by unsigned callbacks within STOP_WINDOW may be forged: they opt nobody out, and staff decide.
STOPS_A_MINUTE = 20
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
    # Polite phrases, which staff need not read.
    SmsCommand.THANKS: (
        "ok",
        "okay",
        "thanks",
        "thank you",
        "好",
        "好的",
        "收到",
        "谢谢",
        "好的谢谢",
        "好的,谢谢",
        "知道了",
    ),
}
_COMMANDS = {word: command for command, words in _WORDS.items() for word in words}
_AROUND = " \t\r\n.,!;:'\"。，！；：、‘’“”【】[]()（）"


def parse_sms_command(text: str) -> SmsCommand:
    """Return the command of a message, which must contain nothing else. Width, case and punctuation do not matter."""
    return _COMMANDS.get(unicodedata.normalize("NFKC", text).casefold().strip(_AROUND), SmsCommand.OTHER)


def choose_reply_language(text: str, known: str | None = None) -> str:
    """Return the language of the reply: Chinese for a text with Chinese characters, else `known`, else English."""
    if any("一" <= character <= "鿿" for character in text):
        return "zh"
    return known or "en"
