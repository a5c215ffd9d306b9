"""Make an evidence package of fifty items around a finished file and its evidence record, as the hub does; build a
day's tree."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from bench.pieces.school import GUARDIAN, BenchSchool
from hub.documents.evidence.container import (
    covered_items,
    signed_attributes,
    signed_manifest,
    signed_package,
    with_proofs,
)
from hub.documents.evidence.hash_tree import HashTree, evidence_record, group_leaf
from hub.documents.pades.cms import assembled
from hub.model.evidence.package import head_text
from qianda.evidence.contents import CONTRACT, FINAL_FILE, HASHES, HEAD, RECORD, VERSIONS
from qianda.verify import verify_bytes
from qianda.verify.elements import SigningParty
from qianda.verify.pdf.signed_file import SignedFile
from qianda.verify.trust import Trust

ITEMS = 50
ENTRIES = 40
# The bytes of an item other than those above, such as a certificate chain or a list of messages.
ITEM_BYTES = 2000
CONTRACT_ID = "00000000-0000-4000-8000-000000000001"
LEAVES = 1_000_000


def items_around(final: bytes, trust: Trust, crl: bytes, fields: Sequence[str] = (GUARDIAN,)) -> dict[str, bytes]:
    """Return the fifty items of a package, which are consistent with each other. `fields`: those of the signers."""
    report = verify_bytes(final, trust)
    number = report.contract.number
    sha256 = hashlib.sha256(final).hexdigest()
    accepted = [_accepted(final, party) for party in report.parties if party.field in fields]
    issued: list[tuple[str, dict[str, str]]] = [("issued", {})] * (ENTRIES - 1 - len(accepted))
    told = [*issued, *accepted, ("completed", {"document_sha256": sha256})]
    lines, previous = [], "0" * 64
    for sequence, (kind, facts) in enumerate(told, 1):
        entry = {"contract": CONTRACT_ID, "sequence": sequence, "previous": previous, "at": "2026-11-27T00:00:00Z"}
        lines.append(json.dumps(entry | {"kind": kind, "facts": facts}))
        previous = hashlib.sha256(lines[-1].encode()).hexdigest()
    contract = {"id": CONTRACT_ID, "number": number, "state": "COMPLETED", "fields": list(fields)}
    head = head_text(number, UUID(CONTRACT_ID), ENTRIES, bytes.fromhex(previous))
    items = {
        FINAL_FILE: final,
        CONTRACT: json.dumps(contract).encode(),
        VERSIONS: json.dumps([{"kind": "final", "sha256": sha256}]).encode(),
        **{f"signers/{facts['field']}/signer.json": _signer(facts) for _, facts in accepted},
        RECORD: "".join(f"{line}\n" for line in lines).encode(),
        HEAD: head.encode(),
        "trust/list-001.crl": crl,
    }
    more = range(ITEMS - len(items) - 1)
    items |= {f"messages/{each:03}.json": os.urandom(ITEM_BYTES // 2).hex().encode() for each in more}
    return {**items, HASHES: "".join(_line(*each) for each in items.items()).encode()}


def _accepted(final: bytes, party: SigningParty) -> tuple[str, dict[str, str]]:
    """Return the entry about a signer's signature: its kind and facts."""
    file = SignedFile(final)
    (signature,) = (each for each in file.signatures if each.name == party.field)
    shown = hashlib.sha256(final[: file.revisions[signature.revision - 1].end]).hexdigest()
    facts = {"field": party.field, "shown_sha256": shown, "certificate_sha256": party.certificate_sha256}
    return "signature-accepted", facts


def _signer(accepted: Mapping[str, str]) -> bytes:
    signature = {name: accepted[name] for name in ("field", "certificate_sha256")}
    return json.dumps({"signatures": [{**signature, "custody": "browser"}], "identity": []}).encode()


def _line(name: str, content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()} {hashlib.new('sm3', content).hexdigest()} {name}\n"


async def make(items: Mapping[str, bytes], school: BenchSchool) -> bytes:
    """Make version 1: manifest, signature with its timestamp, ZIP archive."""
    manifest, moment = signed_manifest(items), datetime.now(UTC)
    attributes = signed_attributes(manifest, school.seal.chain[0], moment)
    signature = await school.seal_key.sign(attributes)
    token = await school.timestamps.timestamp(hashlib.sha256(signature).digest())
    return signed_package(items, manifest, assembled(attributes, signature, school.seal.chain, token), moment)


async def prove(first: bytes, school: BenchSchool) -> bytes:
    """Make version 2, as one of a thousand leaves."""
    digests = [hashlib.sha256(content).digest() for content in covered_items(first).values()]
    others = [os.urandom(32) for _ in range(1000)]
    tree = HashTree([group_leaf(digests), *others])
    record = evidence_record(digests, tree.path(0), await school.timestamps.timestamp(tree.root))
    return with_proofs(first, [record], datetime.now(UTC))


async def measure_tree(leaves: int = LEAVES) -> float:
    """Return the seconds for building a tree over this many records, with the path of each record to the root."""

    def build() -> float:
        hashes = [hashlib.sha256(number.to_bytes(8)).digest() for number in range(leaves)]
        begun = time.perf_counter()
        tree = HashTree(hashes)
        for number in range(leaves):
            tree.path(number)
        return time.perf_counter() - begun

    return await asyncio.to_thread(build)
