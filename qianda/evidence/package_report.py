"""Format the report on a package, as JSON for programs and as text for people in Chinese or English."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape

from qianda.evidence.container import SIGNATURE
from qianda.evidence.package_check import PackageReport
from qianda.evidence.reasons import NO_FINAL_FILE
from qianda.verify.elements import ElementAnswer
from qianda.verify.findings import Element, Reason, Word, readable
from qianda.verify.reasons import NO_TRUST
from qianda.verify.report import as_json as document_as_json, local_time, say, show as show_document
from qianda.verify.requirement import find_lacking as find_lacking_of_document
from qianda.verify.validation_report import (
    FAILED,
    INDETERMINATE,
    PASSED,
    ReportedSignature,
    signatures_of as signatures_of_document,
)

_REFUSED = Reason("不可信：{why}", "Not to be believed: {why}")
_UNTRUSTED_MAKER = Reason(
    "此证据包由谁制作、何时制作，未能核对：这里没有受信任的认证机构（可用 --trust 指定）。"
    "已核对的是：条目与已签名的清单相符。",
    "Who made this evidence package, and when, could not be checked: no authority is trusted here (name one with "
    "--trust). What was checked: its items are those of the signed manifest.",
)
_GENUINE = Reason(
    "这是{by}于 {at} 为合同 {number} 制作的证据包，其中 {items} 个条目都未被更改。",
    "This is the evidence package of contract {number}, made by {by} at {at}. None of its {items} items was changed.",
)
_SEALED_BY_ANOTHER = Reason(
    "注意：合同文件由{seal}盖章，此证据包却不是其制作的。存证记录等内容仅为{by}的说法。",
    "Note: {seal} sealed the contract's file, and did not make this package. Its record, and all but the file, is only "
    "what {by} states.",
)
_PROVEN = Reason("证据记录证明它自 {at} 起存在。", "An evidence record shows that it has existed since {at}.")
_UNTRUSTED = Reason(
    "证据记录 {name} 不计入：其时间戳机构不受信任。",
    "The evidence record {name} does not count: its timestamp is of an authority that is not trusted.",
)
_ENDED = Reason(
    "证据记录最后一个时间戳的证书已于 {at} 到期：请向签署平台索取续期后的证据包。",
    "The certificate of the newest timestamp in its evidence record ran out at {at}: ask for the renewed package.",
)
_UNPROVEN = Reason("还没有证据记录（第一版）。", "It has no evidence record yet (version 1).")
_ADDED = Reason(
    "补充材料 {number} 由{by}于 {at} 制作，属于此证据包，之后的存证记录有 {entries} 条。",
    "Addendum {number}, made by {by} at {at}, belongs to it. It has {entries} later entries of the record.",
)
_ADDENDUM_REFUSED = Reason("补充材料不可信：{why}", "The addendum is not to be believed: {why}")
_REVOKED = Reason("{field} 所用的证书此后于 {at} 被吊销。", "The certificate of {field} was revoked since, at {at}.")
_STATE = Reason("合同状态：{state}", "State of the contract: {state}")
# The words for `ENDED_STATES`.
STATE_WORDS = {
    "COMPLETED": Reason("已完成", "completed"),
    "DECLINED": Reason("已拒签", "declined"),
    "EXPIRED": Reason("已过期", "expired"),
    "VOIDED": Reason("已撤回", "withdrawn"),
    "SIGNED_ON_PAPER": Reason("纸质签署", "signed on paper"),
}
_TRIAL = Reason(
    "含内置机构的证书：仅供试用和内部使用。", "Certificates of the built-in authority: for trial and internal use."
)


def as_json(report: PackageReport) -> dict[str, Any]:
    """Return the report as JSON. Times are ISO 8601 with zone; `document` is the report on the file inside."""
    answer: dict[str, Any] = {
        "file": readable(report.file),
        "kind": "evidence-package",
        "sha256": report.sha256,
        "size": report.size,
        "failed": report.failed,
        "verdict": [{"zh": sentence.zh, "en": sentence.en} for sentence in _sentences(report)],
        "fault": _words(report.fault),
        "addendum_fault": _words(report.addendum_fault),
    }
    if report.contract is not None and report.signer is not None:
        answer |= {
            "contract": _readable(
                {name: report.contract.get(name) for name in ("number", "title", "state", "ended_at", "school")}
            ),
            "made_by": report.signer.name,
            "sealed_by_another": report.sealed_by or None,
            "made_at": report.signer.signed_at.isoformat(),
            "trial": report.signer.trial,
            "proven_since": report.proven_since.isoformat() if report.proven_since else None,
            "proof_ends": report.proof_ends.isoformat() if report.proof_ends else None,
            "untrusted_proofs": list(report.untrusted_proofs),
            "items": report.items,
            "document": document_as_json(report.document) if report.document else None,
        }
    if report.addendum is not None:
        answer["addendum"] = {
            "number": report.addendum.number,
            "made_by": report.addendum.signer.name,
            "made_at": report.addendum.signer.signed_at.isoformat(),
            "entries": _readable([vars(each) for each in report.addendum.entries]),
            "revocations": _readable([dict(each) for each in report.addendum.revocations]),
        }
    return answer


def _readable(value: Any) -> Any:
    """Return a value of the package's own JSON with all texts in it made readable, because its maker may be deceived or
    deceptive."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {readable(name): _readable(each) for name, each in value.items()}
    return [_readable(each) for each in value] if isinstance(value, list) else value


