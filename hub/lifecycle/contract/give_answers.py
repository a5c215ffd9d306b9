"""Take the answers that a contract asks its signer for, and lay it out with them before anybody signs.

The school issues the contract with blanks, so it cannot be signed yet. The first signer fills them in. The document
is then laid out again with the text and terms of its issue, and replaces the blank one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from hub.documents.contract.contract_data import read_contract_data
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import LaidOut
from hub.documents.fonts import ContractFont
from hub.errors import AnswersFixed, BadInput, BudgetSpent, DocumentChanged, IllegalMove, ManyAttachments
from hub.lifecycle.contract.draw import add_signature_fields, plain_blocks
from hub.lifecycle.messaging.quotas import UNREADABLE, consume_prepare_quota, refuse_files
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import Visit, begin_locked_visit, begin_visit
from hub.lifecycle.signing.sign import list_replaceable
from hub.lifecycle.signing.signing_order import check_open
from hub.model.contract.asked_field import LEFT_EMPTY, AskedField, FieldKind, check_answers, read_asked_fields
from hub.model.contract.attachment import Attachment, describe_attachment
from hub.model.contract.contract import Contract
from hub.model.signing.signature_request import SignatureRequest
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.answers import seal_content
from hub.store.evidence.record import PersonalValue
from hub.store.transaction import Transaction

# Kind of the budget of documents that are laid out with a signer's answers.
ANSWERED: Final = "answered"
# Uploads for one contract, including those that were replaced.
MAX_UPLOADS: Final = 60
_DESCRIBED: Final = ("id", "media_type", "size", "sha256")


@dataclass(frozen=True)
class ReceivedAnswers:
    """Checked answers. `attached`: the file of each field that has one."""

    values: Mapping[str, str]
    attached: Mapping[str, Attachment]


def asked_fields(contract: Contract) -> tuple[AskedField, ...]:
    """Return what the contract asks for; most contracts ask for nothing."""
    kept = contract.data.get("to_fill_in")
    return read_asked_fields(kept["template"]["asks"]) if kept else ()


def labelled_fields(templates: ContractTemplates, contract: Contract, language: str) -> tuple[AskedField, ...]:
    """Return what the contract asks for, with labels and hints in the reader's language if its template still has them.

    Options stay in the language of the contract, which shows them.
    """
    fields = asked_fields(contract)
    if not fields or language not in templates.languages(contract.template):
        return fields
    present = templates.get(contract.template, language).asks
    if [each.shape for each in present] != [each.shape for each in fields]:
        return fields
    return tuple(replace(own, label=said.label, hint=said.hint) for own, said in zip(fields, present, strict=True))


def newest_attachments(found: Sequence[Attachment]) -> dict[str, Attachment]:
    """Return the newest attachment of each field, without those that were replaced. `found`: oldest first."""
    return {each.name: each for each in found if each.superseded_at is None}


# ---- attachments


async def attach(services: Services, secret: str, contract_id: UUID | None, name: str, uploaded: bytes) -> Attachment:
    """Store a file for a field, encrypted. It becomes part of the contract when the answers are given.

    Raises BadInput (`name`) for a file that is neither a photo nor a PDF, BudgetSpent (with `retry_after`) after too
    many of those, ManyAttachments, and as `give_answers` does.
    """
    async with begin_visit(services.database, secret, contract_id) as (tx, visiting):
        await _check_may_attach(tx, visiting)
        await refuse_files(services, tx, visiting.task.id, visiting.signer, UNREADABLE)
    fields = {each.name for each in asked_fields(visiting.contract) if each.kind is FieldKind.ATTACHMENT}
    if name not in fields:
        raise BadInput("this is not asked for", field="name")
    reader = services.documents.attachments
    try:
        media_type, content = await reader.in_turn(partial(reader.read, uploaded, name))
    except BadInput:
        # If simultaneous uploads have reached the limit, the next upload is refused; the error about this file is still
        # raised.
        with suppress(BudgetSpent):
            async with services.database.transaction(EVERYTHING) as tx:
                await consume_prepare_quota(services, tx, visiting.task.id, visiting.signer, kind=UNREADABLE)
        raise
    attachment_id = uuid4()
    sealed = await asyncio.to_thread(seal_content, attachment_id, content)
    file = await services.files.put(sealed.content)
    async with begin_locked_visit(services.database, secret, visiting.contract.id) as (tx, now):
        await _check_may_attach(tx, now)  # again: others may have uploaded meanwhile
        attachment = Attachment(
            id=attachment_id,
            contract=now.contract.id,
            signer=now.signer.id,
            campus=now.contract.campus,
            name=name,
            media_type=media_type,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            file=file,
            given_at=tx.now,
        )
        await tx.answers.add_attachment(attachment, sealed.key)
    return attachment


# ---- answers


async def give_answers(
    services: Services, secret: str, contract_id: UUID | None, values: Mapping[str, str]
) -> Contract:
    """Lay out the contract with these answers and the attachments uploaded so far, in place of the present document.

    Raises BadInput (with the name of the field), UndrawableText, NotYourTurn, AlreadySigned, BudgetSpent (with
    `retry_after`); AnswersFixed once somebody has signed, DocumentBusy while somebody is signing, and DocumentChanged
    if somebody else has answered meanwhile.
    """
    async with begin_visit(services.database, secret, contract_id) as (tx, visiting):
        await _check_may_answer(tx, visiting)
        attached = newest_attachments(await tx.answers.list_attachments(visiting.contract.id))
        given = ReceivedAnswers(check_answers(asked_fields(visiting.contract), values, attached.keys()), attached)
        # Before anything is laid out, so that simultaneous answers are counted as well.
        await consume_prepare_quota(services, tx, visiting.task.id, visiting.signer, kind=ANSWERED)
    laid_out, document = await asyncio.to_thread(_lay_out, services, visiting.contract, given)
    sha256 = await services.files.put(document)
    async with begin_locked_visit(services.database, secret, visiting.contract.id) as (tx, now):
        replaced = await _check_may_answer(tx, now)
        present = newest_attachments(await tx.answers.list_attachments(now.contract.id))
        if now.contract.document != visiting.contract.document or present != attached:
            raise DocumentChanged
        for request in replaced:  # the signer has to look at the new document
            await tx.signatures.lapse(request.id)
        return await _write(tx, now, given, laid_out, (sha256, len(document)))


async def _check_may_attach(tx: Transaction, visiting: Visit) -> None:
    """Raise if this signer may not upload a file now."""
    await _check_may_answer(tx, visiting)
    if len(await tx.answers.list_attachments(visiting.contract.id)) >= MAX_UPLOADS:
        raise ManyAttachments


async def _check_may_answer(tx: Transaction, visiting: Visit) -> list[SignatureRequest]:
    """Raise if this signer may not fill in the contract now. Return their signature requests, which answers replace."""
    contract = visiting.contract
    if not asked_fields(contract):
        raise IllegalMove("this contract asks for nothing")
    check_open(contract, visiting.task)
    if contract.revision:
        raise AnswersFixed
    if tx.planning_now >= contract.deadline:
        raise IllegalMove("the deadline has passed")
    return await list_replaceable(tx, visiting)


def _lay_out(services: Services, contract: Contract, given: ReceivedAnswers) -> tuple[LaidOut, bytes]:
    kept: Mapping[str, Any] = contract.data["to_fill_in"]
    printer = services.documents.printer
    template = printer.templates.as_kept(contract.template, contract.language, kept["template"])
    data = read_contract_data(kept["terms"])
    shown = {field.name: _shown(field, given, contract.language) for field in template.asks}
    for name, value in given.values.items():
        ContractFont().check([value], field=name)
    laid_out = printer.lay_out_by(template, replace(data, extra=dict(data.extra) | {"answers": shown}))
    return laid_out, add_signature_fields(services, laid_out)


def _shown(field: AskedField, given: ReceivedAnswers, language: str) -> str:
    if field.kind is FieldKind.ATTACHMENT and field.name in given.attached:
        file = given.attached[field.name]
        return describe_attachment(file.media_type, file.size, file.sha256, language)
    return given.values.get(field.name) or LEFT_EMPTY[language]


async def _write(
    tx: Transaction, visiting: Visit, given: ReceivedAnswers, laid_out: LaidOut, stored: tuple[str, int]
) -> Contract:
    contract, signer = visiting.contract, visiting.signer
    sha256, size = stored
    attachments = {name: {key: getattr(file, key) for key in _DESCRIBED} for name, file in given.attached.items()}
    shown = {
        "answers": dict(given.values),
        "attachments": {name: file | {"id": str(file["id"])} for name, file in attachments.items()},
        "answered_by": str(signer.id),
        "text": plain_blocks(laid_out),
        "pages": laid_out.pages,
    }
    changed = await tx.answers.put(contract, sha256, shown)
    await tx.answers.supersede_others(contract.id, [file.id for file in given.attached.values()], tx.now)
    await tx.contracts.add_version(contract.id, "answered", sha256, size, tx.now)
    commitments = await _commit(tx, visiting, given)
    facts = {
        "document_sha256": sha256,
        "draft_sha256": hashlib.sha256(laid_out.pdf).hexdigest(),
        "template_version": contract.template_version,
        "answers": commitments,
        "attachments": {name: file.sha256 for name, file in given.attached.items()},
    }
    await tx.record.append(contract.id, contract.campus, "answered", visiting.actor, facts)
    return changed


async def _commit(tx: Transaction, visiting: Visit, given: ReceivedAnswers) -> dict[str, str]:
    """Store the answers as values that can be erased. Return their commitments, by field."""
    salt = await tx.contracts.find_salt(visiting.signer.id)
    if salt is None:
        raise IllegalMove("this person was erased")
    values = [PersonalValue(visiting.signer, salt, name, value) for name, value in given.values.items()]
    await tx.record.commit_all(values)
    return {value.name: value.commitment for value in values}
