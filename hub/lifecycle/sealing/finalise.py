"""Carry a contract from an accepted signature to COMPLETED, by the steps that `hub.model.sealing.finalise` chooses.

`advance` continues from the contract's present state, whatever process calls it, and however often. A run is one step,
or several between which nothing is written. It does its slow work outside any transaction. One transaction then locks
the contract, checks that its state is still the same, writes the result, chooses the next step and begins the attempts
of its run. A seal is signed over a file that was stored before: after a crash in between, the same bytes are signed
again, so that no contract is sealed twice. An OFD is sealed before the PDF, over the file that was issued.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from hub.errors import QiandaError
from hub.lifecycle.evidence.make_package import make_package
from hub.lifecycle.sealing.apply_seal import close_file, discard_seal, make_begun_package, prepare_seal, sign_seal
from hub.lifecycle.sealing.embed_signature import embed_signature, reopen_signing
from hub.lifecycle.sealing.hub_step import HubStep, choose_hub_step, end_run
from hub.lifecycle.sealing.retry_stalled import note_trouble
from hub.lifecycle.sealing.seal_contract_ofd import seal_contract_ofd
from hub.lifecycle.services import Services
from hub.model.contract.contract import ContractState
from hub.model.sealing.finalise import FinaliseStep
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.cases import opening_lock

log = structlog.get_logger()


async def advance(services: Services, contract_id: UUID) -> ContractState:
    """Do the hub's steps for this contract until a signer has to act or a service is unavailable. Return its state.

    No error of a step is raised, expected or not: the contract is shown as stuck and tried again later, and staff are
    told as `note_trouble` says.
    """
    begun: HubStep | None = None
    try:
        async with services.database.transaction(EVERYTHING, opening_lock(contract_id)) as tx:
            case = await tx.cases.lock(contract_id)
            hub_step = await choose_hub_step(services, tx, case)
        while hub_step.kind is not FinaliseStep.WAIT:
            begun = hub_step
            hub_step = await STEPS[hub_step.kind](services, hub_step)
        if begun is None and hub_step.contract.state is ContractState.COMPLETED:
            await make_package(services, contract_id)  # a process may have died before it
    except QiandaError as error:
        return await _note_trouble(services, contract_id, error, begun)
    except Exception as error:
        log.exception("unexpected error while finishing a contract", contract=str(contract_id))
        return await _note_trouble(services, contract_id, QiandaError(type(error).__name__), begun)
    return hub_step.contract.state


async def _note_trouble(
    services: Services, contract_id: UUID, error: QiandaError, begun: HubStep | None
) -> ContractState:
    async with services.database.transaction(EVERYTHING) as tx:
        if begun is not None:
            await end_run(tx, begun, error)
        tries = await note_trouble(tx, contract_id, error)
        state = (await tx.contracts.get(contract_id)).state  # another process may have finished it
        await tx.jobs.end_running()
    log.warning("contract stuck", contract=str(contract_id), reason=error.code, tries=tries, detail=str(error))
    return state


STEPS: dict[FinaliseStep, Callable[[Services, HubStep], Awaitable[HubStep]]] = {
    FinaliseStep.EMBED: embed_signature,
    FinaliseStep.REOPEN: reopen_signing,
    FinaliseStep.PREPARE_SEAL: prepare_seal,
    FinaliseStep.DISCARD_SEAL: discard_seal,
    FinaliseStep.SIGN_SEAL: sign_seal,
    FinaliseStep.CLOSE: close_file,
    FinaliseStep.SEAL_OFD: seal_contract_ofd,
    FinaliseStep.PACKAGE: make_begun_package,
}
