"""Process inbound SMS. After STOP, a number gets no messages or calls until START, and staff get a task to reach the
person. Free text from somebody on file becomes a staff task.

A STOP from an unsigned callback is applied only after a minute. If it was part of a flood, it may be forged, so staff
decide about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import uuid4
from zoneinfo import ZoneInfo

from channels import Inbound
from hub.lifecycle.messaging.resend_link import resend
from hub.lifecycle.messaging.send import NewMessage, get_channels, send_at_once
from hub.lifecycle.reminders.escalate import opted_out_task
from hub.lifecycle.reminders.reschedule import make_up_last_calls
from hub.lifecycle.services import Services
from hub.lifecycle.signing.questions import MAX_TEXT_LENGTH, QUESTIONS_A_DAY
from hub.model.contract.signer import Signer, TaskState
from hub.model.messaging.message import Purpose
from hub.model.messaging.sms_commands import (
    STOP_WINDOW,
    STOPS_A_MINUTE,
    SmsCommand,
    choose_reply_language,
    parse_sms_command,
)
from hub.model.reminders.may_send import SkipReason
from hub.model.reminders.schedule import local_day
from hub.model.staff.accounts import OPTED_OUT, WROTE, StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import Provider
from hub.store.inbound.inbound_sms import InboundSms
from hub.store.transaction import Transaction

FLOOD = "Many opt-outs came at once in unsigned callbacks, so nobody was opted out. How many, and from which provider:"
_PURPOSES = {
    SmsCommand.STOP: Purpose.STOPPED,
    SmsCommand.START: Purpose.STARTED,
    SmsCommand.HELP: Purpose.HELP,
    SmsCommand.STATUS: Purpose.STATUS,
}


async def take_inbound(services: Services, tx: Transaction, provider: Provider, message: Inbound) -> None:
    """Store a message and carry out its command, in this transaction. Duplicates are ignored."""
    message = replace(message, text=message.text.replace("\0", " "))  # which a staff task cannot store
    await _lock_contracts(tx, [message.sender])
    command = parse_sms_command(message.text)
    written = await tx.inbound.add(provider.name, message, command, tx.now)
    if written is None:
        return
    if command is SmsCommand.STOP and not provider.channel.rules.signed:
        return  # `process_stops` decides after a minute
    if command is SmsCommand.STOP:
        await _opt_out(services, tx, message.sender, provider)
    elif command is SmsCommand.START:
        await _opt_in(services, tx, message.sender)
    elif command is SmsCommand.OTHER:
        await _ask_staff(tx, written)
    await _answer(services, tx, written)
    await tx.inbound.write_outcome([written.id], command.value)


async def _lock_contracts(tx: Transaction, numbers: Iterable[str]) -> None:
    """Lock the contracts of these numbers, because their records and message counts will be written."""
    signers = [signer for number in set(numbers) for signer in await tx.contracts.list_signers_at(number)]
    await tx.contracts.lock(signer.contract for signer in signers)


async def _answer(services: Services, tx: Transaction, written: InboundSms) -> None:
    """Reply with counts, never names, and only to numbers on file, so that strangers cannot cause costs."""
    signers = await tx.contracts.list_signers_at(written.sender)
    if not signers:
        return
    if written.command is SmsCommand.LINK:
        await resend(services, tx, signers)
    elif purpose := _PURPOSES.get(written.command):
        newest = replace(signers[0], language=choose_reply_language(written.text, signers[0].language))
        contract = await tx.contracts.get(newest.contract)
        counts = await _counts(tx, signers)
        await send_at_once(
            services, tx, contract, newest, NewMessage(purpose, f"answer-{written.id}", variables=counts)
        )


async def _ask_staff(tx: Transaction, written: InboundSms) -> None:
    """Create a staff task with the text, about the contract that the person still has to sign, or else the newest one.

    Reminders go on: few of these texts ask for silence, and anybody may send one in another's name.
    """
    signers = await tx.contracts.list_signers_at(written.sender)
    words = written.text.strip()[:MAX_TEXT_LENGTH]
    if not signers or not words:
        return
    unfinished = [signer for signer in signers if not (await tx.tasks.get_of_signer(signer.id)).state.final]
    signer = (unfinished or signers)[0]
    begins, _ = local_day(tx.now, ZoneInfo(signer.zone))
    if not await tx.budgets.consume("question-day", str(signer.id), begins, QUESTIONS_A_DAY):
        return
    task = StaffTask(uuid4(), WROTE, words, signer.campus, tx.now, signer.contract, signer.id)
    if await tx.staff_tasks.add_task_once(task, same_text=True):
        facts = {"kind": WROTE, "verified": False}
        await tx.record.append(signer.contract, signer.campus, "question-asked", f"signer:{signer.id}", facts)


async def _counts(tx: Transaction, signers: Sequence[Signer]) -> dict[str, str]:
    states = [(await tx.tasks.get_of_signer(signer.id)).state for signer in signers]
    open_ones = sum(state in (TaskState.OPEN, TaskState.WAITING) for state in states)
    return {"open": str(open_ones), "done": str(states.count(TaskState.SIGNED))}


async def process_stops(services: Services) -> int:
    """Decide about the STOPs from unsigned callbacks that are a minute old. Return their number."""
    async with services.database.transaction(EVERYTHING) as tx:
        waiting = await tx.inbound.lock_waiting(SmsCommand.STOP, tx.now - STOP_WINDOW)
        await _lock_contracts(tx, [each.sender for each in waiting])
        held: list[InboundSms] = []
        for each in waiting:
            begins, ends = each.received_at - STOP_WINDOW, each.received_at + STOP_WINDOW
            if await tx.inbound.count(each.provider, SmsCommand.STOP, begins, ends) > STOPS_A_MINUTE:
                held.append(each)
                continue
            if await tx.inbound.has_said_since(each.sender, SmsCommand.START, each.received_at):
                await tx.inbound.write_outcome([each.id], "taken-back")
                continue
            if provider := services.messaging.router.providers.get(each.provider):
                await _opt_out(services, tx, each.sender, provider)
                await _answer(services, tx, each)
            await tx.inbound.write_outcome([each.id], SmsCommand.STOP.value)
        if held:
            await _hold(tx, held)
    return len(waiting)


async def _hold(tx: Transaction, held: list[InboundSms]) -> None:
    await tx.inbound.write_outcome([each.id for each in held], "held")
    providers = ", ".join(sorted({each.provider for each in held}))
    facts: dict[str, str | int] = {"count": len(held), "providers": providers}
    if root := await tx.school.find_headquarters():
        text = f"{FLOOD}\n{len(held)}\n{providers}"
        await tx.staff_tasks.add_task_once(StaffTask(uuid4(), "stop-flood", text, root.id, tx.now))
    await tx.alerts.add("stop-flood", facts, tx.now)


async def _opt_in(services: Services, tx: Transaction, number: str) -> None:
    """End the opt-outs of a number and the tasks about them. Record it, to show why messages follow a STOP."""
    had_any = await tx.opt_outs.remove(number)
    signers = await tx.contracts.list_signers_at(number)
    await tx.owners.finish_of(OPTED_OUT, [each.id for each in signers], tx.now)
    if not had_any:
        return
    tasks = [await tx.tasks.get_of_signer(signer.id) for signer in signers]
    await make_up_last_calls(services, tx, tasks, SkipReason.OPTED_OUT)
    for signer, task in zip(signers, tasks, strict=True):
        if not task.state.final:
            facts = {"signer": str(signer.id)}
            await tx.record.append(signer.contract, signer.campus, "opted-in", f"signer:{signer.id}", facts)


async def _opt_out(services: Services, tx: Transaction, number: str, provider: Provider) -> None:
    """Opt a number out, record it for each of its open contracts, and create a staff task."""
    channel = provider.settings.carries
    if not await tx.opt_outs.add(number, channel, tx.now, "inbound"):
        return
    for signer in await tx.contracts.list_signers_at(number):
        task = await tx.tasks.get_of_signer(signer.id)
        if task.state.final:
            continue
        facts = {"signer": str(signer.id), "channel": channel}
        await tx.record.append(signer.contract, signer.campus, "opted-out", f"signer:{signer.id}", facts)
        if task.state is TaskState.OPEN:  # for other tasks, the opt-out is checked when their turn comes
            by_mail = bool(await get_channels(services, tx, signer, Purpose.REMINDER))
            await tx.staff_tasks.add_task_once(opted_out_task(signer, tx.now, by_mail=by_mail))
