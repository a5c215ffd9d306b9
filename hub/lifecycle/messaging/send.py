"""Messages and links on their way out: everything here writes the attempt; the provider is called after the commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from hub.errors import BudgetSpent
from hub.lifecycle.messaging.quotas import alarm, consume_message_quota
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
from hub.store.kernel.jobs import DELIVER, DELIVER_CODE
from hub.store.signing.links import Wanted
from hub.store.transaction import Transaction

AT_ONCE = timedelta(0)
# So far ahead news of a contract is counted where budgets are spent until then.
NEWS_WAIT = timedelta(days=2)
NO_ROOM = "News of this contract could not be sent: the limits of messages are reached for days."


@dataclass(frozen=True)
class NewMessage:
    """What one signer is to hear. `key`: the intent, which has one attempt by each way at most; `first`: the channels
    that come first; `shares`: what it is for each of several contracts of this person, this one among them. `wait`: it
    goes out so much later, if not later still."""

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
    """The attempt row of one message to one signer, in this transaction, by the first way of their ladder. None when
    there is no way to reach them, or when this intent has an attempt already.
    """
    purpose, key, task = message.purpose, message.key, message.task
    channel = next(iter(await get_channels(services, tx, signer, purpose, message.first)), None)
    if channel is None:
        return None
    said = general_words(services, contract, signer, await tx.school.campus(contract.campus)) | dict(message.variables)
    filled = services.messaging.messages.shorten_values(purpose, signer.language, said)
    attempt = Attempt(
        purpose, channel, key, key, 0, task.id if task else None, message.code, filled, message.shares, message.wait
    )
    try:
        return await write_attempt(services, tx, Outgoing(contract, signer, attempt))
    except BudgetSpent as spent:
        if purpose in PLANNED or purpose is Purpose.CODE:
            raise
        # It is about what somebody did, and that act does not fail for want of a message.
        if purpose in NEWS:
            task_of_staff = StaffTask(uuid4(), "failed", NO_ROOM, contract.campus, tx.now, contract.id, signer.id)
            await tx.staff_tasks.add_task_once(task_of_staff)
        else:
            await alarm(tx, spent)
        return None


async def get_channels(
    services: Services, tx: Transaction, signer: Signer, purpose: str, first: Sequence[str] = ()
) -> list[str]:
    """The signer's ladder, without what leads to a country that is not allowed. `first`: what the policy puts first."""
    return allowed_ways(services, signer, await services.messaging.router.get_channels(tx, signer, purpose, first))


def allowed_ways(services: Services, signer: Signer, ladder: Sequence[str]) -> list[str]:
    """Return these channels of the signer, without what leads to a country that is not allowed."""
    reached = {channel: services.messaging.router.choose_address(signer, channel) or "" for channel in ladder}
    return [channel for channel in ladder if is_allowed_country(services.messaging.budgets, reached[channel])]


@dataclass(frozen=True)
class Attempt:
    """One way to bring one message: `intent` is the message, `rung` the place of `channel` in the ladder."""

    purpose: Purpose
    channel: str
    key: str
    intent: str
    rung: int
    task: UUID | None
    code: UUID | None
    variables: Mapping[str, str]
    shares: Sequence[DeliveryItem] = ()
    wait: timedelta = AT_ONCE


@dataclass(frozen=True)
class Outgoing:
    """One attempt at one message: to whom, and about which contract."""

    contract: Contract
    signer: Signer
    attempt: Attempt


@dataclass(frozen=True)
class Draft:
    """An attempt that is counted, and has its link and its words. It is not stored yet, and nobody is called for it."""

    outgoing: Outgoing
    delivery: Delivery
    link: SignLink


async def write_attempt(services: Services, tx: Transaction, outgoing: Outgoing) -> Delivery | None:
    """The attempt row, with its link and its words. None when it exists already. Raises BudgetSpent."""
    if await tx.deliveries.by_key(outgoing.attempt.key):
        return None
    stored = await store_messages(tx, await draft_messages(services, tx, [outgoing]))
    return stored[0] if stored else None


