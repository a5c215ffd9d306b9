"""What an act on many contracts does with each, by its state."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from hub.model.board.bulk_act import BulkAct, BulkKind, BulkVerdict, draws, judge
from hub.model.contract.contract import Contract, ContractState
from hub.web.staff.contract.download_many import list_files

NOW = datetime(2026, 11, 27, tzinfo=UTC)
CONTRACT = Contract(
    uuid4(), "QD-2026-000001", "hefei", ContractState.ISSUED, 1, "course", "1", "zh", "课程合同", NOW, NOW
)
ACT = BulkAct(uuid4(), "hefei", BulkKind.EXTEND, "staff:x", NOW, may_issue=True)
BOUND = ("SIGNED", "COMPLETED", "SIGNED_ON_PAPER")
CASES = {
    BulkKind.EXTEND: {"ISSUED": "done", "EXPIRED": "reissued", "DECLINED": "ended", "VOIDED": "ended"},
    BulkKind.REISSUE: {"ISSUED": "done", "EXPIRED": "done", "DECLINED": "ended", "VOIDED": "ended"},
    BulkKind.VOID: {"ISSUED": "done", "EXPIRED": "ended", "DECLINED": "ended", "VOIDED": "ended"},
}


@pytest.mark.parametrize("kind", BulkKind)
def test_each_state_has_its_verdict(kind: BulkKind) -> None:
    act, later = replace(ACT, kind=kind), NOW + timedelta(days=7)
    for state in ContractState:
        if state is not ContractState.DRAFT:
            wanted = "bound" if state in BOUND else CASES[kind][state]
            assert judge(act, replace(CONTRACT, state=state), later) == wanted, state


def test_an_expired_contract_is_extended_by_whoever_may_issue() -> None:
    expired = replace(CONTRACT, state=ContractState.EXPIRED)
    verdict = judge(ACT, expired, NOW + timedelta(days=7))
    assert verdict is BulkVerdict.REISSUED and draws(ACT, verdict)
    refused = judge(replace(ACT, may_issue=False), expired, NOW + timedelta(days=7))
    assert refused is BulkVerdict.NEEDS_ISSUE and not refused.acts


def test_no_deadline_becomes_earlier() -> None:
    assert judge(ACT, CONTRACT, CONTRACT.deadline) is BulkVerdict.LATER
    assert judge(ACT, CONTRACT, CONTRACT.deadline - timedelta(days=1)) is BulkVerdict.LATER
    assert judge(ACT, CONTRACT, CONTRACT.deadline + timedelta(minutes=1)) is BulkVerdict.DONE


@pytest.mark.parametrize("kind", [BulkKind.EXTEND, BulkKind.REISSUE])
def test_what_was_replaced_stays_replaced(kind: BulkKind) -> None:
    replaced = replace(CONTRACT, state=ContractState.EXPIRED, replaced_by=uuid4())
    assert judge(replace(ACT, kind=kind), replaced, None) is BulkVerdict.REPLACED


def test_a_download_has_the_ofd_beside_the_pdf() -> None:
    done = replace(CONTRACT, state=ContractState.COMPLETED, document="a" * 64)
    both = replace(done, number="QD-2026-000002", final_ofd_sha256="b" * 64)
    erased = replace(done, document="c" * 64, final_ofd_sha256="b" * 64)
    files = list_files([done, both, erased, CONTRACT], {"a" * 64: 10, "b" * 64: 20})
    assert [(name, sha256, size) for _, name, sha256, size in files] == [
        ("QD-2026-000001.pdf", "a" * 64, 10),
        ("QD-2026-000002.pdf", "a" * 64, 10),
        ("QD-2026-000002.ofd", "b" * 64, 20),
    ]
