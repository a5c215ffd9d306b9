"""The integration API `/api/v1` for other systems of the school, described at `/api/openapi.json`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from aiohttp import web

from hub.model.sealing.seal import SealAct
from hub.model.staff.key_scopes import KeyScope
from hub.web.api import (
    acts,
    contract_files,
    contracts,
    own_documents,
    schemas,
    seal_job_schemas,
    seal_jobs,
    seal_schemas,
    seals,
)
from hub.web.api.description import description
from hub.web.api.endpoint import Operation
from hub.web.api.own_documents import DocumentOperation
from hub.web.api.seal_uploads import SealOperation
from hub.web.pages.files import OFD, PACKAGE, PDF
from hub.wiring import Hub

READ, ISSUE, ACT = KeyScope.READ, KeyScope.ISSUE, KeyScope.ACT
SEAL, SEALS = KeyScope.SEAL, KeyScope.MANAGE_SEALS
_ONE = "/api/v1/contracts/{id}"
_JOB = "/api/v1/seal-jobs/{id}"
_SEAL = "/api/v1/seals/{id}"

OPERATIONS = (
    Operation("POST", "/api/v1/contracts", "issueContract", ISSUE, "Draw a contract and issue it", contracts.create,
              schemas.ContractIssued, schemas.ContractAsked, 201, problems=(409,)),
    DocumentOperation("POST", "/api/v1/documents", "keepDocument", ISSUE,
                      "Upload your own PDF, to issue it as a contract",
                      own_documents.keep, schemas.DocumentKept, status=201),
    Operation("GET", "/api/v1/contracts", "listContracts", READ, "Contracts, newest first", contracts.list_,
              schemas.ContractPage, schemas.ListAsked),
    Operation("GET", _ONE, "readContract", READ, "A contract, its signers and what was sent to them", contracts.read,
              schemas.ContractGiven),
    Operation("POST", f"{_ONE}/links", "handOutLink", ACT, "A signer's link, for one door", acts.link,
              schemas.LinkGiven, schemas.LinkAsked, problems=(409,)),
    Operation("POST", f"{_ONE}/remind", "remind", ACT, "Remind everybody whose turn it is, now", acts.remind,
              schemas.Reminded, schemas.NothingAsked, problems=(409,)),
    Operation("POST", f"{_ONE}/void", "voidContract", ACT, "Withdraw a contract that is not signed yet", acts.void,
              schemas.ContractGiven, schemas.VoidAsked, problems=(409,)),
    Operation("POST", f"{_ONE}/extend", "extendDeadline", ACT, "Move the deadline", acts.extend, schemas.ContractGiven,
              schemas.ExtendAsked, problems=(409,)),
    Operation("POST", f"{_ONE}/reissue", "reissueContract", ISSUE, "Void and reissue a contract, linked", acts.reissue,
              schemas.ContractIssued, schemas.ReissueAsked, 201, problems=(409,)),
    Operation("POST", f"{_ONE}/signers/{{signer}}/phone", "changePhone", ACT,
              "Request a change of a signer's phone number",
              acts.change_phone, schemas.PhoneChangeGiven, schemas.PhoneAsked, 202, problems=(409,)),
    Operation("GET", f"{_ONE}/final.pdf", "readFinalFile", READ, "The completed file", contract_files.final_pdf, PDF,
              problems=(409,)),
    Operation("GET", f"{_ONE}/final.ofd", "readFinalOfd", READ, "The sealed OFD of a completed contract",
              contract_files.final_ofd, OFD, problems=(409,)),
    Operation("GET", f"{_ONE}/evidence.zip", "readEvidence", READ, "The evidence package of a contract that has ended",
              contract_files.evidence_zip, PACKAGE),
    Operation("GET", f"{_ONE}/addendum.zip", "readAddendum", READ,
              "What happened after the evidence package was signed", contract_files.addendum_zip, PACKAGE),
    Operation("GET", f"{_ONE}/reminders", "readReminders", READ, "The ledger of reminders", contract_files.reminders,
              schemas.Ledger),
    Operation("POST", "/api/v1/verify", "verifyFile", READ,
              "Check a finished file or an evidence package, or a package together with its addendum or finished file",
              contract_files.check_file, schemas.FileChecked, takes_file=True),
    Operation("GET", f"{_ONE}/record", "readRecord", READ, "The hash-chained record", contract_files.record,
              schemas.RecordGiven),
    SealOperation("POST", "/api/v1/seal-jobs", "sealFiles", SEAL, "Have files sealed, PDF and OFD", seal_jobs.create,
                  seal_job_schemas.SealJobGiven, seal_job_schemas.SealJobAsked, 201, problems=(404,)),
    Operation("GET", _JOB, "readSealJob", SEAL, "A seal job and its progress", seal_jobs.read,
              seal_job_schemas.SealJobGiven),
    Operation("GET", f"{_JOB}/items", "listSealItems", SEAL, "The files of a seal job, and why some failed",
              seal_jobs.list_items, seal_job_schemas.SealItemPage, seal_job_schemas.SealItemsAsked),
    Operation("GET", f"{_JOB}/items/{{number}}/file", "readSealedFile", SEAL, "One sealed file", seal_jobs.result,
              seal_jobs.SEALED_TYPE, problems=(409,)),
    Operation("GET", f"{_JOB}/results.zip", "readSealedFiles", SEAL, "All sealed files of a job that has ended",
              seal_jobs.results, seal_jobs.ZIP_TYPE, problems=(409,)),
    Operation("GET", "/api/v1/seals", "listSeals", SEALS, "The seals of the key's campuses", seals.list_all,
              seal_schemas.SealsGiven),
    Operation("POST", "/api/v1/seals", "applyForSeal", SEALS, "Apply for a seal, which two people approve", seals.apply,
              seal_schemas.SealGiven, seal_schemas.SealApplied, 201),
    Operation("GET", _SEAL, "readSeal", SEALS, "A seal and its grants", seals.read, seal_schemas.SealGiven),
    Operation("POST", f"{_SEAL}/grants", "grantSeal", SEALS, "Grant the use of a seal", seals.grant,
              seal_schemas.GrantGiven, seal_schemas.GrantAsked, 201, problems=(409,)),
    Operation("POST", f"{_SEAL}/grants/{{grant}}/revoke", "revokeGrant", SEALS, "End a grant", seals.end_grant,
              seal_schemas.SealGiven, seal_schemas.SealMoveAsked),
    Operation("POST", f"{_SEAL}/activate", "activateSeal", SEALS, "Take a finished seal into use",
              seals.move(SealAct.ACTIVATE), seal_schemas.SealGiven, seal_schemas.SealMoveAsked, problems=(409,)),
    Operation("POST", f"{_SEAL}/suspend", "suspendSeal", SEALS, "Suspend a seal", seals.move(SealAct.SUSPEND),
              seal_schemas.SealGiven, seal_schemas.SealMoveAsked, problems=(409,)),
    Operation("POST", f"{_SEAL}/resume", "resumeSeal", SEALS, "Resume a suspended seal", seals.move(SealAct.RESUME),
              seal_schemas.SealGiven, seal_schemas.SealMoveAsked, problems=(409,)),
    Operation("POST", f"{_SEAL}/revoke", "revokeSeal", SEALS, "Revoke a seal for good", seals.move(SealAct.REVOKE),
              seal_schemas.SealGiven, seal_schemas.SealMoveAsked, problems=(409,)),
    Operation("POST", f"{_SEAL}/archive", "archiveSeal", SEALS, "Archive a revoked seal", seals.move(SealAct.ARCHIVE),
              seal_schemas.SealGiven, seal_schemas.SealMoveAsked, problems=(409,)),
    Operation("GET", f"{_SEAL}/uses", "listSealUses", SEALS, "The register of a seal's uses, newest first", seals.uses,
              seal_schemas.SealUsesGiven, seal_schemas.UsesAsked),
)  # fmt: skip


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    document = cache(lambda: description(OPERATIONS, hub.services.origin))  # created on first use

    async def describe(request: web.Request) -> web.Response:
        return web.json_response(document())

    yield web.get("/api/openapi.json", describe)
    for operation in OPERATIONS:
        if operation.method == "GET":
            yield web.get(operation.path, operation.handle, allow_head=False)
        else:
            yield web.post(operation.path, operation.handle)
