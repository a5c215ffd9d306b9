"""The page of one contract: signers, history, next step, and actions of staff."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.errors import BadInput, ContractNotFound, QiandaError
from hub.lifecycle.contract.end import sign_on_paper, void as withdraw
from hub.lifecycle.contract.new_contract import NewSigner, has_outgrown_guardian
from hub.lifecycle.contract.reissue import Replacement, reissue as issue_anew, reissue_until
from hub.lifecycle.contract.template_in_force import get_template_in_force
from hub.lifecycle.contract.terms import card
from hub.lifecycle.messaging.quotas import alert_if_spent
from hub.lifecycle.reminders.extend_deadline import extend as move_deadline
from hub.lifecycle.reminders.remind_by_hand import next_channel, remind_by_hand
from hub.lifecycle.school.replace_signer import list_adults_on_file, replace_or_ask
from hub.lifecycle.signing.entry.hand_out_link import HandedLink, WantedLink, hand_out_link
from hub.lifecycle.staff.change_phone import PhoneRequest, ask as ask_for_phone
from hub.lifecycle.staff.reveal_contact import CHOICES
from hub.model.contract.case import Case, Party
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.contract_copy import CopyRecipient, copies_of, copy_key
from hub.model.contract.signer import Role, Signer, TaskState
from hub.model.evidence.addendum import has_later_entries
from hub.model.evidence.record import RecordEntry, find_broken_entry
from hub.model.messaging.delivery import Delivery
from hub.model.messaging.message import render
from hub.model.school.entered_day import end_of_day, require_day
from hub.model.school.issue_many import IssueAct
from hub.model.signing.link import DoorKind
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.roles import Permission
from hub.router.policy import get_policy
from hub.store.transaction import Transaction
from hub.web.http.security import refuse_other_sites
from hub.web.pages.files import data_url
from hub.web.pages.i18n import language_of
from hub.web.pages.render import translator
from hub.web.staff.actors import names_of, names_of_keys
from hub.web.staff.contract.filled_in import list_filled_in
from hub.web.staff.contract.timeline import ContractHistory, timeline
from hub.web.staff.forms import Entered, printable
from hub.web.staff.render import show
from hub.web.staff.sealing.seals import title_in_language
from hub.web.staff.staff.access import StaffVisit

LOOKED_APART = timedelta(hours=1)
VIEWED = "viewed-by-staff"


def contract_id(visit: StaffVisit) -> UUID:
    return visit.read_id("id", ContractNotFound)


async def show_contract(
    visit: StaffVisit, problem: QiandaError | None = None, form: str = "", entered: Mapping[str, str] | None = None
) -> web.Response:
    """Show a contract. `form`: the form that was refused; `entered`: its values."""
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await tx.contracts.get(contract_id(visit))
        entries, values = await tx.record.list_entries(found.id), await tx.record.get_values(found.id)
        await note_view(visit, tx, found, entries)
        signers = await tx.contracts.list_signers(found.id)
        tasks = {task.signer: task for task in await tx.tasks.list_of_contract(found.id)}
        deliveries = await tx.deliveries.list_of_contract(found.id)
        ledger, versions = await tx.reminders.list_of_contract(found.id), await tx.contracts.list_versions(found.id)
        reading = await tx.sessions.get_reading(task.id for task in tasks.values())
        people = await _read_people(tx, signers)
        to_do = await tx.staff_tasks.list_open_tasks(found.id)
        changing = await tx.phone_changes.list_signers_waiting(tx.now)
        companions = [each for each in await tx.contracts.list_set(found) if each.id != found.id]
        case = Case(found, tuple(Party(each, tasks[each.id]) for each in signers))
        later = await _read_later(visit, tx, case, entries)
        made = {each.task: each for each in await tx.signatures.list_of_contract(found.id) if each.counts}
        policy = await get_policy(tx, visit.services.messaging.policy, found)
        channels = {each.id: await next_channel(visit.services, tx, policy, each, tasks[each.id]) for each in signers}
        actors = await _name_actors(visit, tx, {entry.actor for entry in entries})
    history = ContractHistory(entries, values, deliveries, ledger, actors)
    return await show(
        visit,
        "staff/contract/contract.html",
        **_wording(visit, found, deliveries),
        contract=found,
        signers=signers,
        tasks=tasks,
        versions=versions,
        companions=companions,
        at=visit.campuses_by_id[found.campus],
        staff_tasks=to_do,
        changing=changing,
        **later,
        broken_at=find_broken_entry(entries),
        summary=card(found, visit.zone_of(found.campus), language_of(visit.request)),
        problem=problem,
        form=form,
        entered=Entered(entered or {}),
        channels=channels,
        signatures=made,
        **people,
        reading=reading,
        ledger=ledger,
        names={each.id: name_of(signers, each.signer) for each in tasks.values()},
        timeline=timeline(history, signers, {each.id: each.signer for each in tasks.values()}),
    )


def _wording(visit: StaffVisit, found: Contract, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    """Return the kinds of documents, what was filled in, who gets a copy, and functions that show stored texts: times,
    and messages with words in place of the link and the codes, which staff must not see."""
    say = translator(visit.request)
    link, code = say("[link]"), say("[code]")
    entry = visit.services.messaging.router.renderer.entry
    secrets = {"link": link, "ticket": link, "entry": entry, "pickup": code, "code": code}
    hide = partial(render, variables=secrets)
    fixed = {
        "blank": Entered(),
        "reveal_choices": CHOICES,
        "filled_in": list_filled_in(found),
        "copies": list_copies(found, deliveries),
    }
    return {"moment": datetime.fromisoformat, "without_secrets": hide, **fixed}


async def _name_actors(visit: StaffVisit, tx: Transaction, actors: set[str]) -> dict[str, str]:
    """Return the names of those who did something, by actor. A key whose name is not visible here is "an API key"."""
    translate = translator(visit.request)
    keys = {actor: translate("an API key") for actor in actors if actor.startswith("api:")}
    named = await names_of(tx, actors) | await names_of_keys(tx)
    return keys | named | {COMMAND_LINE.actor: translate("a command")}


async def _read_people(tx: Transaction, signers: Sequence[Signer]) -> dict[str, Any]:
    """Return the devices of each signer, and which signers want no messages at their numbers."""
    devices = {signer.id: await tx.app_keys.list_of_person(signer.person) for signer in signers}
    silent = {signer.id for signer in signers if await tx.opt_outs.list_channels(signer.phone)}
    return {"devices": devices, "silent": silent}


async def _read_later(visit: StaffVisit, tx: Transaction, case: Case, entries: Sequence[RecordEntry]) -> dict[str, Any]:
    """Return the hold of a contract, whether anything has happened since its evidence package was made, whether the
    student has outgrown a guardian who is to sign, the adults on file who may replace a signer, and the id of an act
    that does so."""
    found = case.contract
    today = tx.planning_now.astimezone(ZoneInfo(visit.zone_of(found.campus))).date()
    holds = await tx.holds.list_of([found.id], tx.now)
    adults = await list_adults_on_file(tx, found) if visit.may(Permission.ISSUE) else []
    return {
        "hold": holds.get(found.id),
        "added": has_later_entries(entries),
        "outgrown": has_outgrown_guardian(case, today),
        "adults": adults,
        "act": uuid4(),
        "template_title": title_in_language(visit, await get_template_in_force(visit.services, tx, found.template)),
    }


def list_copies(found: Contract, deliveries: Sequence[Delivery]) -> list[tuple[CopyRecipient, Delivery | None]]:
    """Return who gets a copy of the contract, each with the delivery of the e-mail, if it was written."""
    sent = {each.key: each for each in deliveries}
    return [(copy, sent.get(copy_key(found.id, number))) for number, copy in enumerate(copies_of(found))]


def name_of(signers: Sequence[Signer], signer: UUID) -> str:
    return next((each.name for each in signers if each.id == signer), "")


async def get_contract(visit: StaffVisit) -> Contract:
    """Return the contract that the URL names. Raises ContractNotFound."""
    async with visit.services.database.transaction(visit.scope) as tx:
        return await tx.contracts.get(contract_id(visit))


async def note_view(visit: StaffVisit, tx: Transaction, found: Contract, entries: list[RecordEntry]) -> None:
    """Record that a member of staff viewed personal data, at most once an hour per member."""
    mine = [entry.at for entry in entries if entry.kind == VIEWED and entry.actor == visit.actor]
    if not mine or tx.now - max(mine) >= LOOKED_APART:
        await tx.record.append(found.id, found.campus, VIEWED, visit.actor, {})


# ---- acts


async def _done(
    visit: StaffVisit, act: Callable[[], Awaitable[str]], form: str = "", entered: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Carry out an action, then show the contract with a confirmation or with the error."""
    try:
        said = await act()
    except QiandaError as error:
        return await show_contract(visit, error, form, entered)
    raise web.HTTPSeeOther(f"/staff/contracts/{contract_id(visit)}?said={said}")