async def draft_messages(
    services: Services, tx: Transaction, outgoing: Sequence[Outgoing], links: Mapping[Wanted, SignLink] | None = None
) -> list[Draft]:
    """Count these messages, which all have the same wait, and give each its link and its words. `links`: those that the
    signers have already, where the caller has read them. Raises BudgetSpent if there is not enough for all."""
    if not outgoing:
        return []
    wait = await _count(services, tx, outgoing)
    doors = [(each.signer, DoorKind(each.attempt.channel)) for each in outgoing]
    found = await tx.links.for_doors(doors, tx.now, links)
    made = zip(outgoing, (found[signer.id, door] for signer, door in doors), strict=True)
    return [Draft(each, _attempt_row(services, tx, each, link, wait), link) for each, link in made]


async def store_messages(tx: Transaction, drafts: Sequence[Draft]) -> list[Delivery]:
    """Store these attempts, and what the records say of them; those whose key exists already are left out."""
    added = await tx.deliveries.add_many([(draft.delivery, draft.outgoing.signer.person) for draft in drafts])
    stored = [draft for draft in drafts if draft.delivery.id in added]
    await tx.shares.add_many((each.delivery.id, share) for each in stored for share in each.outgoing.attempt.shares)
    await tx.record.append_many([entry for draft in stored for entry in _entries(draft)])
    return [draft.delivery for draft in stored]


def _entries(draft: Draft) -> list[NewEntry]:
    """One for each contract that the message speaks of."""
    contract, signer, attempt = draft.outgoing.contract, draft.outgoing.signer, draft.outgoing.attempt
    told = {"delivery": str(draft.delivery.id), "purpose": attempt.purpose.value, "channel": attempt.channel}
    about_whom = {(contract.id, signer.id), *((share.contract, share.signer) for share in attempt.shares)}
    return [
        NewEntry(about, contract.campus, "message-sending", "hub", told | {"signer": str(whom)})
        for about, whom in sorted(about_whom)
    ]


def _attempt_row(services: Services, tx: Transaction, outgoing: Outgoing, link: SignLink, wait: timedelta) -> Delivery:
    contract, signer, attempt = outgoing.contract, outgoing.signer, outgoing.attempt
    address = _address(services, outgoing)
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


def _address(services: Services, outgoing: Outgoing) -> str:
    address = services.messaging.router.choose_address(outgoing.signer, outgoing.attempt.channel)
    assert address, "the ladder has only channels that lead somewhere"
    return address


async def _count(services: Services, tx: Transaction, outgoing: Sequence[Outgoing]) -> timedelta:
    """Count the messages, and say how long they have to wait: news of a contract waits for a period that has room, and
    is counted in that one, so that it is not lost and no period has more than its budget. Raises BudgetSpent."""
    first = outgoing[0].attempt
    counted = [
        CountedMessage(
            _address(services, each),
            choose_cause(each.attempt.purpose),
            each.contract.campus,
            part=each.contract.id.int,
            zone=each.signer.zone,
        )
        for each in outgoing
    ]
    wait = first.wait
    while True:
        try:
            await consume_message_quota(services, tx, counted, tx.now + wait)
        except BudgetSpent as spent:
            if first.purpose not in NEWS or spent.wait > NEWS_WAIT:
                raise
            if wait == first.wait:
                await alarm(tx, spent)
            wait = spent.wait
        else:
            return wait


async def send_at_once(
    services: Services, tx: Transaction, contract: Contract, signer: Signer, message: NewMessage
) -> Delivery | None:
    """A message that answers somebody's act: its attempt and the job that carries it, in this transaction. One that has
    to wait is taken up by itself."""
    delivery = await write_message(services, tx, contract, signer, message)
    if delivery is not None and delivery.not_before is None:
        lane = DELIVER_CODE if message.purpose is Purpose.CODE else DELIVER
        await tx.jobs.enqueue(lane, {"delivery": str(delivery.id)}, f"deliver-{delivery.id}")
    return delivery


def general_words(services: Services, contract: Contract, signer: Signer, campus: Campus) -> dict[str, str]:
    """Return what any message may say: who, what, until when. Never a person's name, never link or code."""
    english = signer.language == "en"
    return {
        "school": services.documents.school_called(signer.language),
        "campus": campus.named(signer.language),
        "course": str(contract.data.get("course_name_en" if english else "course_name", contract.title)),
        "deadline": deadline_words(contract.deadline, signer),
        "contracts": format_contract_count(1, signer.language),
    }


def deadline_words(deadline: datetime, signer: Signer) -> str:
    """The moment in the signer's own zone and language: 12月3日 18:00 / 3 December 18:00."""
    return format_moment(deadline, signer.zone, signer.language)
