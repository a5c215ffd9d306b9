"""Write messages with their links as attempt rows. The provider is called after the commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from hub.errors import BudgetSpent
from hub.lifecycle.messaging.quotas import alert_spent_in, consume_message_quota
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer, SigningTask
from hub.model.messaging.budget import CountedMessage, choose_cause, is_allowed_country
from hub.model.messaging.delivery import PLANNED, Delivery, DeliveryItem, DeliveryState, compute_check_time
from hub.model.messaging.message import NEWS, Purpose, format_contract_count, format_moment
from hub.model.school.course import Campus
from hub.model.signing.link import DoorKind, SignLink
from hub.model.staff.accounts import StaffTask
from hub.store.evidence.record import NewEntry
from hub.store.operation.jobs import DELIVER, DELIVER_CODE
from hub.store.signing.links import Wanted
from hub.store.transaction import Transaction

AT_ONCE = timedelta(0)
# The longest time that news of a contract may wait for a budget period that has room.
NEWS_WAIT = timedelta(days=2)
NO_ROOM = "News of this contract could not be sent: the limits of messages are reached for days."


@dataclass(frozen=True)
class NewMessage:
    """One message to one signer.

    `key`: the key of the intent, which has at most one attempt through each channel. `first`: the channels to try
    first. `shares`: the contracts of this signer that the message is about, if there are several. `wait`: the earliest
    time to send it, counted from now.
    """

    purpose: Purpose
    key: str
    task: SigningTask | None = None
    code: UUID | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    first: Sequence[str] = ()
    shares: Sequence[DeliveryItem] = ()
    wait: timedelta = AT_ONCE


async def write_message(
    services: Services, tx: Transaction, contract: Contract, signer: Signer, message: NewMessage
) -> Delivery | None:
    """Write the attempt row of one message in this transaction, for the first channel of the signer's ladder.

    Return None if no channel reaches the signer, or if the intent already has an attempt. Raises BudgetSpent for
    planned messages, codes and replies. Any other message follows an act, which must not fail because of the message:
    if its budget is spent, staff are told and None is returned. The caller has locked the contract, so nobody else
    writes an attempt with the same key at the same moment.
    """
    purpose, key = message.purpose, message.key
    facts = await tx.message_facts.get(signer, key)
    ladder = services.messaging.router.providers.list_channels(signer, purpose, message.first, facts.silent)
    channel = next(iter(allowed_channels(services, signer, ladder)), None)
    if channel is None or facts.is_written:
        return None
    said = general_words(services, contract, signer, facts.campus) | dict(message.variables)
    filled = services.messaging.messages.shorten_values(purpose, signer.language, said)
    attempt = Attempt(contract, signer, purpose, channel, key, filled, message.task.id if message.task else None)
    attempt = replace(attempt, code=message.code, shares=message.shares, wait=message.wait)
    try:
        drafts = await draft_messages(services, tx, [attempt], facts.links)
        await store_new_messages(tx, drafts)
        return drafts[0].delivery
    except BudgetSpent as spent:
        if purpose in PLANNED or purpose in (Purpose.CODE, Purpose.REPLY):
            raise
        # The message follows an act, which must not fail because the message cannot be sent.
        if purpose in NEWS:
            task_of_staff = StaffTask(uuid4(), "failed", NO_ROOM, contract.campus, tx.now, contract.id, signer.id)
            await tx.staff_tasks.add_task_once(task_of_staff)
        else:
            await alert_spent_in(tx, spent)
        return None


async def get_channels(
    services: Services, tx: Transaction, signer: Signer, purpose: str, first: Sequence[str] = ()
) -> list[str]:
    """Return the signer's ladder without the channels that would reach a country that is not allowed.

    `first`: the channels that the policy puts first.
    """
    silent = await tx.opt_outs.list_channels(signer.phone)
    ladder = services.messaging.router.providers.list_channels(signer, purpose, first, silent)
    return allowed_channels(services, signer, ladder)


def allowed_channels(services: Services, signer: Signer, ladder: Sequence[str]) -> list[str]:
    """Return these channels without those that would reach a country that is not allowed."""
    reached = {channel: signer.address_for(channel) or "" for channel in ladder}
    return [channel for channel in ladder if is_allowed_country(services.messaging.budgets, reached[channel])]


@dataclass(frozen=True)
class Attempt:
    """An attempt to send one message through one channel. `intent` is the key of the message, `rung` the position of
    `channel` in the ladder (0 is the first)."""

    contract: Contract
    signer: Signer
    purpose: Purpose
    channel: str
    intent: str
    variables: Mapping[str, str]
    task: UUID | None = None
    code: UUID | None = None
    shares: Sequence[DeliveryItem] = ()
    wait: timedelta = AT_ONCE
    rung: int = 0

    @property
    def key(self) -> str:
        return f"{self.intent}+{self.channel}" if self.rung else self.intent


@dataclass(frozen=True)
class Draft:
    """An attempt that is counted against its budgets and has its link and text, but is neither stored nor sent yet."""

    attempt: Attempt
    delivery: Delivery
    link: SignLink


async def write_attempt(services: Services, tx: Transaction, attempt: Attempt) -> Delivery | None:
    """Write an attempt row with its link and text. Return None if it already exists. Raises BudgetSpent."""
    if await tx.deliveries.find_by_key(attempt.key):
        return None
    stored = await store_messages(tx, await draft_messages(services, tx, [attempt]))
    return stored[0] if stored else None


async def draft_messages(
    services: Services, tx: Transaction, attempts: Sequence[Attempt], links: Mapping[Wanted, SignLink] | None = None
) -> list[Draft]:
    """Count these messages, which all have the same `wait`, and give each its link and text.

    `links`: links that the signers already have, if the caller has read them. Raises BudgetSpent if the budgets do not
    have room for all of them.
    """
    if not attempts:
        return []
    await services.messaging.texts.refresh(tx)
    wait = await _count(services, tx, attempts)
    doors = [(each.signer, DoorKind(each.channel)) for each in attempts]
    found = await tx.links.get_for_doors(doors, tx.now, links)
    made = zip(attempts, (found[signer.id, door] for signer, door in doors), strict=True)
    return [Draft(each, _attempt_row(services, tx, each, link, wait), link) for each, link in made]


async def store_messages(tx: Transaction, drafts: Sequence[Draft]) -> list[Delivery]:
    """Store these attempts and their record entries. Return the deliveries, without those whose key already exists."""
    added = await tx.deliveries.add_many([(draft.delivery, draft.attempt.signer.person) for draft in drafts])
    stored = [draft for draft in drafts if draft.delivery.id in added]
    await _store_about(tx, stored)
    return [draft.delivery for draft in stored]


async def store_new_messages(tx: Transaction, drafts: Sequence[Draft]) -> None:
    """Store these attempts, whose keys do not exist yet, and their record entries, together with the next statement."""
    await tx.deliveries.add_new([(draft.delivery, draft.attempt.signer.person) for draft in drafts])
    await _store_about(tx, drafts)


async def _store_about(tx: Transaction, stored: Sequence[Draft]) -> None:
    await tx.shares.add_many((each.delivery.id, share) for each in stored for share in each.attempt.shares)
    await tx.record.append_many([entry for draft in stored for entry in _entries(draft)])


def _entries(draft: Draft) -> list[NewEntry]:
    """Return a record entry for each contract that the message is about."""
    attempt, contract = draft.attempt, draft.attempt.contract
    told = {"delivery": str(draft.delivery.id), "purpose": attempt.purpose.value, "channel": attempt.channel}
    about_whom = {(contract.id, attempt.signer.id), *((share.contract, share.signer) for share in attempt.shares)}
    return [
        NewEntry(about, contract.campus, "message-sending", "hub", told | {"signer": str(whom)})
        for about, whom in sorted(about_whom)
    ]


def _attempt_row(services: Services, tx: Transaction, attempt: Attempt, link: SignLink, wait: timedelta) -> Delivery:
    contract, signer, address = attempt.contract, attempt.signer, _address(attempt)
    shape = services.messaging.router.choose_shape(attempt.channel, address)
    text = services.messaging.router.renderer.render_stored(
        attempt.purpose, attempt.channel, signer.language, shape, attempt.variables
    )
    at = tx.planning_now
    begins_at = at + wait
    return Delivery(
        id=uuid4(),
        key=attempt.key,
        purpose=attempt.purpose.value,
        channel=attempt.channel,
        to=address,
        language=signer.language,
        text=text,
        variables=attempt.variables,
        state=DeliveryState.SENDING,
        created_at=at,
        planned_at=begins_at,
        not_before=begins_at if wait else None,
        contract=contract.id,
        signer=signer.id,
        task=attempt.task,
        campus=contract.campus,
        link=link.id,
        code=attempt.code,
        intent=attempt.intent,
        rung=attempt.rung,
        shape=shape.value if shape else None,
        check_at=compute_check_time(attempt.purpose, DeliveryState.SENDING, begins_at, receipts=False),
    )


def _address(attempt: Attempt) -> str:
    address = attempt.signer.address_for(attempt.channel)
    assert address, "the ladder has only channels that lead somewhere"
    return address


async def _count(services: Services, tx: Transaction, attempts: Sequence[Attempt]) -> timedelta:
    """Count the messages, and return how long they have to wait.

    News of a contract waits for the next budget period that has room, and is counted in that period. So the news is not
    lost, and no period exceeds its budget. Raises BudgetSpent.
    """
    first, counted = attempts[0], [_counted(each) for each in attempts]
    wait = first.wait
    while True:
        try:
            await consume_message_quota(services, tx, counted, tx.now + wait)
        except BudgetSpent as spent:
            if first.purpose not in NEWS or spent.wait > NEWS_WAIT:
                raise
            if wait == first.wait:
                await alert_spent_in(tx, spent)
            wait = spent.wait
        else:
            return wait


def _counted(attempt: Attempt) -> CountedMessage:
    contract, cause = attempt.contract, choose_cause(attempt.purpose)
    return CountedMessage(_address(attempt), cause, contract.campus, part=contract.id.int, zone=attempt.signer.zone)


async def send_at_once(
    services: Services, tx: Transaction, contract: Contract, signer: Signer, message: NewMessage
) -> Delivery | None:
    """Write a message that follows an act, and the job that sends it, in this transaction.

    A message that has to wait gets no job: the periodic task `reconcile` sends it when it is due.
    """
    delivery = await write_message(services, tx, contract, signer, message)
    if delivery is not None and delivery.not_before is None:
        lane = DELIVER_CODE if message.purpose is Purpose.CODE else DELIVER
        await tx.jobs.enqueue(lane, {"delivery": str(delivery.id)}, f"deliver-{delivery.id}")
    return delivery


def general_words(services: Services, contract: Contract, signer: Signer, campus: Campus) -> dict[str, str]:
    """Return the words that any message may use, such as school, course and deadline. They never contain a person's
    name, a link or a code."""
    return school_words(services, contract, campus, signer.language) | {
        "deadline": deadline_words(contract.deadline, signer),
        "contracts": format_contract_count(1, signer.language),
    }


def school_words(services: Services, contract: Contract, campus: Campus, language: str) -> dict[str, str]:
    """Return the words about school and course in a language."""
    course = "course_name_en" if language == "en" else "course_name"
    return {
        "school": services.documents.school_called(language),
        "campus": campus.named(language),
        "course": str(contract.data.get(course, contract.title)),
    }


def deadline_words(deadline: datetime, signer: Signer) -> str:
    """Return the deadline in the signer's zone and language, e.g. 12月3日 18:00 or 3 December 18:00."""
    return format_moment(deadline, signer.zone, signer.language)
