"""Seal a contract's OFD with the SM2 side of its seal, once: the file that was issued, whose hash the consent names.

An SM2 signature is different each time, so a file that was sealed counts only once its row is written under the lock of
the contract. If a process dies before that, or another one is faster, no row names its file. The file is never given
out, and is deleted as an orphan.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from asn1crypto import x509

from hub.documents.ofd.places import StampPlace
from hub.documents.ofd.sign import PreparedOfd, prepare_seal
from hub.documents.ofd.write import page_id
from hub.documents.sealing.file_sealer import OfdSeal
from hub.errors import FileFailedCheck, SealUseRefused, SealWithoutSm2
from hub.lifecycle.sealing.hub_step import HubStep, StoredFile, choose_hub_step, end_run
from hub.lifecycle.sealing.seals.sm2_seals import open_sm2_seal
from hub.lifecycle.services import Services
from hub.model.contract.case import Case
from hub.model.contract.contract import OFD_FINAL, Contract, ContractState
from hub.model.sealing.sm2_seal import Sm2Seal
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction
from qianda.ofd.container import OfdContainer
from qianda.ofd.page_list import list_pages
from qianda.ofd.signature_parts import ROOT, read_document
from qianda.verify.findings import Element
from qianda.verify.ofd.signature_check import check_signature
from qianda.verify.trust import Trust


async def seal_contract_ofd(services: Services, hub_step: HubStep) -> HubStep:
    """Seal the OFD, and record the sealed file as the contract's. Raises SealUseRefused, SealWithoutSm2,
    CertificateNotValid, TokenUnavailable, TimestampUnavailable, FileFailedCheck."""
    contract = hub_step.contract
    assert hub_step.seal is not None and contract.issued_ofd_sha256 is not None
    if hub_step.refusal is not None:
        raise SealUseRefused(hub_step.refusal)
    async with services.database.transaction(EVERYTHING) as tx:
        side = await tx.sm2_seals.get(hub_step.seal.id)
    if side is None:
        raise SealWithoutSm2(hub_step.seal.name)
    issued = await services.files.get(contract.issued_ofd_sha256)
    final = await _sealed(services, contract, issued, await open_sm2_seal(services, side))
    file = StoredFile(await services.files.put(final), len(final))
    async with services.database.transaction(EVERYTHING) as tx:
        case = await end_run(tx, hub_step, with_record=True)
        if case.contract.state is ContractState.SIGNED and case.contract.final_ofd_sha256 is None:
            case = await _note_sealed(tx, case, hub_step, (side, file))
        return await choose_hub_step(services, tx, case)


async def _sealed(services: Services, contract: Contract, issued: bytes, seal: OfdSeal) -> bytes:
    prepared = await asyncio.to_thread(_prepared, services, contract, issued, seal)
    signature = await seal.key.sign(prepared.to_be_signed)
    token = await services.sealing.timestamps.timestamp(hashlib.sha256(signature).digest())
    final = await asyncio.to_thread(prepared.finish, signature, token)
    await asyncio.to_thread(_check, final, issued, services.sealing.timestamps.certificates, services.clock())
    return final


def _prepared(services: Services, contract: Contract, issued: bytes, seal: OfdSeal) -> PreparedOfd:
    place, (width, height) = contract.data["seal_place"], seal.size
    container = OfdContainer(issued)
    page = list_pages(container, read_document(container).root)[place["page"]]
    box = (place["x"] - width / 2, page.height - place["y"] - height / 2, width, height)
    at = services.clock()
    return prepare_seal(issued, seal.seal, seal.certificate, at, [StampPlace(page_id(place["page"]), box)])


def _check(final: bytes, issued: bytes, timestamps: Sequence[bytes], now: datetime) -> None:
    """Raise FileFailedCheck unless the file is the issued one with one seal, as `qianda verify` reads it.

    The root of the seal's certificate is not judged, because each reader decides which roots to trust.
    """
    before, after = OfdContainer(issued), OfdContainer(final)
    document = read_document(after)
    trust = Trust(timestamp_authorities=tuple(x509.Certificate.load(each) for each in timestamps))
    checked = [check_signature(after, document, part, trust, now) for part in document.signatures]
    findings = [each for one in checked for each in one.findings if each.element is not Element.OWNED]
    changed = [name for name in before if name != ROOT and before.read(name) != after.read(name)]
    if findings or changed or [one.is_seal for one in checked] != [True]:
        raise FileFailedCheck("; ".join([*map(str, findings), *changed]) or "the OFD has not one seal")


async def _note_sealed(tx: Transaction, case: Case, hub_step: HubStep, made: tuple[Sm2Seal, StoredFile]) -> Case:
    """Record this file as the contract's OFD. The caller has locked the case."""
    contract, (side, file) = case.contract, made
    assert hub_step.seal is not None
    await tx.contracts.add_version(contract.id, OFD_FINAL, file.sha256, file.size, tx.now)
    facts = {
        "key": side.key_label,
        "seal": str(side.seal),
        "organisation": hub_step.seal.registered_name,
        "custody": side.custody,
        "certificate_sha256": hashlib.sha256(side.chain[0]).hexdigest(),
        "ofd_sha256": file.sha256,
    }
    await tx.record.append(contract.id, contract.campus, "ofd-sealed", "hub", facts)
    return replace(case, contract=await tx.contracts.change(contract, final_ofd_sha256=file.sha256))
