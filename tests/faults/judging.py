"""The verdict on a contract whose processes were killed, from the database, the files and the doubles' ledgers."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from hub.model.contract.contract import OFD_FINAL, OFD_ISSUED, Contract, ContractState
from hub.model.evidence.record import find_broken_entry
from hub.model.signing.signature_request import SEAL_FIELD, RequestState, SignatureRequest
from hub.model.staff.scope import EVERYTHING
from hub.store.files.content_addressed import Files
from hub.store.transaction import Database, Transaction
from qianda.verify import verify_bytes
from qianda.verify.findings import Element, Word
from qianda.verify.pdf.structure import check_finished
from qianda.verify.trust import Trust

# Record entries of which a contract has exactly one, whatever happened.
ONCE = (
    "drawn",
    "issued",
    "task-opened",
    "signature-accepted",
    "signature-embedded",
    "signed",
    "seal-used",
    "ofd-sealed",
    "completed",
    "evidence-made",
)


@dataclass(frozen=True)
class Evidence:
    """What was found of one story."""

    contract: Contract
    kinds: Counter[str]
    broken: int | None
    requests: Sequence[SignatureRequest]
    deliveries: Sequence[tuple[str, str]]
    held_jobs: int
    staff_tasks: int
    final: bytes
    versions: Sequence[bytes]
    ofds: Sequence[bytes]
    left_files: Sequence[str]


async def evidence(database: Database, files: Files, external_id: str) -> Evidence:
    async with database.transaction(EVERYTHING) as tx:
        ids = list(
            await tx.connection.scalars(
                text("SELECT id FROM contract WHERE external_id = :external_id"), {"external_id": external_id}
            )
        )
        assert len(ids) == 1, f"{len(ids)} contracts instead of one"
        contract = await tx.contracts.get(ids[0])
        entries = await tx.record.list_entries(contract.id)
        kinds = {each["sha256"]: each["kind"] for each in await tx.contracts.list_versions(contract.id)}
        versions = [sha256 for sha256, kind in kinds.items() if kind not in ("draft", OFD_ISSUED, OFD_FINAL)]
        ofds = [sha256 for sha256, kind in kinds.items() if kind in (OFD_ISSUED, OFD_FINAL)]
        requests = await tx.signatures.list_of_contract(contract.id)
        done_with = {sha256 for each in requests if each.signature for sha256 in (each.base, each.prepared)}
        return Evidence(
            contract,
            Counter(entry.kind for entry in entries),
            find_broken_entry(entries),
            requests,
            [(each.purpose, each.state.value) for each in await tx.deliveries.list_of_contract(contract.id)],
            await _count(tx, "SELECT count(*) FROM pgqueuer"),
            len(await tx.staff_tasks.list_open_tasks(contract.id)),
            await files.get(str(contract.document)),
            [await files.get(sha256) for sha256 in versions],
            [await files.get(sha256) for sha256 in ofds],
            [sha256 for sha256 in done_with if await files.get_size(sha256)],
        )


async def _count(tx: Transaction, statement: str) -> int:
    return int((await tx.connection.execute(text(statement))).one()[0])


def judge(found: Evidence, messages: Sequence[dict[str, Any]], seal_ledger: Path) -> None:
    """Raise AssertionError unless nothing was lost and nothing was done twice.

    `messages`: the calls that the provider got for this person.
    """
    assert found.contract.state is ContractState.COMPLETED
    assert {kind: found.kinds[kind] for kind in ONCE} == dict.fromkeys(ONCE, 1)
    assert found.broken is None, f"the record is broken at entry {found.broken}"
    _judge_signatures(found)
    assert len(found.versions) == 3 and all(found.final.startswith(each) for each in found.versions)
    _judge_ofd(found)
    assert found.left_files == [], "a file that nobody needs was left for good"
    sealed_over = seal_ledger.read_text().split()
    assert len(set(sealed_over)) == 1, "the seal key was used over different bytes"
    keys = Counter(message["key"] for message in messages)
    assert set(keys.values()) == {1}, f"sent twice: {[key for key, count in keys.items() if count > 1]}"
    purposes = Counter(message["purpose"] for message in messages)
    assert (purposes["invitation"], purposes["completed"]) == (1, 1) and purposes["code"] >= 1
    assert {state for _, state in found.deliveries} <= {"delivered", "withdrawn"}, found.deliveries
    assert found.held_jobs == 0, "a job was given up"
    assert found.staff_tasks == 0, "staff were asked to help"


def _judge_ofd(found: Evidence) -> None:
    assert len(found.ofds) == 2, "the contract has not one OFD as issued and one sealed"
    hashes = [hashlib.sha256(each).hexdigest() for each in found.ofds]
    assert hashes == [found.contract.issued_ofd_sha256, found.contract.final_ofd_sha256]
    said = verify_bytes(found.ofds[1], Trust())
    assert [party.is_seal for party in said.parties] == [True]
    (seal,) = said.parties
    assert {one.element for one in seal.answers if one.word is Word.FAILED} <= {Element.OWNED, Element.TIME}


def _judge_signatures(found: Evidence) -> None:
    fields = (*found.contract.fields, SEAL_FIELD)
    assert check_finished(found.final, fields) == []
    embedded = Counter(request.field for request in found.requests if request.state is RequestState.EMBEDDED)
    assert embedded == dict.fromkeys(fields, 1)
    accepted = [request for request in found.requests if request.signature is not None]
    assert len(accepted) == len(fields), "an accepted signature was given up"
    lower = found.final.lower()
    for request in accepted:
        assert request.signature is not None
        assert lower.count(request.signature.hex().encode()) == 1, f"{request.field}: the signature is not there"