async def remind(visit: StaffVisit) -> web.StreamResponse:
    async def act() -> str:
        async with alert_if_spent(visit.services), visit.services.database.transaction(visit.scope) as tx:
            sent = await remind_by_hand(visit.services, tx, contract_id(visit), visit.actor)
        return "reminded" if sent else "nobody"

    return await _done(visit, act)


async def extend(visit: StaffVisit) -> web.StreamResponse:
    day = str((await visit.request.post()).get("deadline", ""))

    async def act() -> str:
        async with visit.services.database.transaction(visit.scope) as tx:
            found = await tx.contracts.get(contract_id(visit))
            zone = (await tx.school.get_campus(found.campus)).zone
        deadline = end_of_day(require_day(day, "deadline"), zone)
        if found.state is ContractState.EXPIRED and visit.may(Permission.ISSUE):
            fresh = await reissue_until(visit.services, visit.scope, found.id, deadline, visit.actor)
            raise web.HTTPSeeOther(f"/staff/contracts/{fresh.id}?said=reissued")
        await move_deadline(visit.services, visit.scope, found.id, deadline, visit.actor)
        return "extended"

    return await _done(visit, act, "extend", {"deadline": printable(day)})


async def change_phone(visit: StaffVisit) -> web.StreamResponse:
    """Request a phone number change. This is the first approval; a colleague or the old phone gives the second."""
    phone, reason = await visit.read_text("phone"), await visit.read_text("reason")
    signer = visit.read_id("signer", ContractNotFound)
    try:
        wanted = PhoneRequest(contract_id(visit), signer, phone, reason)
        await ask_for_phone(visit.services, visit.scope, wanted, visit.actor)
    except QiandaError as error:
        return await show_contract(visit, error, f"phone-{signer}", {"phone": phone, "reason": reason})
    raise web.HTTPSeeOther("/staff/phone-changes?said=phone-asked")


