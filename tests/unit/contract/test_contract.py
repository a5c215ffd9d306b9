"""The legal moves of a contract, and which signing tasks are open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import settings, strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.errors import IllegalMove
from hub.model.contract.contract import MOVES, Contract, ContractState, check_move
from hub.model.contract.signer import SigningTask, TaskState, all_signed, select_tasks_to_open

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
FINAL = {"COMPLETED", "DECLINED", "EXPIRED", "VOIDED", "SIGNED_ON_PAPER"}
LEGAL = {
    ("DRAFT", "ISSUED"),
    ("ISSUED", "SIGNED"),
    ("ISSUED", "DECLINED"),
    ("ISSUED", "EXPIRED"),
    ("ISSUED", "VOIDED"),
    ("ISSUED", "SIGNED_ON_PAPER"),
    ("SIGNED", "COMPLETED"),
}


@pytest.mark.parametrize(("before", "after"), list(product(ContractState, ContractState)))
def test_these_moves_and_no_others(before: ContractState, after: ContractState) -> None:
    if (before.value, after.value) in LEGAL:
        check_move(before, after)
    else:
        with pytest.raises(IllegalMove):
            check_move(before, after)


def test_a_draft_is_issued_once_with_its_file() -> None:
    draft = Contract(
        id=UUID(int=1),
        number="QD-2026-000001",
        campus="hefei",
        state=ContractState.DRAFT,
        version=0,
        template="course",
        template_version="1",
        language="zh",
        title="合同",
        deadline=NOW + timedelta(days=30),
        created_at=NOW,
    )
    issued = draft.issue("ab" * 32, NOW)
    assert (issued.state, issued.document, issued.document_sha256) == (ContractState.ISSUED, "ab" * 32, "ab" * 32)
    assert issued.issued_at == NOW
    with pytest.raises(IllegalMove):
        issued.issue("cd" * 32, NOW)


def test_final_is_what_no_move_leaves() -> None:
    assert {state.value for state in ContractState if state.final} == FINAL
    assert {state for state, targets in MOVES.items() if not targets} == {each for each in ContractState if each.final}


def test_nobody_at_all_has_not_signed() -> None:
    assert not all_signed([])


class Turns(RuleBasedStateMachine):
    """Signers in some order sign one after the other. Tasks are opened by `select_tasks_to_open` alone."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[UUID, SigningTask] = {}

    @precondition(lambda self: not self.tasks)
    @rule(orders=some.lists(some.integers(1, 3), min_size=1, max_size=5))
    def issue(self, orders: list[int]) -> None:
        for number, order in enumerate(orders):
            task = SigningTask(UUID(int=number), UUID(int=99), UUID(int=number), "hefei", TaskState.WAITING, order)
            self.tasks[task.id] = task
        self.open()

    def open(self) -> None:
        for task in select_tasks_to_open(list(self.tasks.values())):
            self.tasks[task.id] = replace(task, state=TaskState.OPEN)

    @rule()
    def look_again(self) -> None:
        assert select_tasks_to_open(list(self.tasks.values())) == []  # all tasks that may be open are open already

    def in_state(self, state: TaskState) -> list[SigningTask]:
        return [task for task in self.tasks.values() if task.state is state]

    @precondition(lambda self: self.in_state(TaskState.OPEN))
    @rule(data=some.data())
    def sign(self, data: some.DataObject) -> None:
        task = data.draw(some.sampled_from(self.in_state(TaskState.OPEN)))
        self.tasks[task.id] = replace(task, state=TaskState.SIGNED)
        self.open()

    @invariant()
    def only_the_lowest_unfinished_order_is_open(self) -> None:
        unfinished = [task for task in self.tasks.values() if not task.state.final]
        if unfinished:
            turn = min(task.order for task in unfinished)
            assert all((task.state is TaskState.OPEN) == (task.order == turn) for task in unfinished)
        assert all_signed(self.tasks.values()) == (bool(self.tasks) and not unfinished)


TestTurns = Turns.TestCase
TestTurns.settings = settings(max_examples=60, deadline=None)
