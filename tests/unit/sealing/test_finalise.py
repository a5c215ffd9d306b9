"""Which step comes next, from an accepted signature to COMPLETED."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from hub.model.contract.contract import ContractState
from hub.model.sealing.finalise import FinaliseStep, choose_step
from hub.model.signing.signature_request import SEAL_FIELD, RequestState, SignatureRequest

NOW = datetime(2026, 9, 1, tzinfo=UTC)
SEAL, OLD_SEAL, EXPIRED = b"seal", b"old seal", b"expired"


def request(field: str, state: RequestState, certificate: bytes) -> SignatureRequest:
    return SignatureRequest(
        id=uuid4(),
        contract=uuid4(),
        task=None if field == SEAL_FIELD else uuid4(),
        field=field,
        state=state,
        base="0" * 64,
        prepared="1" * 64,
        gap=(1, 2),
        document_digest=b"",
        to_be_signed=b"",
        chain=(certificate,),
        created_at=NOW,
        expires_at=NOW,
    )


def signature(state: RequestState, certificate: bytes = b"signer") -> SignatureRequest:
    return request("guardian", state, certificate)


def seal(state: RequestState, certificate: bytes = SEAL) -> SignatureRequest:
    return request(SEAL_FIELD, state, certificate)


PREPARED, ACCEPTED = RequestState.PREPARED, RequestState.ACCEPTED
ISSUED, SIGNED = ContractState.ISSUED, ContractState.SIGNED


@pytest.mark.parametrize(
    ("state", "unfinished", "step"),
    [
        (ISSUED, [], FinaliseStep.WAIT),
        (ISSUED, [signature(ACCEPTED)], FinaliseStep.EMBED),
        (SIGNED, [], FinaliseStep.SEAL_OFD),
        (SIGNED, [seal(PREPARED)], FinaliseStep.SEAL_OFD),
        (SIGNED, [seal(ACCEPTED)], FinaliseStep.SEAL_OFD),
        (ContractState.VOIDED, [], FinaliseStep.WAIT),
    ],
)
def test_an_ofd_is_sealed_once_all_have_signed_and_before_the_contract_is_closed(
    state: ContractState, unfinished: list[SignatureRequest], step: FinaliseStep
) -> None:
    assert choose_step(state, unfinished, lambda _: False, SEAL, needs_ofd=True)[0] is step


@pytest.mark.parametrize(
    ("state", "unfinished", "step"),
    [
        (ISSUED, [], FinaliseStep.WAIT),
        (ISSUED, [signature(PREPARED)], FinaliseStep.WAIT),
        (ISSUED, [signature(ACCEPTED)], FinaliseStep.EMBED),
        (ISSUED, [signature(PREPARED), signature(ACCEPTED)], FinaliseStep.EMBED),
        (ISSUED, [signature(ACCEPTED, EXPIRED)], FinaliseStep.REOPEN),
        (SIGNED, [], FinaliseStep.PREPARE_SEAL),
        (SIGNED, [seal(PREPARED)], FinaliseStep.SIGN_SEAL),
        (SIGNED, [seal(PREPARED, OLD_SEAL)], FinaliseStep.DISCARD_SEAL),
        (SIGNED, [seal(ACCEPTED)], FinaliseStep.CLOSE),
        (SIGNED, [seal(ACCEPTED, OLD_SEAL)], FinaliseStep.CLOSE),
        (ContractState.COMPLETED, [], FinaliseStep.WAIT),
        (ContractState.VOIDED, [], FinaliseStep.WAIT),
    ],
)
def test_each_state_leads_to_its_next_step(
    state: ContractState, unfinished: list[SignatureRequest], step: FinaliseStep
) -> None:
    chosen, about = choose_step(state, unfinished, lambda certificate: certificate == EXPIRED, SEAL)
    assert chosen is step
    assert (about is None) == (step in (FinaliseStep.WAIT, FinaliseStep.PREPARE_SEAL))
    assert about is None or about.state is (ACCEPTED if ACCEPTED in {each.state for each in unfinished} else PREPARED)
