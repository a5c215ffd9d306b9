"""Finalise a contract: choose the hub's steps from an accepted signature to COMPLETED. Pure.

    accepted signature ──EMBED──▶ embedded ─┬─▶ the next signer's turn: WAIT
                                            └─▶ SIGNED ──PREPARE_SEAL──▶ seal prepared ──SIGN_SEAL──▶
                                                seal accepted ──CLOSE──▶ COMPLETED ──PACKAGE──▶

If the certificate of a signature expired before the timestamp, the signature is lost (REOPEN). A seal that was prepared
for a certificate other than the current one is prepared again (DISCARD_SEAL). A contract that is also issued as OFD
takes the step SEAL_OFD before PREPARE_SEAL.

SIGN_SEAL and CLOSE are one run: nothing is written between them. CLOSE runs alone after a run that stopped in between.
PACKAGE makes the evidence package, which the transaction of CLOSE begins; if it fails, a separate job tries it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from hub.model.contract.contract import ContractState
from hub.model.signing.signature_request import RequestState, SignatureRequest


class FinaliseStep(StrEnum):
    EMBED = "embed"
    REOPEN = "reopen"
    PREPARE_SEAL = "prepare-seal"
    DISCARD_SEAL = "discard-seal"
    SIGN_SEAL = "sign-seal"
    CLOSE = "close"
    SEAL_OFD = "seal-ofd"
    PACKAGE = "package"
    WAIT = "wait"


# The kinds of attempt rows that are committed before a run calls outside services, by the step with which the run
# begins.
ATTEMPTS = {
    FinaliseStep.EMBED: ("timestamp",),
    FinaliseStep.SIGN_SEAL: ("seal", "close"),
    FinaliseStep.CLOSE: ("close",),
    FinaliseStep.SEAL_OFD: ("seal-ofd",),
}


def choose_step(
    state: ContractState,
    unfinished: Sequence[SignatureRequest],
    is_expired: Callable[[bytes], bool],
    seal_certificate: bytes,
    *,
    needs_ofd: bool = False,
) -> tuple[FinaliseStep, SignatureRequest | None]:
    """Return the next step for a contract in `state`, and the signature request that the step is about.

    `unfinished`: the contract's prepared and accepted requests. `is_expired`: whether a certificate (DER) has expired.
    `seal_certificate`: the current certificate (DER) of the contract's seal. `needs_ofd`: its OFD is not sealed yet.
    WAIT: another signer has to act first.
    """
    signature = next((each for each in unfinished if each.state is RequestState.ACCEPTED and not each.is_seal), None)
    if signature is not None:
        return FinaliseStep.REOPEN if is_expired(signature.chain[0]) else FinaliseStep.EMBED, signature
    if state is not ContractState.SIGNED:
        return FinaliseStep.WAIT, None
    if needs_ofd:
        return FinaliseStep.SEAL_OFD, None
    seal = next((each for each in unfinished if each.is_seal), None)
    if seal is None:
        return FinaliseStep.PREPARE_SEAL, None
    if seal.state is RequestState.ACCEPTED:
        return FinaliseStep.CLOSE, seal
    return FinaliseStep.SIGN_SEAL if seal.chain[0] == seal_certificate else FinaliseStep.DISCARD_SEAL, seal