async def ask_void(visit: StaffVisit, problem: QiandaError | None = None, reason: str = "") -> web.Response:
    return await _ask_end(visit, problem, "void", "reason", reason)


async def void(visit: StaffVisit) -> web.StreamResponse:
    reason = await visit.read_text("reason")
    act = withdraw(visit.services, visit.scope, contract_id(visit), reason, visit.actor)
    return await _end(visit, act, "voided", partial(ask_void, visit, reason=reason))


async def ask_paper(visit: StaffVisit, problem: QiandaError | None = None, note: str = "") -> web.Response:
    return await _ask_end(visit, problem, "paper", "note", note)


async def _ask_end(visit: StaffVisit, problem: QiandaError | None, act: str, field: str, entered: str) -> web.Response:
    """Show the page that asks why, or where the paper is. It is a page of its own, because this cannot be undone."""
    async with visit.services.database.transaction(visit.scope) as tx:
        contract = await tx.contracts.get(contract_id(visit))
        signers = await tx.contracts.list_signers(contract.id)
        done = {each.signer for each in await tx.tasks.list_of_contract(contract.id) if each.state is TaskState.SIGNED}
    signed = [each.name for each in signers if each.id in done]
    facts: dict[str, Any] = {"act": act, "field": field, "entered": entered, "signed": signed}
    return await show(visit, "staff/contract/end.html", contract=contract, problem=problem, **facts)


async def paper(visit: StaffVisit) -> web.StreamResponse:
    note = await visit.read_text("note")
    act = sign_on_paper(visit.services, visit.scope, contract_id(visit), note, visit.actor)
    return await _end(visit, act, "paper", partial(ask_paper, visit, note=note))


async def _end(
    visit: StaffVisit, act: Awaitable[Contract], said: str, ask_again: Callable[[BadInput], Awaitable[web.Response]]
) -> web.StreamResponse:
    """End the contract, then show it with a confirmation or with the error. If the input is wrong, ask again."""
    try:
        await act
    except BadInput as error:
        return await ask_again(error)
    except QiandaError as error:
        return await show_contract(visit, error)
    raise web.HTTPSeeOther(f"/staff/contracts/{contract_id(visit)}?said={said}")


