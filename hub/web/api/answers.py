"""Convert stored objects to the API's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from uuid import UUID

from hub.lifecycle.reminders.remind_by_hand import next_channel
from hub.lifecycle.services import Services
from hub.model.contract.case import Case, Party
from hub.model.contract.contract import Contract
from hub.model.contract.contract_copy import copies_of, copy_key
from hub.model.contract.person import mask_email
from hub.model.evidence.record import RecordEntry
from hub.model.evidence.record_facts import list_commitments
from hub.model.messaging.delivery import Delivery
from hub.model.reminders.policy import ReminderPolicy
from hub.model.signing.signature_request import Custody, SignatureRequest
from hub.router.policy import get_policy
from hub.store.contract.cases import opening_of_case
from hub.store.kernel.opening import Opening
from hub.store.messaging.deliveries import opening_of_deliveries
from hub.store.signing.signature_requests import opening_of_requests
from hub.store.transaction import Transaction
from hub.web.api.schemas import (
    ContractGiven,
    ContractIssued,
    ContractListed,
    CopyGiven,
    CustodyGiven,
    DeliveryGiven,
    NextStepGiven,
    RecordEntryGiven,
    SetDocument,
    SignerGiven,
    SignerIssued,
    Stuck,
    WordsGiven,
    pick,
)


def issued(case: Case) -> ContractIssued:
    signers = [SignerIssued(id=each.signer.id, role=each.signer.role, state=each.task.state) for each in case.parties]
    return pick(ContractIssued, case.contract, ofd_sha256=case.contract.issued_ofd_sha256, signers=signers)


def opening_of_whole(contract: UUID) -> Opening:
    """Return the first statement of `whole`: all that it reads, except for the policy, which few contracts need."""
    return replace(opening_of_case(contract), also=(opening_of_requests(contract), opening_of_deliveries(contract)))


async def whole(tx: Transaction, services: Services, contract_id: UUID) -> ContractGiven:
    case = await tx.cases.get(contract_id)
    contract = case.contract
    made = {request.task: request for request in await tx.signatures.list_of_contract(contract.id) if request.counts}
    deliveries = await tx.deliveries.list_of_contract(contract.id)
    is_planned = any(party.task.step for party in case.parties)
    policy = await get_policy(tx, services.messaging.policy, contract) if is_planned else None
    signers = [await _signer(services, tx, policy, party, made.get(party.task.id)) for party in case.parties]
    stuck = Stuck(since=contract.stuck_since, reason=contract.stuck_reason or "") if contract.stuck_since else None
    companions = [each for each in await tx.contracts.list_set(contract) if each.id != contract.id]
    return pick(
        ContractGiven,
        contract,
        ofd_sha256=contract.issued_ofd_sha256,
        stuck=stuck,
        companions=[pick(SetDocument, each) for each in companions],
        signers=signers,
        deliveries=[delivery(each) for each in deliveries],
        copies=_copies(contract, deliveries),
    )


def _copies(contract: Contract, deliveries: Sequence[Delivery]) -> list[CopyGiven]:
    sent = {each.key: each for each in deliveries}
    given = []
    for number, copy in enumerate(copies_of(contract)):
        mail = sent.get(copy_key(contract.id, number))
        state, failure = (mail.state, mail.failure_kind) if mail else (None, None)
        given.append(
            CopyGiven(role=copy.role, name=copy.name, email=mask_email(copy.email), state=state, failure=failure)
        )
    return given


async def _signer(
    services: Services, tx: Transaction, policy: ReminderPolicy | None, party: Party, signature: SignatureRequest | None
) -> SignerGiven:
    signer, task = party.signer, party.task
    step = custody = None
    if task.step and policy:
        channel = await next_channel(services, tx, policy, signer, task)
        step = NextStepGiven(kind=task.step.kind, channel=channel, due_at=task.step.due_at)
    if signature and signature.custody:
        custody = CustodyGiven(proved=Custody(signature.custody), claimed=signature.custody_claimed or "")
    done = {"state": task.state, "opened_through": task.opened_through, "signed_at": task.signed_at}
    return pick(SignerGiven, signer, **done, next_step=step, custody=custody)


def listed(contract: Contract) -> ContractListed:
    return pick(ContractListed, contract)


def delivery(each: Delivery) -> DeliveryGiven:
    return pick(DeliveryGiven, each, at=each.state_at or each.created_at)


def personal_texts_of(entry: RecordEntry, values: Mapping[str, tuple[str, str]]) -> list[WordsGiven]:
    """Return the personal texts of an entry. `values`: name and text from the side table, by commitment."""
    return [
        WordsGiven(
            sequence=entry.sequence,
            fact=name,
            committed=committed,
            text=values[committed][1] if committed in values else None,
        )
        for name, committed in list_commitments(entry.facts)
    ]


def record_entry(entry: RecordEntry) -> RecordEntryGiven:
    at, hashes = entry.at.astimezone(UTC).isoformat(timespec="microseconds"), (entry.previous.hex(), entry.digest.hex())
    return pick(RecordEntryGiven, entry, facts=dict(entry.facts), at=at, previous=hashes[0], digest=hashes[1])
