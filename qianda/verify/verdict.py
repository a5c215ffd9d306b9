"""State the verdict on a file in one or two plain sentences, which come before the answers for each element."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qianda.verify import reasons
from qianda.verify.elements import VerificationReport
from qianda.verify.findings import Reason, Word

# The sentences, by whether there are signers and seals. A PDF that did not fail has both; an OFD may have only one.
_SENTENCES = {
    (True, True): reasons.VERDICT_GENUINE,
    (False, True): reasons.VERDICT_SEALED,
    (True, False): reasons.VERDICT_SIGNED,
}
# Faults that every file has, even a genuine one, if no authority is trusted.
_UNDECIDED = (reasons.NO_TRUST, reasons.TIME_UNTRUSTED)


def verdict(report: VerificationReport) -> tuple[Reason, ...]:
    """Return the sentences for people who read no further."""
    return tuple(_sentences(report))


def _sentences(report: VerificationReport) -> Iterator[Reason]:
    if failed := [answer.reason for answer in report.document if answer.word is Word.FAILED]:
        undecided = _UNDECIDED if reasons.NO_TRUST in failed else ()
        if faults := [reason for reason in failed if reason not in undecided]:
            yield Reason(*(sentence.format(reason=reason) for sentence, reason in _both(faults[0])))
        else:
            yield reasons.VERDICT_UNTRUSTED
        return
    signers = [party.name for party in report.parties if not party.is_seal]
    seals = [party.name or party.organisation for party in report.parties if party.is_seal]
    sentence = _SENTENCES[bool(signers), bool(seals)]
    yield Reason(
        sentence.zh.format(contract=contract_name(report).zh, signers="、".join(signers), seal="、".join(seals)),
        sentence.en.format(contract=contract_name(report).en, signers=_and(signers), seal=_and(seals)),
    )
    if report.trial:
        yield reasons.VERDICT_TRIAL
    elif any(answer.word is Word.DECLARED for answer in report.document):
        yield reasons.VERDICT_DECLARED


def contract_name(report: VerificationReport) -> Reason:
    """Return number and title of the contract, as stated in the file."""
    contract = report.contract
    if not contract.number:
        return reasons.CONTRACT_UNNAMED
    return reasons.CONTRACT_NAMED.about(number=contract.number, title=contract.title)


def _both(reason: Reason) -> tuple[tuple[str, str], tuple[str, str]]:
    return (reasons.VERDICT_FAILED.zh, reason.zh), (reasons.VERDICT_FAILED.en, reason.en)


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