async def reissue(visit: StaffVisit) -> web.StreamResponse:
    try:
        fresh = await issue_anew(visit.services, visit.scope, contract_id(visit), visit.actor)
    except QiandaError as error:
        return await show_contract(visit, error)
    raise web.HTTPSeeOther(f"/staff/contracts/{fresh.id}?said=reissued")


async def replace_person(visit: StaffVisit) -> web.StreamResponse:
    """Replace a signer. This needs a new contract, since names are part of the document, and may need somebody else's
    approval."""
    entered = await visit.read_form()
    signer = visit.read_id("signer", ContractNotFound)
    async with visit.services.database.transaction(visit.scope) as tx:
        act = IssueAct(_act_id(tx, signer, entered), visit.staff.campus, visit.actor, tx.now)
    try:
        by = await _find_known(visit, entered["known"]) if entered["known"] else _typed_signer(entered)
        fresh = await replace_or_ask(visit.services, visit.scope, contract_id(visit), Replacement(signer, by), act)
    except QiandaError as error:
        return await show_contract(visit, error, f"replace-{signer}", entered)
    raise web.HTTPSeeOther(f"/staff/contracts/{fresh.id}?said=replaced" if fresh else f"/staff/issued/{act.id}")


def _act_id(tx: Transaction, signer: UUID, entered: Mapping[str, str]) -> UUID:
    """Return the id of the act that a form asks for: the same for a second click, another one if its values differ."""
    if not entered["act"]:
        return uuid4()
    said = json.dumps([str(signer), *sorted(entered.items())])
    return UUID(bytes=tx.cipher.found_by("replacement-act", said)[:16], version=4)


def _typed_signer(entered: Mapping[str, str]) -> NewSigner:
    return NewSigner(
        Role.GUARDIAN,
        entered["name"],
        entered["phone"],
        entered["id_number"],
        entered["id_type"],
        relation=entered["relation"] or None,
        language=entered["language"] or "zh",
    )


async def _find_known(visit: StaffVisit, known: str) -> NewSigner:
    """Return the adult on file whom the form names. Raises BadInput if nobody has these values any more."""
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await list_adults_on_file(tx, await tx.contracts.get(contract_id(visit)))
    if known not in found:
        raise BadInput("the list of people on file has changed: look at it again, then choose", field="signer")
    return found[known]


# ---- links to hand on


async def links(visit: StaffVisit) -> web.Response:
    """Show the signer's QR code, link and app link, which are the same each time."""
    found, signer = await _contract_and_signer(visit)
    async with visit.services.database.transaction(visit.scope) as tx:
        handed = {
            door: await hand_out_link(visit.services, tx, WantedLink(found.id, signer.id, door), visit.actor)
            for door in (DoorKind.QR, DoorKind.COPY, DoorKind.APPLINK)
        }
    return await show(
        visit,
        "staff/contract/links.html",
        contract=found,
        signer=signer,
        qr=handed[DoorKind.QR],
        copy=handed[DoorKind.COPY],
        app=handed[DoorKind.APPLINK],
        qr_svg=_svg(handed[DoorKind.QR]),
        qr_png=data_url(handed[DoorKind.QR].rendering.png or b"", "image/png"),
    )


async def desk_code(visit: StaffVisit) -> web.Response:
    """Show a QR code to a visitor at the desk. It is renewed every few minutes and expires soon."""
    found, signer = await _contract_and_signer(visit)
    wanted = WantedLink(found.id, signer.id, DoorKind.DESK)
    async with visit.services.database.transaction(visit.scope) as tx:
        handed = await hand_out_link(visit.services, tx, wanted, visit.actor)
    return await show(
        visit,
        "staff/contract/desk.html",
        contract=found,
        signer=signer,
        at=visit.campuses_by_id[found.campus],
        code=handed.short_code,
        qr_svg=_svg(handed),
        expires_at=handed.link.expires_at,
    )


async def _contract_and_signer(visit: StaffVisit) -> tuple[Contract, Signer]:
    """Return the contract and the signer for whom a link is requested."""
    refuse_other_sites(visit.request)
    wanted = visit.read_id("signer", ContractNotFound)
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await tx.contracts.get(contract_id(visit))
        signer = next((each for each in await tx.contracts.list_signers(found.id) if each.id == wanted), None)
        if signer is None:
            raise ContractNotFound
        await note_view(visit, tx, found, await tx.record.list_entries(found.id))
    return found, signer


def _svg(handed: HandedLink) -> str:
    return data_url((handed.rendering.svg or "").encode(), "image/svg+xml")
