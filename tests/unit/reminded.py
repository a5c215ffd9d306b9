"""The reminders of a few people over a year, in memory: the rules of `hub.model` alone decide what happens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import Role, Signer, SigningTask, TaskState
from hub.model.messaging.message import Purpose
from hub.model.reminders.due_step import Due, following, joins, replacement_step, shared_purpose
from hub.model.reminders.may_send import Drop, Send, Wait, may_send
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import (
    FirstSend,
    NextStep,
    ReminderPlan,
    StepKind,
    brought_forward,
    first_step,
    into_window,
    replanned,
    spread_of,
)


@dataclass(frozen=True)
class Sent:
    """One message: to whom and when it was sent, and the due step of each of its tasks."""

    person: str
    at: datetime
    purpose: Purpose
    dues: tuple[Due, ...]
    answered: bool


@dataclass
class Plan:
    """One contract with its one open task. `done`: the last message about it, as a step."""

    contract: Contract
    task: SigningTask
    signer: Signer
    done: NextStep | None = None
    number: int = 0
    messages: int = 0


@dataclass
class Reminded:
    now: datetime
    policy: ReminderPolicy
    plans: list[Plan] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    opted_out: set[str] = field(default_factory=set)

    @property
    def open_plans(self) -> list[Plan]:
        return [plan for plan in self.plans if plan.task.state is TaskState.OPEN]

    def due(self, plan: Plan) -> Due:
        assert plan.task.step
        return Due(plan.contract, plan.task, plan.signer, plan.task.step, self.now, self.policy)

    # ---- events

    def issue(self, person: str, zone: str, send: FirstSend, life: timedelta) -> None:
        number = len(self.plans) + 1
        contract = Contract(
            UUID(int=number),
            str(number),
            "hefei",
            ContractState.ISSUED,
            1,
            "course",
            "1",
            "zh",
            "x",
            self.now + life,
            self.now,
        )
        signer = Signer(
            UUID(int=number + 1000),
            contract.id,
            "hefei",
            Role.GUARDIAN,
            "x",
            "+8619000000101",
            person,
            "cn-id",
            "x",
            1,
            "zh",
            "guardian-1",
            ("sms",),
            zone,
        )
        task = SigningTask(UUID(int=number * 7919), contract.id, signer.id, "hefei", TaskState.OPEN, 1)
        self.plans.append(Plan(contract, task, signer))
        self._open(self.plans[-1], send)

    def _open(self, plan: Plan, send: FirstSend) -> None:
        step = first_step(self._laid_out(plan, self.now), send)
        plan.task = replace(plan.task, step=step, invited_at=self.now, paused=False)
        plan.done, plan.number = None, 0

    def _laid_out(self, plan: Plan, invited_at: datetime) -> ReminderPlan:
        zone, spread = ZoneInfo(plan.signer.zone), spread_of(plan.task.id)
        return ReminderPlan(self.policy, invited_at, plan.contract.deadline, zone, spread)

    def end(self, plan: Plan, state: TaskState) -> None:
        plan.task = replace(plan.task, state=state, step=None)

    def pause(self, plan: Plan, paused: bool) -> None:
        plan.task = replace(plan.task, paused=paused)

    def extend(self, plan: Plan, life: timedelta) -> None:
        plan.contract = replace(plan.contract, deadline=max(self.now + timedelta(minutes=1), self.now + life))
        self._replan(plan, new_policy=False)

    def change_phone(self, plan: Plan) -> None:
        """Change the number and open the task again: the new number has got no message yet."""
        self._open(plan, "now")

    def change_policy(self, policy: ReminderPolicy) -> None:
        self.policy = policy
        for plan in self.open_plans:
            self._replan(plan, new_policy=True)

    def _replan(self, plan: Plan, *, new_policy: bool) -> None:
        assert plan.task.step and plan.task.invited_at
        done = replace(plan.done, number=plan.number) if plan.done else None
        laid_out = self._laid_out(plan, plan.task.invited_at)
        step = replanned(laid_out, old=plan.task.step, done=done, now=self.now, new_policy=new_policy)
        plan.task = replace(plan.task, step=step)

    def remind_tomorrow(self, plan: Plan) -> None:
        """Remind by hand at night, which moves the next step to the morning."""
        assert plan.task.step
        zone, spread = ZoneInfo(plan.signer.zone), spread_of(plan.task.id)
        opening = into_window(self.policy, self.now, zone, spread)
        if opening > self.now and opening < plan.contract.deadline:
            done = replace(plan.done, number=plan.number) if plan.done else None
            plan.task = replace(plan.task, step=brought_forward(plan.task.step, done=done, due_at=opening))

    # ---- the worker

    def sweep(self, *, crowded: bool = False) -> None:
        """Take all steps that are due now, in order."""
        for _ in range(1000):
            waiting = [plan for plan in self.open_plans if plan.task.step and plan.task.step.due_at <= self.now]
            if not waiting:
                return
            self._run(min(waiting, key=lambda plan: (plan.task.step.due_at, plan.task.id)), crowded)  # type: ignore[union-attr]
        raise AssertionError("the same moment never ends")

    def _run(self, plan: Plan, crowded: bool) -> None:
        due = self.due(plan)
        if due.step.kind is StepKind.EXPIRY or self.now >= plan.contract.deadline:
            self.end(plan, TaskState.CLOSED)
            return
        channel, silent = (None, {"sms"}) if plan.signer.person in self.opted_out else ("sms", set[str]())
        case = due.message_case(sent_today=self.sent_today(due), crowded=crowded, silent=silent)
        match may_send(case, channel, due.policy, due.now):
            case Wait(until):
                plan.task = replace(plan.task, step=replacement_step(due, until))
            case Drop():
                plan.task = replace(plan.task, step=following(due))
            case Send():
                self._send(plan, due)

    def _send(self, plan: Plan, due: Due) -> None:
        others = [each for each in self.open_plans if each is not plan]
        mates = [each for each in others if joins(due, self.due(each), each.done.due_at if each.done else None)]
        dues = (due, *(self.due(each) for each in mates))
        self.sent.append(Sent(plan.signer.person, self.now, shared_purpose(dues), dues, due.answers_an_act))
        for each in [plan, *mates]:
            mine = self.due(each)
            each.done, each.messages = replace(mine.step, due_at=self.now), each.messages + 1
            each.number = max(each.number, mine.step.number)
            each.task = replace(each.task, step=following(mine))

    def sent_today(self, due: Due) -> int:
        begins = self.now.astimezone(due.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return sum(each.person == due.signer.person and each.at >= begins for each in self.sent)

    def next_due(self) -> datetime | None:
        return min((plan.task.step.due_at for plan in self.open_plans if plan.task.step), default=None)
