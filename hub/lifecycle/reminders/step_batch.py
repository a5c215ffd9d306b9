"""Run a batch of due steps in one transaction: load everything, decide about each step, write everything.

Several contracts of one person go into one message. All of them are locked, so that the message names no contract that
is signed meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from hub.lifecycle.messaging.send import (
    Attempt,
    Draft,
    allowed_channels,
    draft_messages,
    general_words,
    store_new_messages,
)
from hub.lifecycle.reminders.escalate import opted_out_task, staff_task_after
from hub.lifecycle.services import Services
from hub.model.contract.case import Case, Party
from hub.model.contract.contract import STEP_FAILED, Contract, ContractState
from hub.model.contract.signer import TaskState
from hub.model.messaging.delivery import DeliveryItem
from hub.model.messaging.message import summarise_contracts
from hub.model.reminders.due_step import (
    LATE,
    MAX_TOGETHER,
    Due,
    StepFacts,
    following,
    joins,
    replacement_step,
    shared_purpose,
)
from hub.model.reminders.may_send import Drop, Send, SkipReason, Wait, may_send_step
from hub.model.reminders.schedule import NextStep, local_day
from hub.model.signing.link import DoorKind
from hub.model.staff.accounts import StaffTask
from hub.router.failing_messages import show_recovered
from hub.router.policy import PlacePolicies, get_policies
from hub.router.providers import BegunCall
from hub.store.contract.cases import opening_of_parties
from hub.store.contract.tasks import MAX_SLEEP, ClaimedTask
from hub.store.reminders.ledger import LedgerNote
from hub.store.reminders.plans import PlannedTask
from hub.store.reminders.policies import PolicyPlace, opening_of_policies
from hub.store.transaction import Transaction

# This many steps overdue by more than an hour count as a backlog, for example after an outage.
BACKLOG = 50
UNREACHABLE = "There is no way to reach this signer: no channel is configured or wanted, or an address is missing."


class StepsChanged(Exception):
    """A row that was read has changed before it could be written, so the transaction is rolled back."""


@dataclass(frozen=True)
class _Message:
    """One message, and the steps that it carries out. The first of them is the step that was due."""

    dues: Sequence[Due]
    attempt: Attempt


async def load_steps(
    services: Services, tx: Transaction, contracts: Collection[Contract], tasks: Sequence[UUID]
) -> StepBatch:
    """Read everything that the steps of these tasks need, and lock their persons and records.

    The caller has locked `contracts`, which may include contracts without one of these tasks.
    """
    places = [PolicyPlace(contract.campus, contract.course, contract.id) for contract in contracts]
    await tx.read_together([opening_of_parties(contracts), opening_of_policies(places)])
    cases = await tx.cases.list_cases(contracts)
    policies = await get_policies(tx, services.messaging.policy, places)
    found = {party.task.id: (case, party) for case in cases for party in case.parties}
    persons = {found[task][1].signer.person for task in tasks}
    meant = [task for task, (_, party) in found.items() if party.signer.person in persons]
    about = {found[task][0].contract.id for task in meant}
    await tx.due_steps.lock_persons_and_records(persons, about)
    facts = await tx.due_steps.get_facts(meant, tx.planning_now)
    batch = StepBatch(services, tx, {task: found[task] for task in meant}, facts)
    batch.places = policies
    await batch.look_for_backlog(tasks)
    return batch


class StepBatch:
    """Due steps of one transaction, the decisions about them, and what has to be written.

    `decide` handles one step at a time, as if the decisions before it were already written. `write` writes them all.
    """

    places: PlacePolicies

    def __init__(
        self,
        services: Services,
        tx: Transaction,
        parties: Mapping[UUID, tuple[Case, Party]],
        facts: Mapping[UUID, StepFacts],
    ) -> None:
        self._services, self._tx = services, tx
        self._parties, self._facts = parties, facts
        self._tasks_of_person: defaultdict[str, list[UUID]] = defaultdict(list)
        for task, (_, party) in parties.items():
            self._tasks_of_person[party.signer.person].append(task)
        self._now = tx.planning_now
        self._sent_since: defaultdict[str, list[datetime]] = defaultdict(list)
        self._messages: list[_Message] = []
        self._planned: dict[UUID, PlannedTask] = {}
        self._dues: dict[UUID, Due] = {}
        self._staff_tasks: list[StaffTask] = []
        self._is_backlog = False
        self.delivery_ids: list[UUID] = []

    async def look_for_backlog(self, tasks: Iterable[UUID]) -> None:
        """Find out whether there is a backlog: if one of these tasks is late, count the other late ones."""
        before = self._now - LATE
        late = [task for task in tasks if (step := self._parties[task][1].task.step) and step.due_at < before]
        if late:
            waiting = [self._facts[task].claimable_at for task in late]
            own = sum(at is not None and at < before for at in waiting)
            self._is_backlog = await self._tx.tasks.count_overdue(before, BACKLOG + own) - own >= BACKLOG

    # ---- what is known

    def is_claimed(self, claimed: ClaimedTask) -> bool:
        """Return whether the claim is still the caller's."""
        task, facts = self._parties[claimed.task.id][1].task, self._facts[claimed.task.id]
        return task.state is TaskState.OPEN and facts.leased_until == claimed.leased_until

    def is_due(self, task_id: UUID) -> bool:
        """Return whether the step is still due, under all locks."""
        task, claimable_at = self._parties[task_id][1].task, self._facts[task_id].claimable_at
        is_open = task.state is TaskState.OPEN and task.step is not None
        return is_open and claimable_at is not None and claimable_at <= self._now

    def due_of(self, task_id: UUID) -> Due:
        """Return the step of an open task with the facts that a decision needs."""
        if task_id not in self._dues:
            case, party = self._parties[task_id]
            contract, task = case.contract, party.task
            assert task.step is not None
            policy = self.places.policies[PolicyPlace(contract.campus, contract.course, contract.id)]
            turn = any(other.task.order < task.order for other in case.parties)
            self._dues[task_id] = Due(contract, task, party.signer, task.step, self._now, policy, turn)
        return self._dues[task_id]

    @property
    def planned_tasks(self) -> frozenset[UUID]:
        """The tasks whose next step is decided."""
        return frozenset(self._planned)

    # ---- deciding

    def decide(self, task_id: UUID) -> None:
        """Decide about one due step."""
        if task_id in self._planned:
            return  # the step joined another contract's message
        due, facts = self.due_of(task_id), self._facts[task_id]
        if due.key in facts.keys:
            self.plan(due, following(due))  # the message of this step already exists; only the next step is missing
            return
        channel = self._channel(due, facts)
        case = due.message_case(sent_today=self._sent_today(due), crowded=self._is_backlog, silent=facts.silent)
        match may_send_step(case, channel, due.policy, due.now):
            case Wait(until, reason):
                self.skip(due, reason, replacement_step(due, until))
            case Drop(SkipReason.NO_CHANNEL | SkipReason.OPTED_OUT as reason):
                self._unreachable(due, reason)
            case Drop(reason):
                self.skip(due, reason, following(due))
            case Send():
                assert channel
                self._send(due, channel)

    def skip(self, due: Due, reason: SkipReason, step: NextStep) -> None:
        """Send nothing now, and plan `step` instead of the due one."""
        self.plan(due, step, LedgerNote("skipped", step=due.step, reason=reason.value))

    def plan(self, due: Due, step: NextStep, *notes: LedgerNote, is_lead: bool = True) -> None:
        """Plan the next step, and note it in the ledger after `notes`."""
        noted = [*notes, LedgerNote("planned", step=step)]
        held = self._facts[due.task.id].leased_until
        self._planned[due.task.id] = PlannedTask(due.task.id, step, noted, is_claimed=is_lead, held=held)

    def _sent_today(self, due: Due) -> int:
        begins, _ = local_day(self._now, due.zone)
        earlier = self._facts[due.task.id].sent_to_person
        return sum(begins <= moment for moment in (*earlier, *self._sent_since[due.signer.person]))

    def _channel(self, due: Due, facts: StepFacts) -> str | None:
        services = self._services
        ladder = services.messaging.router.providers.list_channels(due.signer, due.purpose, due.through, facts.silent)
        return next(iter(allowed_channels(services, due.signer, ladder)), None)

    def _send(self, lead: Due, channel: str) -> None:
        services = self._services
        dues = [lead, *self._list_joining(lead)]
        purpose = shared_purpose(dues)
        words = general_words(services, lead.contract, lead.signer, self.places.campuses[lead.contract.campus])
        words |= summarise_contracts(
            [due.contract.deadline for due in dues], lead.now, lead.signer.zone, lead.signer.language
        )
        words |= {"step_number": str(lead.step.number)}
        filled = services.messaging.messages.shorten_values(purpose, lead.signer.language, words)
        people = (lead.contract, lead.signer)
        attempt = Attempt(*people, purpose, channel, lead.key, filled, lead.task.id, shares=_shares(dues))
        self._messages.append(_Message(dues, attempt))
        self._sent_since[lead.signer.person].append(self._now)
        for due in dues:
            self.plan(due, following(due), is_lead=due is lead)
            count = self._facts[due.task.id].reminders_sent + 1
            if task := staff_task_after(due, count, self._tx.now):
                self._staff_tasks.append(task)

    def _list_joining(self, lead: Due) -> list[Due]:
        """Return the steps of the person's other contracts that go into the same message."""
        found = []
        for task_id in self._tasks_of_person[lead.signer.person]:
            case, party = self._parties[task_id]
            contract = case.contract
            if contract.id == lead.contract.id or contract.state is not ContractState.ISSUED:
                continue
            if party.task.step and task_id not in self._planned:
                due = self.due_of(task_id)
                if joins(lead, due, self._facts[task_id].last_sent):
                    found.append(due)
        return sorted(found, key=lambda due: due.step.due_at)[: MAX_TOGETHER - 1]

    def _unreachable(self, due: Due, reason: SkipReason) -> None:
        kind = "skipped" if reason is SkipReason.OPTED_OUT else "failed"
        self.plan(due, following(due), LedgerNote(kind, step=due.step, reason=reason.value))
        contract, signer, now = due.contract, due.signer, self._tx.now
        self._staff_tasks.append(
            opted_out_task(signer, now, by_mail=False)
            if reason is SkipReason.OPTED_OUT
            else StaffTask(uuid4(), "unreachable", UNREACHABLE, contract.campus, now, contract.id, signer.id)
        )

    # ---- writing

    async def write(self, *, begin: bool) -> list[BegunCall]:
        """Write the decisions, with one statement for each kind of row. Raises StepsChanged, BudgetSpent.

        `begin`: book a provider for the messages. Returns the calls to make after the commit.
        """
        drafts = await self._draft()
        due_at = {}
        for message, draft in zip(self._messages, drafts, strict=True):
            due_at[draft.delivery.id] = message.dues[0].step.due_at
            for due in message.dues:
                self._note_sent(due, draft)
        await self._write_plans()
        for task in sorted(self._staff_tasks, key=lambda each: str(each.contract)):
            await self._tx.staff_tasks.add_task_once(task)
        calls: list[BegunCall] = []
        drafts, held = await self._hold_restored(drafts)
        if begin and drafts:
            begun = await self._services.messaging.router.prepare_calls(
                self._tx, [(draft.delivery, draft.link) for draft in drafts]
            )
            drafts = [replace(draft, delivery=stored) for draft, (stored, _) in zip(drafts, begun, strict=True)]
            calls = [
                replace(call, due_at=due_at[draft.delivery.id])
                for draft, (_, call) in zip(drafts, begun, strict=True)
                if call
            ]
        # The keys of all messages about these contracts were read under their locks.
        await store_new_messages(self._tx, [*drafts, *held])
        self.delivery_ids = [draft.delivery.id for draft in drafts]
        return calls

    async def _hold_restored(self, drafts: list[Draft]) -> tuple[list[Draft], list[Draft]]:
        """Split the messages: those to send now, and those that the hub may have sent before it was restored.

        The second kind belongs to steps that were already due before the restore. The periodic task `reconcile` asks
        every provider about such a message before it calls one.
        """
        ready: list[Draft] = []
        held: list[Draft] = []
        for message, draft in zip(self._messages, drafts, strict=True):
            until = self._facts[message.dues[0].task.id].restored_until
            earlier = until is not None and min(due.step.due_at for due in message.dues) <= until
            (held if earlier else ready).append(draft)
        await self._tx.pause.mark_restored(draft.delivery.id for draft in held)
        return ready, held

    async def _draft(self) -> list[Draft]:
        links = {
            (link.signer, door): link
            for message in self._messages
            for door, link in self._facts[message.dues[0].task.id].links.items()
        }
        attempts = [message.attempt for message in self._messages]
        doors = [(each.signer, DoorKind(each.channel)) for each in attempts]
        links = await self._tx.links.add_missing(doors, self._tx.now, links)
        return await draft_messages(self._services, self._tx, attempts, links)

    def _note_sent(self, due: Due, draft: Draft) -> None:
        planned = self._planned[due.task.id]
        sent = LedgerNote("sent", step=due.step, delivery=draft.delivery.id)
        self._planned[due.task.id] = replace(planned, notes=[sent, *planned.notes])

    async def _write_plans(self) -> None:
        planned = sorted(self._planned.values(), key=lambda each: each.id)
        if planned and await self._tx.plans.put(planned, self._now) < len(planned):
            raise StepsChanged("another worker has taken a step")
        if any(each.step.due_at < self._now + MAX_SLEEP for each in planned):
            await self._tx.tasks.tell_workers()  # only if needed: commits with NOTIFY wait for each other
        for each in planned:
            due = self._dues[each.id]
            if due.contract.stuck_reason == STEP_FAILED:
                await show_recovered(self._tx, due.contract.id, due.signer.id)


def _shares(dues: Sequence[Due]) -> list[DeliveryItem]:
    """Return the message's items, one for each contract. Empty if it is about one contract only."""
    if len(dues) == 1:
        return []
    return [
        DeliveryItem(due.task.id, due.contract.id, due.signer.id, due.contract.campus, due.purpose, due.step.number)
        for due in dues
    ]
