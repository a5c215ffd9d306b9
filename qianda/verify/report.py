"""Format a report as JSON for programs, and as text for people in Chinese or English."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from qianda.verify.elements import ElementAnswer, SigningParty, VerificationReport
from qianda.verify.findings import Element, Reason, Word, readable
from qianda.verify.verdict import verdict

LANGUAGES = ("zh", "en")

_ELEMENTS = {
    Element.OWNED: "专人所有",
    Element.USED: "专人利用",
    Element.SIGNATURE: "签名未改",
    Element.TEXT: "原文未改",
    Element.TIME: "签署时间",
}
_WORDS = {Word.SHOWN: "已证明", Word.DECLARED: "仅声明", Word.NOT_SHOWN: "未证明", Word.FAILED: "不通过"}
_STYLES = {Word.SHOWN: "bold", Word.DECLARED: "", Word.NOT_SHOWN: "yellow", Word.FAILED: "bold red"}

_FILE = Reason("文件", "File")
_STATED = Reason(
    "文件属性（以页面所载为准）：{number}《{title}》，{school}",
    "Its properties (what counts is on its pages): {number} “{title}”, {school}",
)
_WHOLE = Reason("整份文件", "The whole file")
_SEAL = Reason("机构印章", "Seal of the organisation")
_SIGNER = Reason("签署人", "Signer")
_UNKNOWN = Reason("（证书无法读取）", "(no readable certificate)")
_SIGNED_AT = Reason("签署于", "signed")
_ISSUED_BY = Reason("证书由 {issuer} 签发", "certificate of {issuer}")
_LISTED_UNTIL = Reason("吊销清单截至", "not revoked by the list of")
_ARCHIVED = Reason("文档时间戳覆盖全文", "A document timestamp covers the whole file")
_TRIAL = Reason(
    "含内置机构签发的证书：仅供试用和内部使用。", "Certificates of the built-in authority: for trial and internal use."
)
# Long lines are left to the terminal, which breaks Chinese better.
_PLAIN: dict[str, Any] = {"highlight": False, "soft_wrap": True}
# Of a name in a text. Those of certificates have at most 64 characters (RFC 5280, appendix A), which nothing enforces.
MAX_SHOWN_NAME = 120
# Columns of space on both sides of a cell.
_PADDING = 2
# A word, or one Chinese character, with the marks that open and close it.
_WORD = r"[^\s“‘”’…\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+"
_OPENING, _CLOSING = "（《「『“‘", "。，、；：！？）》」』”’…"
_UNBROKEN = re.compile(rf"[{_OPENING}]*(?:{_WORD}(?:’{_WORD})*|.)[{_CLOSING}]*\s*", re.DOTALL)
_COMMA, _COLON, _STOP = Reason("，", ", "), Reason("：", ": "), Reason("。", ". ")
_IN_BRACKETS = Reason("（{words}）", " ({words})")
_FAILED = Reason("结论：有检查不通过。", "Result: something failed.")
_LACKING = Reason("未达到要求", "Less than was required")
_NOTHING_FAILED = Reason("结论：没有不通过的项目。", "Result: nothing failed.")


def as_json(report: VerificationReport) -> dict[str, Any]:
    """Return the report as JSON.

    Times are ISO 8601 with zone, hashes lower-case hex; `elements` are keyed by their English names. The `parts` of
    `coverage` are the offsets of the first byte and after the last one.
    """
    return {
        "file": readable(report.file),
        "readable": True,
        "sha256": report.sha256,
        "size": report.size,
        "failed": report.failed,
        "trial": report.trial,
        "verdict": [{"zh": sentence.zh, "en": sentence.en} for sentence in verdict(report)],
        "contract": {
            "number": report.contract.number,
            "title": report.contract.title,
            "school": report.contract.school,
        },
        "archived_at": report.archived_at.isoformat() if report.archived_at else None,
        "elements": _answers_json(report.document),
        "parties": [_party_json(party) for party in report.parties],
        "coverage": [
            {"field": each.field, "timestamp": each.is_timestamp, "parts": [list(part) for part in each.parts]}
            for each in report.coverage
        ],
    }


def unreadable_json(file: str, reason: Reason) -> dict[str, Any]:
    return {"file": readable(file), "readable": False, "failed": True, "reason": {"zh": reason.zh, "en": reason.en}}


def show(report: VerificationReport, console: Console, language: str) -> None:
    """Print the report. `language` is zh or en."""
    for sentence in verdict(report):
        console.print(escape(say(sentence, language)), style="bold red" if report.failed else "bold", **_PLAIN)
    console.print()
    if report.contract.number:
        stated = _STATED.about(
            number=report.contract.number, title=report.contract.title, school=report.contract.school
        )
        console.print(escape(say(stated, language)), **_PLAIN)
    for party in report.parties:
        console.print(_headline(party, language), **_PLAIN)
    if report.archived_at:
        console.print(
            f"{say(_ARCHIVED, language)}{say(_COLON, language)}{local_time(report.archived_at)}", highlight=False
        )
    console.print(f"{say(_FILE, language)}{say(_COLON, language)}{escape(readable(report.file))}", highlight=False)
    console.print(f"SHA-256: {report.sha256}", highlight=False, soft_wrap=True)
    if report.parties:
        show_answers(say(_WHOLE, language), report.document, console, language)
    for party in report.parties:
        show_answers(_headline(party, language), party.answers, console, language)
    if report.trial:
        console.print(f"[yellow]{say(_TRIAL, language)}[/yellow]", highlight=False)
    console.print(say(_FAILED if report.failed else _NOTHING_FAILED, language), style="bold", highlight=False)


def show_lacking(lacking: Sequence[ElementAnswer], console: Console, language: str) -> None:
    """Print the elements whose word is worse than required, and why."""
    for answer in lacking:
        name = _ELEMENTS[answer.element] if language == "zh" else answer.element.value
        word = _WORDS[answer.word] if language == "zh" else answer.word.value
        colon, stop = say(_COLON, language), say(_STOP, language)
        said = f"{say(_LACKING, language)}{colon}{name}{colon}{word}{stop}{say(answer.reason, language)}"
        console.print(escape(said), style="bold red", highlight=False, soft_wrap=True)


def say(reason: Reason, language: str) -> str:
    return reason.zh if language == "zh" else reason.en


def local_time(moment: datetime) -> str:
    """Return the time as a local clock shows it, with its offset from UTC."""
    local = moment.astimezone()
    offset = f"{local:%z}"
    return f"{local:%Y-%m-%d %H:%M:%S} UTC" + ("" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}")


def _headline(party: SigningParty, language: str) -> str:
    role = say(_SEAL if party.is_seal else _SIGNER, language)
    name = escape(_in_one_line(party.name)) if party.name else say(_UNKNOWN, language)
    field = say(_IN_BRACKETS.about(words=party.field), language)
    parts = [f"{role}{say(_COLON, language)}{name}{escape(field)}"]
    if party.signed_at:
        parts.append(f"{say(_SIGNED_AT, language)} {local_time(party.signed_at)}")
    if party.issuer:
        parts.append(escape(say(_ISSUED_BY.about(issuer=_in_one_line(party.issuer)), language)))
    if party.listed_until:
        parts.append(f"{say(_LISTED_UNTIL, language)} {local_time(party.listed_until)}")
    return say(_COMMA, language).join(parts)


def _in_one_line(name: str) -> str:
    """Return a stranger's name without what fills lines of a terminal, so that none of ours seems to follow."""
    words = " ".join(name.split())
    return words if len(words) <= MAX_SHOWN_NAME else f"{words[: MAX_SHOWN_NAME - 1]}…"


