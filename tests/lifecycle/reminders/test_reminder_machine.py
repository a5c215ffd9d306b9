"""Reminders as a state machine on the real database: whatever happens, each open task has exactly one next step.

A signed contract has one, too (the hub's), and a contract that has ended has none. Nothing arrives in quiet hours, and
nobody gets more messages a day than the policy allows. `test_schedule_year.py` tests the same with the rules alone,
faster.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import date, time, timedelta
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from hub.errors import QiandaError
from hub.lifecycle.contract.decline import decline
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.reminders.bulk_remind import begin_reminding, remind_many
from hub.lifecycle.reminders.extend_deadline import extend
from hub.lifecycle.reminders.reschedule import replan_scope
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.signing.questions import ask
from hub.lifecycle.staff.signer_questions import finish_staff_task
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import Role, TaskState
from hub.model.messaging.delivery import PLANNED, Delivery
from hub.model.reminders.calendar import SchoolDay
from hub.model.staff.scope import EVERYTHING
from hub.store.reminders.policies import PolicyChange
from tests.lifecycle.clockwork import SHANGHAI, StandingClock, quiet_hub, remind_now
from tests.lifecycle.phone_changes import changed
from tests.lifecycle.signer import deliver, person, signed
from tests.poster_visits import cn_id
from tests.running import Running

Result = TypeVar("Result")
POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"messages_per_day": 1},
    {"bundle": False},
    {"reminders_after": ["2d", "4d"], "last_call_before": "1d"},
    {"skip_holidays": True},
    {"window_opens": "12:00", "window_closes": "15:00"},
)
NUMBERS = count(1)
SHORT = st.timedeltas(timedelta(hours=1), timedelta(days=20))


class Stage:
    """One hub for all runs. Each run has people of its own, and removes what is left at its end."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.clock = StandingClock()
        self.running: Running = self.do(self._stack.enter_async_context(quiet_hub(self.clock)))

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(work)

    def close(self) -> None:
        self.do(self._stack.aclose())
        self._runner.close()


