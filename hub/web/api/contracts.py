"""Issue, read and list contracts by the API."""

from __future__ import annotations

from typing import cast

import structlog

from hub.errors import BadInput
from hub.lifecycle.contract.issue import draw_documents, issue_prepared, lay_out_documents, opening_issue
from hub.lifecycle.contract.new_contract import NewContract, NewSigner, NewStudent
from hub.model.contract.contract_copy import CopyRecipient
from hub.store.school.campuses import opening_of_campus
from hub.web.api import answers
from hub.web.api.endpoint import ApiCall
from hub.web.api.own_documents import read_document
from hub.web.api.schemas import ContractAsked, ContractGiven, ContractIssued, ContractPage, ListAsked, SignerAsked
from hub.web.http.cursors import read_cursor, read_moment, write_cursor

log = structlog.get_logger()


async def create(call: ApiCall) -> ContractIssued:
    asked = cast(ContractAsked, call.asked)
    async with call.transaction(opening_of_campus(asked.campus, asked.course)) as tx:
        drawn = await draw_documents(call.services, tx, new_contract(call, asked))
    prepared = await lay_out_documents(call.services, drawn)
    async with call.transaction(opening_issue(prepared.drawn.asked)) as tx:
        return await call.keep(tx, answers.issued(await issue_prepared(call.services, tx, prepared, call.actor)))


def new_contract(call: ApiCall, asked: ContractAsked) -> NewContract:
    if asked.document is not None and asked.template is not None:
        raise BadInput("a contract has a document of your own or a template", field="template")
    student = asked.student
    return NewContract(
        campus=asked.campus,
        course=asked.course,
        template=asked.template or "",
        data=asked.data,
        deadline=asked.deadline,
        student=NewStudent(student.name, student.id_type, student.id_number, student.birth_date),
        signers=tuple(new_signer(each) for each in asked.signers),
        external_id=asked.external_id,
        send=asked.send,
        representative=asked.representative,
        companions=tuple(asked.companions) if asked.companions is not None else None,
        document=read_document(call.services, asked.document),
        copies=tuple(CopyRecipient(each.role, each.email, each.name or "", each.language) for each in asked.copies),
    )


def new_signer(asked: SignerAsked) -> NewSigner:
    values = {name: getattr(asked, name) for name in SignerAsked.model_fields}
    return NewSigner(**(values | {"channels": tuple(channel.value for channel in asked.channels)}))


async def read(call: ApiCall) -> ContractGiven:
    async with call.transaction(answers.opening_of_whole(call.contract)) as tx:
        return await answers.whole(tx, call.services, call.contract)


async def list_(call: ApiCall) -> ContractPage:
    asked = cast(ListAsked, call.asked)
    after = read_cursor(asked.cursor, read_moment) if asked.cursor else None
    async with call.transaction() as tx:
        wanted = asked.model_dump(include={"state", "campus", "external_id"})
        found = await tx.contracts.list_page(wanted, after=after, limit=asked.limit + 1)
    items = found[: asked.limit]
    for each in items:
        if not each.readable:
            log.error("unreadable", contract=str(each.id), number=each.number)
    more = write_cursor(items[-1].created_at, items[-1].id) if len(found) > asked.limit else None
    return ContractPage(items=[answers.listed(each) for each in items], next_cursor=more)