def _words(reason: Reason | None) -> dict[str, str] | None:
    return {"zh": reason.zh, "en": reason.en} if reason else None


def signatures_of(report: PackageReport) -> list[ReportedSignature]:
    """Return the signature over the package and those in the file inside, for the report of TS 119 102-2."""
    if report.signer is None:
        faults = (
            (INDETERMINATE, "CERTIFICATE_CHAIN_GENERAL_FAILURE") if report.is_untrusted else (FAILED, "FORMAT_FAILURE")
        )
        return [ReportedSignature(SIGNATURE, "", None, report.sha256, *faults)]
    package = ReportedSignature(SIGNATURE, report.signer.name, report.signer.signed_at, report.sha256, PASSED)
    return [package, *(signatures_of_document(report.document) if report.document else ())]


def show(report: PackageReport, console: Console, language: str) -> None:
    """Print the report. `language` is zh or en."""
    for sentence in _sentences(report):
        style = "bold red" if report.fault or sentence == _addendum_refused(report) else "bold"
        console.print(escape(say(sentence, language)), style=style, highlight=False, soft_wrap=True)
    console.print(f"SHA-256: {report.sha256}", highlight=False, soft_wrap=True)
    if report.document is not None:
        console.print()
        show_document(report.document, console, language)


def _addendum_refused(report: PackageReport) -> Reason | None:
    why = report.addendum_fault
    return Reason(_ADDENDUM_REFUSED.zh.format(why=why.zh), _ADDENDUM_REFUSED.en.format(why=why.en)) if why else None


def _state_of(state: str) -> Reason:
    words = STATE_WORDS[state]
    return Reason(_STATE.zh.format(state=words.zh), _STATE.en.format(state=words.en))


def _sentences(report: PackageReport) -> list[Reason]:
    if report.fault is not None:
        if report.fault == NO_TRUST:
            return [_UNTRUSTED_MAKER]
        return [Reason(_REFUSED.zh.format(why=report.fault.zh), _REFUSED.en.format(why=report.fault.en))]
    assert report.contract is not None and report.signer is not None
    made = {"by": report.signer.name, "at": local_time(report.signer.signed_at), "items": report.items}
    sentences = [
        _GENUINE.about(number=report.contract["number"], **made),
        *([_SEALED_BY_ANOTHER.about(seal=report.sealed_by, **made)] if report.sealed_by else []),
        _state_of(report.contract["state"]),
        _PROVEN.about(at=local_time(report.proven_since)) if report.proven_since else _UNPROVEN,
    ]
    sentences += [_UNTRUSTED.about(name=name) for name in report.untrusted_proofs]
    if report.proof_ends is not None and report.proof_ends < datetime.now(UTC):
        sentences.append(_ENDED.about(at=local_time(report.proof_ends)))
    if report.addendum is not None:
        signer, entries = report.addendum.signer, len(report.addendum.entries)
        added = {"by": signer.name, "at": local_time(signer.signed_at), "entries": entries}
        sentences.append(_ADDED.about(number=report.addendum.number, **added))
        for each in report.addendum.revocations:
            sentences.append(_REVOKED.about(field=each["field"], at=each["revoked_at"]))
    if refused := _addendum_refused(report):
        sentences.append(refused)
    return [*sentences, _TRIAL] if report.signer.trial else sentences


def find_lacking(report: PackageReport, wanted: Word) -> list[ElementAnswer]:
    """Return the answers about the file inside that are worse than `wanted`; for a package without a file, one for each
    element. Without an evidence record that is still valid, the time counts as not shown."""
    if report.document is None:
        return [ElementAnswer(element, Word.NOT_SHOWN, NO_FINAL_FILE) for element in Element]
    lacking = list(find_lacking_of_document(report.document, wanted))
    ended = report.proof_ends is None or report.proof_ends < datetime.now(UTC)
    if wanted is Word.SHOWN and ended and not any(answer.element is Element.TIME for answer in lacking):
        why = _ENDED.about(at=local_time(report.proof_ends)) if report.proof_ends else _UNPROVEN
        lacking.append(ElementAnswer(Element.TIME, Word.NOT_SHOWN, why))
    return lacking
