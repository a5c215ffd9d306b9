"""Inquiry: what a member of staff asks the chat robot, and the words of its answer. Counts and an address, never names.

A question is understood by the words in it, in Chinese or English: which campus it names, and what it wants to know.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hub.model.school.course import Campus

# Characters of a question that are read at all.
MAX_QUESTION_LENGTH = 500


class Topic(StrEnum):
    UNSIGNED = "unsigned"
    STATUS = "status"
    HELP = "help"


@dataclass(frozen=True)
class Inquiry:
    """`campus`: the one that is named; None with `unknown_campus` where a name is none of those that may be asked
    about. Whether such a campus exists somewhere makes no difference."""

    topic: Topic
    language: str
    campus: Campus | None = None
    unknown_campus: bool = False


@dataclass(frozen=True)
class ContractCounts:
    """How contracts stand. `pending` and the four after it count those still to be signed; `overdue` ones are past
    their deadline."""

    issued: int
    signed: int
    completed: int
    pending: int
    delivered: int
    opened: int
    overdue: int
    stuck: int


_UNSIGNED_SAID = (
    r"没有签|没签|未签|待签|\bunsigned\b|\bpending\b|\bto be signed\b|\bnot (?:yet )?(?:been )?signed\b"
    r"|\b(?:has|have|did)n.?t (?:yet )?sign(?:ed)?\b"
)
_STATUS_SAID = r"进度|进展|情况|状态|多少|\bstatus\b|\bprogress\b|\bhow (?:many|far)\b"
# The first that is found counts; everything else is a call for help.
_TOPICS = ((Topic.UNSIGNED, _UNSIGNED_SAID), (Topic.STATUS, _STATUS_SAID))
_FILLING = re.compile(
    r"请问一下|请问|看一下|查一下|查询|看看|还有|哪些人|哪些|哪位|多少|几个|几份|目前|现在|今天|合同|学生|家长|校区|我们|全部|所有"
    r"|[谁的在有没签了吗呢啊人是都还份个请]"
    r"|\b(?:who|is|are|still|at|in|of|on|for|the|a|an|please|campus|show|me|us|my|our|how|what|whats|what's|which|many|far"
    r"|much|has|have|not|yet|there|all|contracts?|students?|parents?|people|signed|sign|and|do|does|we|it|going|now"
    r"|today|list|tell|about|s)\b"
)
_CHINESE = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]")


def read_inquiry(text: str, campuses: Sequence[Campus]) -> Inquiry:
    """What is asked. `campuses`: those that this person may ask about. Never raises; what is not understood is HELP."""
    words = unicodedata.normalize("NFKC", text[:MAX_QUESTION_LENGTH]).casefold()
    language = "zh" if _CHINESE.search(words) else "en"
    campus, rest = _named(words, campuses)
    topic = next((topic for topic, pattern in _TOPICS if re.search(pattern, rest)), Topic.HELP)
    if topic is Topic.HELP or campus is not None:
        return Inquiry(topic, language, campus)
    for _, pattern in _TOPICS:
        rest = re.sub(pattern, " ", rest)
    left = re.sub(r"[\W_]+", "", _FILLING.sub(" ", rest))
    return Inquiry(topic, language, unknown_campus=bool(left))


def _named(words: str, campuses: Sequence[Campus]) -> tuple[Campus | None, str]:
    """The campus that is named, the longest name first, and the words without it."""
    names = sorted(((name, campus) for campus in campuses for name in _names(campus)), key=lambda each: -len(each[0]))
    for name, campus in names:
        found = re.search(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", words)
        if found:
            return campus, f"{words[: found.start()]} {words[found.end() :]}"
    return None, words


def _names(campus: Campus) -> set[str]:
    full = {unicodedata.normalize("NFKC", each).casefold() for each in (campus.id, campus.name, campus.name_en)}
    short = {each.removesuffix("校区").removesuffix("campus").strip() for each in full}
    return {each for each in full | short if each}


# ---- the answer

_ALL = {"zh": "全部校区", "en": "All your campuses"}
_UNKNOWN = {
    "zh": "您可查询的校区里没有这个名称。发送“进度”可查看您名下全部校区，发送“帮助”可查看用法。",
    "en": "None of the campuses that you can ask about has this name. Send “status” for all of yours, or “help”.",
}
_HELP = {
    "zh": "您可以问：\n· 合肥还有谁没签\n· 合肥进度\n· 进度（您名下全部校区）\n"
    "只回复数量，名单请登录控制台查看：{console}",
    "en": "You can ask:\n· who is still unsigned at Hefei\n· status Hefei\n· status (all your campuses)\n"
    "Answers are numbers only; the list is in the console: {console}",
}
_OF_THESE = {
    "zh": "已送达 {delivered}，已打开 {opened}，已过截止时间 {overdue}，卡住 {stuck}",
    "en": "{delivered} delivered, {opened} opened, {overdue} past the deadline, {stuck} stuck",
}
_UNSIGNED = {
    "zh": f"{{campus}}：待签 {{pending}} 份。{_OF_THESE['zh']}。\n名单：{{console}}",
    "en": f"{{campus}}: {{pending}} to be signed. {_OF_THESE['en']}.\nThe list: {{console}}",
}
_STATUS = {
    "zh": f"{{campus}}：已签发 {{issued}}，已签 {{signed}}，已完成 {{completed}}，待签 {{pending}}。\n"
    f"待签中：{_OF_THESE['zh']}。\n{{console}}",
    "en": f"{{campus}}: {{issued}} issued, {{signed}} signed, {{completed}} completed, {{pending}} to be signed.\n"
    f"Of the last: {_OF_THESE['en']}.\n{{console}}",
}


def help_text(inquiry: Inquiry, console: str) -> str:
    """What can be asked, or that a name is not known."""
    return (_UNKNOWN if inquiry.unknown_campus else _HELP)[inquiry.language].format(console=console)


def standing_text(inquiry: Inquiry, standing: ContractCounts, console: str) -> str:
    campus, language = inquiry.campus, inquiry.language
    name = (campus.name if language == "zh" else campus.name_en) if campus else _ALL[language]
    text = (_UNSIGNED if inquiry.topic is Topic.UNSIGNED else _STATUS)[language]
    return text.format(campus=name, console=console, **vars(standing))
