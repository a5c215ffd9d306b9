"""What people write to us by SMS. A number that says stop gets no more texts or calls from us until it says start, and
staff get the task of reaching its owner.

A STOP that came by a call which nobody signed waits for a minute: when it was one of a flood, somebody may be making
them up, and staff decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from channels import Inbound
from hub.lifecycle.messaging.resend_link import resend
from hub.lifecycle.messaging.send import NewMessage, send_at_once, ways
from hub.lifecycle.reminders.escalate import opted_out_task
from hub.lifecycle.services import Services
from hub.model.contract.signer import Signer, TaskState
from hub.model.messaging.message import Purpose
from hub.model.messaging.sms_commands import STOP_WINDOW, STOPS_A_MINUTE, SmsCommand, language_of, wish_of
from hub.model.staff.accounts import EVERYTHING, OPTED_OUT, StaffTask
from hub.router.providers import Carrier
from hub.store.inbound.inbound_sms import Written
from hub.store.transaction import Transaction

FLOOD = "Many opt-outs came at once by calls that nobody signs: nobody was opted out. How many, and by whom:"
_PURPOSES = {
    SmsCommand.STOP: Purpose.STOPPED,
    SmsCommand.START: Purpose.STARTED,
    SmsCommand.HELP: Purpose.HELP,
    SmsCommand.STATUS: Purpose.STATUS,
}


async def take_inbound(services: Services, tx: Transaction, carrier: Carrier, message: Inbound) -> None:
    """Store a message and do what it wishes, in this transaction. The same one twice is one."""
    await _hold_contracts(tx, [message.sender])
    wish = wish_of(message.text)
    written = await tx.inbound.add(carrier.name, message, wish, tx.now)
    if written is None:
        return
    if wish is SmsCommand.STOP and not carrier.channel.rules.signed:
        return  # `settle_stops` decides when the minute is over
    if wish is SmsCommand.STOP:
        await _opt_out(services, tx, message.sender, carrier)
    elif wish is SmsCommand.START:
        await tx.opt_outs.remove(message.sender)
        theirs = [each.id for each in await tx.contracts.signers_at(message.sender)]
        await tx.owners.finish_of(OPTED_OUT, theirs, tx.now)
    await _answer(services, tx, written)
    await tx.inbound.done([written.id], wish.value)


async def _hold_contracts(tx: Transaction, numbers: Iterable[str]) -> None:
    """Of everybody who wrote: what follows writes to their records and counts messages to them."""
    signers = [signer for number in set(numbers) for signer in await tx.contracts.signers_at(number)]
    await tx.contracts.hold(signer.contract for signer in signers)


async def _answer(services: Services, tx: Transaction, written: Written) -> None:
    """To a number on file alone: answering whoever writes would let strangers spend our money. Counts, never names."""
    signers = await tx.contracts.signers_at(written.sender)
    if not signers:
        return
    if written.wish is SmsCommand.LINK:
        await resend(services, tx, signers)
    elif purpose := _PURPOSES.get(written.wish):
        newest = replace(signers[0], language=language_of(written.text, signers[0].language))
        contract = await tx.contracts.get(newest.contract)
        counts = await _counts(tx, signers)
        await send_at_once(
            services, tx, contract, newest, NewMessage(purpose, f"answer-{written.id}", variables=counts)
        )


async def _counts(tx: Transaction, signers: Sequence[Signer]) -> dict[str, str]:
    states = [(await tx.tasks.of_signer(signer.id)).state for signer in signers]
    open_ones = sum(state in (TaskState.OPEN, TaskState.WAITING) for state in states)
    return {"open": str(open_ones), "done": str(states.count(TaskState.SIGNED))}


async def settle_stops(services: Services) -> int:
    """The STOPs of unsigned calls whose minute is over; returns how many there were."""
    async with services.database.transaction(EVERYTHING) as tx:
        waiting = await tx.inbound.waiting(SmsCommand.STOP, tx.now - STOP_WINDOW)
        await _hold_contracts(tx, [each.sender for each in waiting])
        held: list[Written] = []
        for each in waiting:
            if await _flooded(tx, each.provider, each.received_at):
                held.append(each)
                continue
            if await tx.inbound.said_since(each.sender, SmsCommand.START, each.received_at):
                await tx.inbound.done([each.id], "taken-back")
                continue
            if carrier := services.router.carriers.get(each.provider):
                await _opt_out(services, tx, each.sender, carrier)
                await _answer(services, tx, each)
            await tx.inbound.done([each.id], SmsCommand.STOP.value)
        if held:
            await _hold(tx, held)
    return len(waiting)


async def _flooded(tx: Transaction, provider: str, at: datetime) -> bool:
    """Whether too many of them came within a minute of this one."""
    return await tx.inbound.count(provider, SmsCommand.STOP, at - STOP_WINDOW, at + STOP_WINDOW) > STOPS_A_MINUTE


async def _hold(tx: Transaction, held: list[Written]) -> None:
    await tx.inbound.done([each.id for each in held], "held")
    providers = ", ".join(sorted({each.provider for each in held}))
    facts: dict[str, str | int] = {"count": len(held), "providers": providers}
    if root := await tx.school.headquarters():
        text = f"{FLOOD}\n{len(held)}\n{providers}"
        await tx.staff_tasks.add_task_once(StaffTask(uuid4(), "stop-flood", text, root.id, tx.now))
    await tx.alerts.add("stop-flood", facts, tx.now)


async def _opt_out(services: Services, tx: Transaction, number: str, carrier: Carrier) -> None:
    """Remembered for the number. It stands in the record of each contract that still waits for it, and staff get a
    task."""
    channel = carrier.provider.carries
    if not await tx.opt_outs.add(number, channel, tx.now, "inbound"):
        return
    for signer in await tx.contracts.signers_at(number):
        task = await tx.tasks.of_signer(signer.id)
        if task.state.final:
            continue
        facts = {"signer": str(signer.id), "channel": channel}
        await tx.record.append(signer.contract, signer.campus, "opted-out", f"signer:{signer.id}", facts)
        if task.state is TaskState.OPEN:  # else it is seen when their turn comes whether a way is left
            by_mail = bool(await ways(services, tx, signer, Purpose.REMINDER))
            await tx.staff_tasks.add_task_once(opted_out_task(signer, tx.now, by_mail=by_mail))
