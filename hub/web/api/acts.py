"""Act on an issued contract by the API: links, reminders, voiding, extension, reissue, phone changes.

Every action stores its answer in its own transaction. So a client that repeats its request after a crash gets the first
answer, whatever happened to the contract since.
"""

from __future__ import annotations

from typing import cast

from hub.lifecycle.contract.end import check_reason, void_locked
from hub.lifecycle.contract.issue import issue_prepared
from hub.lifecycle.contract.reissue import prepare_again
from hub.lifecycle.messaging.quotas import alert_if_spent
from hub.lifecycle.reminders.extend_deadline import extend_issued
from hub.lifecycle.reminders.remind_by_hand import remind_by_hand
from hub.lifecycle.signing.entry.hand_out_link import WantedLink, hand_out_link
from hub.lifecycle.staff.change_phone import PhoneRequest, begin_phone_change, check_phone_request
from hub.model.signing.link import DoorKind
from hub.model.staff.scope import EVERYTHING
from hub.web.api import answers
from hub.web.api.contracts import new_signer
from hub.web.api.endpoint import ApiCall
from hub.web.api.schemas import (
    ContractGiven,
    ContractIssued,
    ExtendAsked,
    LinkAsked,
    LinkGiven,
    PhoneAsked,
    PhoneChangeGiven,
    ReissueAsked,
    Reminded,
    VoidAsked,
)


async def link(call: ApiCall) -> LinkGiven:
    asked = cast(LinkAsked, call.asked)
    wanted = WantedLink(call.contract, asked.signer, DoorKind(asked.door.value))
    async with call.transaction() as tx:
        handed = await hand_out_link(call.services, tx, wanted, call.actor)
        shown = handed.rendering
        given = LinkGiven(
            url=shown.url,
            short_code=handed.short_code,
            qr_svg=shown.svg,
            app_url=shown.app_url,
            expires_at=handed.link.expires_at,
        )
        return await call.keep(tx, given)


async def remind(call: ApiCall) -> Reminded:
    await call.check_key()
    async with alert_if_spent(call.services), call.transaction() as tx:
        sent = await remind_by_hand(call.services, tx, call.contract, call.actor)
        return await call.keep(tx, Reminded(deliveries=[answers.delivery(each) for each in sent]))


async def void(call: ApiCall) -> ContractGiven:
    asked = cast(VoidAsked, call.asked)
    check_reason(asked.reason)
    async with call.transaction() as tx:
        contract = await tx.contracts.lock_contract(call.contract)
        await void_locked(call.services, tx, contract, asked.reason, call.actor)
        return await call.keep(tx, await answers.whole(tx, call.services, call.contract))


async def extend(call: ApiCall) -> ContractGiven:
    asked = cast(ExtendAsked, call.asked)
    async with call.transaction() as tx:
        contract = await extend_issued(call.services, tx, call.contract, asked.deadline, call.actor)
        return await call.keep(tx, await answers.whole(tx, call.services, contract.id))


async def reissue(call: ApiCall) -> ContractIssued:
    asked = cast(ReissueAsked, call.asked)
    await call.check_key()
    signers = [new_signer(each) for each in asked.signers] if asked.signers else None
    prepared = await prepare_again(call.services, call.scope, call.contract, signers)
    async with call.transaction() as tx:
        return await call.keep(tx, answers.issued(await issue_prepared(call.services, tx, prepared, call.actor)))


async def change_phone(call: ApiCall) -> PhoneChangeGiven:
    asked = cast(PhoneAsked, call.asked)
    await call.check_key()
    request = PhoneRequest(call.contract, call.signer, asked.phone, asked.reason)
    wanted = await check_phone_request(call.services, call.scope, request)
    async with call.services.database.transaction(EVERYTHING) as tx:
        change = await begin_phone_change(tx, wanted, call.actor)
        return await call.keep(tx, PhoneChangeGiven(state="waiting-for-approval", id=change.id))