class Reminders(RuleBasedStateMachine):
    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.running, self.clock, self.services = self.stage.running, self.stage.clock, self.stage.running.hub.services
        number = next(NUMBERS)
        self.parents = [(f"+861900000{1000 + number * 2 + one}", cn_id("19850101", number * 2 + one)) for one in (0, 1)]
        self.contracts: list[Contract] = []
        self.caps = {2}
        self.policy({})

    def do(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Run this work. If the product refuses it (too soon, ended meanwhile), nothing changes."""
        with suppress(QiandaError):
            return self.stage.do(work)
        return None

    def _one(self, which: int) -> Contract:
        return self.contracts[which % len(self.contracts)]

    # ---- what may happen

    @precondition(lambda self: len(self.contracts) < 5)
    @rule(parent=st.integers(0, 1), send=st.sampled_from(["now", "policy", "none"]), life=SHORT, hold=st.booleans())
    def issue(self, parent: int, send: str, life: timedelta, hold: bool) -> None:
        phone, document = self.parents[parent]
        signer = NewSigner(Role.GUARDIAN, "陈建国", phone, document, relation="父亲")
        work = self.running.issue_minor(signers=(signer,), send=send, deadline=self.clock() + life, hold=hold)
        self.contracts.append(self.stage.do(work))

    @rule()
    def the_next_step(self) -> None:
        self.stage.do(self._next_step())

    async def _next_step(self) -> None:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            due = await tx.tasks.find_earliest_due()
        self.clock.go_to(due or self.clock())
        while await self.running.worker.due_steps.sweep():
            pass

    @rule(passed=st.timedeltas(timedelta(minutes=1), timedelta(days=4)))
    def time_passes(self, passed: timedelta) -> None:
        """Let time pass without any work."""
        self.clock.advance(passed)

    @rule()
    def what_is_left_over(self) -> None:
        self.stage.do(self.running.worker.periodic.run_round())

    @precondition(lambda self: self.contracts)
    @rule(which=st.integers(0, 9), how=st.sampled_from(["sign", "decline", "question", "phone"]))
    def the_signer_acts(self, which: int, how: str) -> None:
        self.do(self._act(self._one(which), how))

    async def _act(self, contract: Contract, how: str) -> None:
        guardian = await person(self.running, contract)
        if how == "sign":
            await signed(self.running, contract)
        elif how == "decline":
            await guardian.enter()
            await decline(self.services, guardian.secret, contract.id, "no")
        elif how == "question":
            await guardian.land()
            await ask(self.services, guardian.secret, "question", "Which room?")
        else:
            await changed(self.running, guardian, f"+861900000{next(NUMBERS) + 5000}")

    @precondition(lambda self: self.contracts)
    @rule(which=st.integers(0, 9), how=st.sampled_from(["void", "remind", "settle", "many", "complete"]))
    def staff_act(self, which: int, how: str) -> None:
        self.do(self._staff_act(self._one(which), how))

    async def _staff_act(self, contract: Contract, how: str) -> None:
        if how == "void":
            await void(self.services, EVERYTHING, contract.id, "wrong course", "staff:test")
        elif how == "remind":
            await remind_now(self.services, contract.id)
        elif how == "many":
            act = await begin_reminding(self.services, EVERYTHING, [contract.id], "staff:test", uuid4())
            await remind_many(self.services, act)
        elif how == "complete":
            await advance(self.services, contract.id)
        else:
            async with self.running.hub.database.transaction(EVERYTHING) as tx:
                tasks = await tx.staff_tasks.list_open_tasks(contract.id)
            for each in tasks:
                await finish_staff_task(self.services, EVERYTHING, each.id, "staff:test")

    @precondition(lambda self: self.contracts)
    @rule(which=st.integers(0, 9), life=SHORT)
    def extend(self, which: int, life: timedelta) -> None:
        self.do(extend(self.services, EVERYTHING, self._one(which).id, self.clock() + life, "staff:test"))

    @rule(parent=st.integers(0, 1), out=st.booleans())
    def opt_out(self, parent: int, out: bool) -> None:
        self.stage.do(self._opt_out(self.parents[parent][0], out))

    async def _opt_out(self, phone: str, out: bool) -> None:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            if out:
                await tx.opt_outs.add(phone, "sms", tx.now, "inbound")
            else:
                await tx.opt_outs.remove(phone)

    @rule(changes=st.sampled_from(POLICIES))
    def policy(self, changes: dict[str, Any]) -> None:
        self.caps.add(changes.get("messages_per_day", 2))
        self.stage.do(self._change_policy(changes))

    async def _change_policy(self, changes: dict[str, Any]) -> None:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            await tx.policies.put(PolicyChange("hefei", "campus", "hefei", changes), "staff:test", tx.now)
            tomorrow = self.clock().astimezone(SHANGHAI).date() + timedelta(days=1)
            await tx.policies.put_calendar("hefei", [SchoolDay(tomorrow, False, "exams")])
        await replan_scope(self.services, "hefei")

    # ---- what always holds

    @invariant()
    def one_next_step(self) -> None:
        self.stage.do(self._one_next_step())

    async def _one_next_step(self) -> None:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            for each in self.contracts:
                contract = await tx.contracts.get(each.id)
                tasks = await tx.tasks.list_of_contract(each.id)
                assert all((task.step is not None) == (task.state is TaskState.OPEN) for task in tasks)
                hub_due = text("SELECT hub_due_at FROM contract WHERE id = :id")
                due = await tx.connection.scalar(hub_due, {"id": each.id})
                if contract.state.final:
                    assert due is None and all(task.state.final for task in tasks)
                if contract.state is ContractState.SIGNED or tasks[0].state is TaskState.SIGNED:
                    assert contract.state.final or due is not None

    @invariant()
    def by_day_and_in_measure(self) -> None:
        self.stage.do(self._by_day_and_in_measure())

    async def _by_day_and_in_measure(self) -> None:
        found: dict[Any, Delivery] = {}
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            people = {}
            for each in self.contracts:
                people[each.id] = (await tx.contracts.list_signers(each.id))[0].person
                found |= {one.id: one for one in await tx.deliveries.list_of_contract(each.id)}
        days: Counter[tuple[str, date]] = Counter()
        for one in found.values():
            if one.purpose in PLANNED and one.purpose not in ("invitation", "your-turn") and not _by_hand(one):
                local = one.created_at.astimezone(SHANGHAI)
                assert time(9) <= local.time() < time(21), one
                assert one.contract
                days[people[one.contract], local.date()] += 1
        assert max(days.values(), default=0) <= max(self.caps)

    def teardown(self) -> None:
        """End the run: every contract comes to its end by itself or is voided."""
        for _ in range(40):
            self.the_next_step()
        self.one_next_step()
        for each in self.contracts:
            self.do(void(self.services, EVERYTHING, each.id, "over", "staff:test"))
        self.stage.do(deliver(self.running))


def _by_hand(delivery: Delivery) -> bool:
    return delivery.key.startswith("hand-")


def run(examples: int, steps: int) -> None:
    Reminders.stage = Stage()
    try:
        checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
        bounds = settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks)
        run_state_machine_as_test(Reminders, settings=bounds)
    finally:
        Reminders.stage.close()


def test_whatever_happens_each_open_task_has_one_next_step() -> None:
    run(examples=3, steps=12)


@pytest.mark.real
def test_whatever_happens_in_many_lives() -> None:
    run(examples=60, steps=40)
