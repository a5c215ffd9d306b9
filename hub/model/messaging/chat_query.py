"""Questions that staff ask the chat robot, and its answers.

Topic and campus of a question are found by keywords in Chinese or English. Answers contain counts and the URL of the
console, never names of people.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hub.model.school.course import Campus

# Characters; the rest of a question is ignored.
MAX_QUESTION_LENGTH = 500


class Topic(StrEnum):
    UNSIGNED = "unsigned"
    STATUS = "status"
    HELP = "help"


@dataclass(frozen=True)
class ChatQuery:
    """A question as understood. `campus`: the campus that it names; None for all.

    `unknown_campus`: it names something other than a campus that this person may ask about. Campuses outside the
    person's scope are reported in the same way as campuses that do not exist.
    """

    topic: Topic
    language: str
    campus: Campus | None = None
    unknown_campus: bool = False


@dataclass(frozen=True)
class ContractCounts:
    """Numbers of contracts. `pending` counts those still to be signed; the four after it are subsets of `pending`.
    `overdue`: past their deadline."""

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
# The first match wins; no match means HELP.
_TOPICS = ((Topic.UNSIGNED, _UNSIGNED_SAID), (Topic.STATUS, _STATUS_SAID))
_FILLING = re.compile(
    r"请问一下|请问|看一下|查一下|查询|看看|还有|哪些人|哪些|哪位|多少|几个|几份|目前|现在|今天|合同|学生|家长|校区|我们|全部|所有"
    r"|[谁的在有没签了吗呢啊人是都还份个请]"
    r"|\b(?:who|is|are|still|at|in|of|on|for|the|a|an|please|campus|show|me|us|my|our|how|what|whats|what's|which|many|far"
    r"|much|has|have|not|yet|there|all|contracts?|students?|parents?|people|signed|sign|and|do|does|we|it|going|now"
    r"|today|list|tell|about|s)\b"
)
_CHINESE = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]")


def parse_chat_query(text: str, campuses: Sequence[Campus]) -> ChatQuery:
    """Return topic and campus of the question. `campuses`: the campuses that this person may ask about.

    Never raises: a question that is not understood has the topic HELP.
    """
    words = unicodedata.normalize("NFKC", text[:MAX_QUESTION_LENGTH]).casefold()
    language = "zh" if _CHINESE.search(words) else "en"
    campus, rest = _find_campus(words, campuses)
    topic = next((topic for topic, pattern in _TOPICS if re.search(pattern, rest)), Topic.HELP)
    if topic is Topic.HELP or campus is not None:
        return ChatQuery(topic, language, campus)
    for _, pattern in _TOPICS:
        rest = re.sub(pattern, " ", rest)
    left = re.sub(r"[\W_]+", "", _FILLING.sub(" ", rest))
    return ChatQuery(topic, language, unknown_campus=bool(left))


def _find_campus(words: str, campuses: Sequence[Campus]) -> tuple[Campus | None, str]:
    """Return the campus that the question names, or None, and the question without its name.

    Longer names are tried first, since one name may contain another.
    """
    names = sorted(
        ((name, campus) for campus in campuses for name in _list_names(campus)), key=lambda each: -len(each[0])
    )
    for name, campus in names:
        found = re.search(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", words)
        if found:
            return campus, f"{words[: found.start()]} {words[found.end() :]}"
    return None, words


def _list_names(campus: Campus) -> set[str]:
    full = {unicodedata.normalize("NFKC", each).casefold() for each in (campus.id, campus.name, campus.name_en)}
    short = {each.removesuffix("校区").removesuffix("campus").strip() for each in full}
    return {each for each in full | short if each}


# ---- the answer

_ALL = {"zh": "全部校区", "en": "All your campuses"}
_UNKNOWN = {
    "zh": "您可查询的校区中没有叫这个名称的。发送“进度”可查看您名下全部校区，发送“帮助”可查看用法。",
    "en": "No campus available to you has this name. Send “status” to see all your campuses, or “help”.",
}
_HELP = {
    "zh": "您可以问：\n· {campus}还有谁没签\n· {campus}进度\n· 进度（您名下全部校区）\n"
    "只回复数量，名单请登录工作台查看：{console}",
    "en": "You can ask:\n· who is still unsigned at {campus}\n· status {campus}\n· status (all your campuses)\n"
    "Replies contain numbers only. For the list, see the console: {console}",
}
_OF_THESE = {
    "zh": "已送达 {delivered}，已打开 {opened}，已过截止时间 {overdue}，卡住 {stuck}",
    "en": "{delivered} delivered, {opened} opened, {overdue} past the deadline, {stuck} stuck",
}
_UNSIGNED = {
    "zh": f"{{campus}}：待签 {{pending}} 份。{_OF_THESE['zh']}。\n名单：{{console}}",
    "en": f"{{campus}}: {{pending}} to be signed. {_OF_THESE['en']}.\nList: {{console}}",
}
_STATUS = {
    "zh": f"{{campus}}：已签发 {{issued}}，已签 {{signed}}，已完成 {{completed}}，待签 {{pending}}。\n"
    f"待签中：{_OF_THESE['zh']}。\n{{console}}",
    "en": f"{{campus}}: {{issued}} issued, {{signed}} signed, {{completed}} completed, {{pending}} to be signed.\n"
    f"Of those to be signed: {_OF_THESE['en']}.\n{{console}}",
}


def render_chat_help(query: ChatQuery, example: Campus, console: str) -> str:
    """Return the reply that explains what can be asked, or says that the campus is unknown. `example`: a campus that
    this person may ask about. `console`: a URL."""
    words = (_UNKNOWN if query.unknown_campus else _HELP)[query.language]
    return words.format(console=console, campus=example.named(query.language))


def render_contract_counts(query: ChatQuery, counts: ContractCounts, console: str) -> str:
    """Return the reply with the counts. `console`: the URL of the list in the console."""
    campus, language = query.campus, query.language
    name = (campus.name if language == "zh" else campus.name_en) if campus else _ALL[language]
    text = (_UNSIGNED if query.topic is Topic.UNSIGNED else _STATUS)[language]
    return text.format(campus=name, console=console, **vars(counts))
