"""A small genuine package, made with the product's own writer and a built-in authority with soft keys."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hub.documents.evidence.container import (
    covered_items,
    signed_attributes,
    signed_manifest,
    signed_package,
    with_proofs,
)
from hub.documents.evidence.hash_tree import HashTree, evidence_record, group_leaf
from hub.documents.pades.cms import assembled
from qianda.verify.trust import Trust
from tests.signing_parts import Pki

LIST = "trust/list-001.crl"
ITEMS = {
    "contract/final.pdf": b"%PDF-1.7 a finished contract",
    "record/record.jsonl": b"{}\n",
    "report/report.html": "<p>报告</p>".encode(),
    "CHECK.md": b"# How to check\n",
}


@dataclass(frozen=True)
class SmallPackage:
    """A package with what was used to make it. `proven`: version 2, with an evidence record."""

    file: bytes
    proven: bytes
    items: Mapping[str, bytes]
    pki: Pki
    trust: Trust


async def small_package(folder: Path, items: Mapping[str, bytes] | None = None, pki: Pki | None = None) -> SmallPackage:
    pki = pki or await Pki.make()
    given = items or ITEMS
    file = await package_of(given, pki)
    trust = Trust.load([pki.write_trust(folder / "trust.pem")])
    return SmallPackage(file, await proven(file, pki), given, pki, trust)


async def package_of(items: Mapping[str, bytes], pki: Pki, *, manifest: bytes | None = None) -> bytes:
    """Make a package. `manifest`: another one than that of its items."""
    inside = dict(items) if LIST in items else {**items, LIST: await pki.authority.revocation_list([])}
    listed = manifest or signed_manifest(inside)
    attributes = signed_attributes(listed, pki.seal.chain[0], pki.clock())
    signature = await pki.seal_key.sign(attributes)
    token = await pki.timestamps.timestamp(hashlib.sha256(signature).digest())
    return signed_package(inside, listed, assembled(attributes, signature, pki.seal.chain, token), pki.clock())


async def proven(file: bytes, pki: Pki, neighbours: int = 6, second: Pki | None = None) -> bytes:
    """Return version 2 of a package: it is the third leaf of a tree with `neighbours` others. `second`: another
    authority that gives the root a timestamp."""
    covered = covered_items(file)
    digests = [hashlib.sha256(content).digest() for content in covered.values()]
    others = [hashlib.sha256(bytes([number])).digest() for number in range(neighbours)]
    tree = HashTree([*others[:2], group_leaf(digests), *others[2:]])
    path, makers = tree.path(min(2, len(others))), [pki, *([second] if second else [])]
    records = [evidence_record(digests, path, await each.timestamps.timestamp(tree.root)) for each in makers]
    return with_proofs(file, records, pki.clock())