def show_answers(title: str, answers: tuple[ElementAnswer, ...], console: Console, language: str) -> None:
    """Print what was found about each element, under a title."""
    reason = Column(overflow="fold")  # a Chinese sentence is one long word
    table = Table(Column(), Column(), reason, show_header=False, box=None, padding=(0, _PADDING, 0, _PADDING))
    is_chinese = language == "zh"
    elements = [_ELEMENTS[answer.element] if is_chinese else str(answer.element) for answer in answers]
    words = [_WORDS[answer.word] if is_chinese else str(answer.word) for answer in answers]
    width = console.width - 6 * _PADDING - sum(max(map(cell_len, column), default=0) for column in (elements, words))
    for answer, element, word in zip(answers, elements, words, strict=True):
        lines = "\n".join(_lines(say(answer.reason, language), max(width, 4)))
        table.add_row(element, f"[{_STYLES[answer.word] or 'none'}]{word}[/]", escape(lines))
    console.print()
    console.print(title, style="bold", **_PLAIN)
    console.print(table)


def _lines(text: str, width: int) -> Iterable[str]:
    """Break a text into lines, none of which begins with a mark that closes a sentence or a part of one."""
    line = ""
    for part in _UNBROKEN.findall(text):
        if line and cell_len(line + part.rstrip()) > width:
            yield line.rstrip()
            line = ""
        line += part
    yield line.rstrip()


def _party_json(party: SigningParty) -> dict[str, Any]:
    return {
        "field": party.field,
        "role": "seal" if party.is_seal else "signer",
        "name": party.name,
        "organisation": party.organisation,
        "issuer": party.issuer,
        "signed_at": party.signed_at.isoformat() if party.signed_at else None,
        "listed_until": party.listed_until.isoformat() if party.listed_until else None,
        "elements": _answers_json(party.answers),
    }


def _answers_json(answers: tuple[ElementAnswer, ...]) -> dict[str, Any]:
    return {
        str(answer.element): {"word": str(answer.word), "reason": {"zh": answer.reason.zh, "en": answer.reason.en}}
        for answer in answers
    }
