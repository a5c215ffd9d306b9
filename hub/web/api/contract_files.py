"""Serve documents about a contract: the final file, the evidence package, the reminder ledger, the record."""

from __future__ import annotations

from aiohttp import web

from hub.errors import NotCompleted, NotFound
from hub.lifecycle.evidence.make_addendum import add_addendum, open_addendum
from hub.lifecycle.evidence.open_package import open_package
from hub.lifecycle.evidence.renewed_record import add_renewed_version
from hub.model.contract.contract import Contract, ContractState
from hub.model.evidence.record import find_broken_entry
from hub.web.api import answers
from hub.web.api.endpoint import ApiCall
from hub.web.api.schemas import FileChecked, Ledger, LedgerEntry, RecordGiven
from hub.web.pages.files import OFD, PACKAGE, PDF, download


async def _get_contract(call: ApiCall) -> Contract:
    async with call.transaction() as tx:
        return await tx.contracts.get(call.contract)


async def final_pdf(call: ApiCall) -> web.Response:
    """Return the final file. A partly signed file is never returned."""
    contract = await _get_contract(call)
    if contract.state is not ContractState.COMPLETED or contract.document is None:
        raise NotCompleted
    return download(await call.services.files.get(contract.document), f"{contract.number}.pdf", PDF)


async def final_ofd(call: ApiCall) -> web.Response:
    """Return the OFD with the school's seal. Raises NotFound for a contract that was issued as PDF alone."""
    contract = await _get_contract(call)
    if contract.issued_ofd_sha256 is None:
        raise NotFound("the contract has no OFD")
    if contract.state is not ContractState.COMPLETED or contract.final_ofd_sha256 is None:
        raise NotCompleted
    return download(await call.services.files.get(contract.final_ofd_sha256), f"{contract.number}.ofd", OFD)


async def evidence_zip(call: ApiCall) -> web.Response:
    """Return the newest version of the evidence package."""
    contract = await _get_contract(call)
    await add_renewed_version(call.services, contract.id)
    async with call.transaction() as tx:
        package = await open_package(tx, contract, call.actor)
    return download(await call.services.files.get(package.sha256), f"{contract.number}-evidence.zip", PACKAGE)


async def addendum_zip(call: ApiCall) -> web.Response:
    """Return the newest addendum to the evidence package. Make one first if something has happened since the last."""
    contract = await _get_contract(call)
    await add_addendum(call.services, contract.id)
    async with call.transaction() as tx:
        made = await open_addendum(tx, contract, call.actor)
    return download(await call.services.files.get(made.sha256), f"{contract.number}-addendum.zip", PACKAGE)


async def check_file(call: ApiCall) -> FileChecked:
    """Check the file of the request, as the page `/verify` does."""
    assert call.check is not None
    said = await call.check()
    return FileChecked(
        file=said["file"],
        readable=said.get("readable", True),
        failed=said["failed"],
        is_package=said.get("kind") == "evidence-package",
        verdict=said["verdict"] if "verdict" in said else [said["reason"]],
        report=said,
    )


async def reminders(call: ApiCall) -> Ledger:
    async with call.transaction() as tx:
        await tx.contracts.get(call.contract)
        signers = {task.id: task.signer for task in await tx.tasks.list_of_contract(call.contract)}
        entries = await tx.reminders.list_of_contract(call.contract)
    names = LedgerEntry.model_fields.keys() - {"signer"}
    return Ledger(
        entries=[
            LedgerEntry(signer=signers.get(entry["task"]), **{name: entry[name] for name in names}) for entry in entries
        ]
    )


async def record(call: ApiCall) -> RecordGiven:
    async with call.transaction() as tx:
        await tx.contracts.get(call.contract)
        entries, values = await tx.record.list_entries(call.contract), await tx.record.get_values(call.contract)
    return RecordGiven(
        entries=[answers.record_entry(each) for each in entries],
        words=[words for each in entries for words in answers.personal_texts_of(each, values)],
        broken_at=find_broken_entry(entries),
    )
