"""The integration API `/api/v1` for other systems of the school, described at `/api/openapi.json`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial

from aiohttp import web

from hub.web.api import acts, contracts, papers, schemas
from hub.web.api.description import description
from hub.web.api.endpoint import Operation
from hub.web.api.scopes import SCOPES
from hub.wiring import Hub

_ONE = "/api/v1/contracts/{id}"

OPERATIONS = (
    Operation("POST", "/api/v1/contracts", "issueContract", "Draw a contract and issue it", contracts.create,
              schemas.ContractIssued, schemas.ContractAsked, 201),
    Operation("GET", "/api/v1/contracts", "listContracts", "Contracts, newest first", contracts.list_,
              schemas.ContractPage, schemas.ListAsked),
    Operation("GET", _ONE, "readContract", "A contract, its signers and what was sent to them", contracts.read,
              schemas.ContractGiven),
    Operation("POST", f"{_ONE}/links", "handOutLink", "A signer's link, for one door", acts.link, schemas.LinkGiven,
              schemas.LinkAsked, problems=(409,)),
    Operation("POST", f"{_ONE}/remind", "remind", "Remind everybody whose turn it is, now", acts.remind,
              schemas.Reminded, schemas.NothingAsked, problems=(409,)),
    Operation("POST", f"{_ONE}/void", "voidContract", "Withdraw a contract that is not signed yet", acts.void,
              schemas.ContractGiven, schemas.VoidAsked, problems=(409,)),
    Operation("POST", f"{_ONE}/extend", "extendDeadline", "Move the deadline", acts.extend, schemas.ContractGiven,
              schemas.ExtendAsked, problems=(409,)),
    Operation("POST", f"{_ONE}/reissue", "reissueContract", "Void it and issue it anew, linked", acts.reissue,
              schemas.ContractIssued, schemas.ReissueAsked, 201, problems=(409,)),
    Operation("POST", f"{_ONE}/signers/{{signer}}/phone", "changePhone", "Ask for another phone number of a signer",
              acts.change_phone, schemas.PhoneChangeGiven, schemas.PhoneAsked, 202, problems=(409,)),
    Operation("GET", f"{_ONE}/final.pdf", "readFinalFile", "The completed file", papers.final_pdf, "application/pdf",
              problems=(409,)),
    Operation("GET", f"{_ONE}/evidence.zip", "readEvidence", "The evidence package of a contract that has ended",
              papers.evidence_zip, papers.PACKAGE_TYPE),
    Operation("GET", f"{_ONE}/reminders", "readReminders", "The ledger of reminders", papers.reminders, schemas.Ledger),
    Operation("GET", f"{_ONE}/record", "readRecord", "The hash-chained record", papers.record, schemas.RecordGiven),
)  # fmt: skip


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    document = cache(lambda: description(OPERATIONS, hub.services.origin))  # created on first use

    async def describe(request: web.Request) -> web.Response:
        return web.json_response(document())

    yield web.get("/api/openapi.json", describe)
    for operation in OPERATIONS:
        handle = partial(operation.handle, SCOPES[operation.name])
        if operation.method == "GET":
            yield web.get(operation.path, handle, allow_head=False)
        else:
            yield web.post(operation.path, handle)
