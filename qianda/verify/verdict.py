"""The verdict on a file in one or two plain sentences, which stand before the answers for each element."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qianda.verify import reasons
from qianda.verify.elements import SigningParty, VerificationReport
from qianda.verify.findings import Reason, Word


def verdict(report: VerificationReport) -> tuple[Reason, ...]:
    """Return the sentences for somebody who reads no further."""
    return tuple(_sentences(report))


def _sentences(report: VerificationReport) -> Iterator[Reason]:
    for answer in report.document:
        if answer.word is Word.FAILED:
            yield Reason(*(sentence.format(reason=reason) for sentence, reason in _both(answer.reason)))
            return
    signers = [party.name for party in report.parties if not party.is_seal]
    seal = _of_seal(report.parties)
    yield Reason(
        reasons.VERDICT_GENUINE.zh.format(contract=contract_name(report).zh, signers="、".join(signers), seal=seal),
        reasons.VERDICT_GENUINE.en.format(contract=contract_name(report).en, signers=_and(signers), seal=seal),
    )
    if report.trial:
        yield reasons.VERDICT_TRIAL
    elif any(answer.word is Word.DECLARED for answer in report.document):
        yield reasons.VERDICT_DECLARED


def contract_name(report: VerificationReport) -> Reason:
    """Return number and title of the contract as the file states them."""
    contract = report.contract
    if not contract.number:
        return reasons.CONTRACT_UNNAMED
    return reasons.CONTRACT_NAMED.about(number=contract.number, title=contract.title)


def _both(reason: Reason) -> tuple[tuple[str, str], tuple[str, str]]:
    return (reasons.VERDICT_FAILED.zh, reason.zh), (reasons.VERDICT_FAILED.en, reason.en)


def _of_seal(parties: Sequence[SigningParty]) -> str:
    return next((party.name or party.organisation for party in parties if party.is_seal), "-")


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
