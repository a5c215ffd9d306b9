"""`qianda doctor --records`, second part: check that records are unchanged since the hash trees were timestamped.

Somebody with all rights on the database can rewrite a record with a valid chain, or delete a contract from every table.
The trees reveal this: an authority has timestamped each root, and each leaf is a record as it was on that day.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from hub.doctor import DoctorFinding
from hub.documents.evidence.hash_tree import HashTree
from hub.lifecycle.evidence.renew import plan_renewal
from hub.model.evidence.notary import is_overdue
from hub.model.evidence.tree import LeafKind, StoredTree, TreeLeaf, previous_leaf
from hub.model.staff.scope import EVERYTHING
from hub.timestamps.several import SeveralTimestamps
from hub.wiring import Hub
from qianda.verify.cms_check import BadCmsSignature, check_timestamp

# The most roots without a receipt that are counted.
MAX_NAMED = 1000


async def examine_trees(hub: Hub) -> AsyncIterator[DoctorFinding]:
    """Yield each fault, and at the end how many were checked."""
    async with hub.database.transaction(EVERYTHING) as tx:
        trees, missing = await tx.trees.list_all(), await tx.trees.list_missing_triggers()
    faults = leaves = 0
    before: StoredTree | None = None
    for tree in trees:
        async for finding in _examine(hub, tree, before):
            faults += 1
            yield finding
        leaves += tree.leaves
        before = tree
    if missing:
        faults += 1
        words = f"{len(missing)} triggers that keep evidence are switched off: {', '.join(missing)}"
        yield DoctorFinding("triggers", False, words)
    if not faults and (ended := (await plan_renewal(hub.services)).ended):  # reads every timestamp
        faults += 1
        yield DoctorFinding(
            "timestamps", False, f"{len(ended)} ran out before they were renewed: nothing can renew them"
        )
    async for finding in _examine_receipts(hub):
        faults += not finding.well
        yield finding
    yield count_faults("hash trees", f"{len(trees)} trees with {leaves} leaves{_less_than_two(hub, trees)}", faults)


def count_faults(part: str, words: str, faults: int) -> DoctorFinding:
    """Return the finding that ends a part. `words`: what was examined."""
    return DoctorFinding(part, not faults, f"{words}: {faults} faults, named above" if faults else f"{words} are whole")


async def _examine(hub: Hub, tree: StoredTree, before: StoredTree | None) -> AsyncIterator[DoctorFinding]:
    part, leaves = f"hash tree of {tree.day}", list[TreeLeaf]()
    async with hub.database.transaction(EVERYTHING) as tx:
        async for compared in tx.trees.list_compared_leaves(tree.day):
            leaves.append(compared.stored)
            if compared.now != compared.stored.leaf:
                yield DoctorFinding(_named(compared.stored), False, _what(compared.now, tree))
    hashes = [leaf.leaf for leaf in leaves]
    if len(leaves) != tree.leaves or (await asyncio.to_thread(HashTree, hashes)).root != tree.root:
        yield DoctorFinding(part, False, "its leaves do not lead to its root: leaves or root were changed")
    first = leaves[0] if leaves else None
    linked = first is not None and first.kind is LeafKind.TREE
    if (before is not None) != linked or (before is not None and first != previous_leaf(before.root)):
        yield DoctorFinding(part, False, "it does not follow the tree before: a tree was changed or taken out")
    for words in _wrong_timestamps(hub, tree):
        yield DoctorFinding(part, False, words)


def _named(leaf: TreeLeaf) -> str:
    return f"{leaf.kind.value} of {leaf.number if leaf.number != 'school' else 'the school'}"


def _what(now: bytes | None, tree: StoredTree) -> str:
    if now is None:
        return f"it was there on {tree.day}, as a timestamp shows, and was deleted"
    return f"it is not what it was on {tree.day}, as a timestamp shows: it was rewritten"


def _wrong_timestamps(hub: Hub, tree: StoredTree) -> list[str]:
    """Return what is wrong with the timestamps over the root."""
    known, wrong = set(hub.services.sealing.timestamps.certificates), []
    for token in tree.timestamps:
        try:
            checked = check_timestamp(token, lambda _: tree.root)
        except BadCmsSignature as error:
            wrong.append(f"a timestamp over its root is wrong: {error.reason.en}")
            continue
        if checked.encoded_certificate not in known and not _is_trusted(hub, checked.encoded_certificate):
            wrong.append("a timestamp over its root is of an authority that is not trusted")
        if checked.time.date() < tree.day:
            wrong.append("a timestamp over its root is older than the tree")
    return wrong or ([] if tree.timestamps else ["its root has no timestamp"])


def _less_than_two(hub: Hub, trees: Sequence[StoredTree]) -> str:
    """Return how many trees have a single timestamp although several services are configured. For the last line."""
    source = hub.services.sealing.timestamps
    few = sum(len(tree.timestamps) == 1 for tree in trees)
    if not few or not isinstance(source, SeveralTimestamps) or len(source.services) == 1:
        return ""
    return f" ({few} of them have one timestamp where several services are configured)"


def _is_trusted(hub: Hub, certificate: bytes) -> bool:
    """Return whether the trust folder has this certificate. The certificates of former services stay there."""
    from qianda.verify.trust import Trust, list_trust_files

    return Trust.load(list_trust_files(hub.settings.data / "trust")).pins(certificate)


async def _examine_receipts(hub: Hub) -> AsyncIterator[DoctorFinding]:
    """Yield what each configured notary has confirmed, and what is missing. Each receipt has to be for the root that is
    stored now."""
    for name, notary in hub.services.sealing.notaries.items():
        async with hub.database.transaction(EVERYTHING) as tx:
            given = await tx.notary_receipts.list_given(name)
            late = [
                one for one in await tx.notary_receipts.list_without(name, MAX_NAMED) if is_overdue(one.day, tx.now)
            ]
        finals = 0
        for one in given:
            try:
                finals += notary.read(one.root, one.receipt or b"").is_final
            except ValueError as error:
                yield DoctorFinding(f"notary {name}", False, f"its receipt of {one.day} is not for this root: {error}")
        if late:
            many = f"{len(late)} roots" if len(late) < MAX_NAMED else f"{MAX_NAMED} roots or more"
            yield DoctorFinding(f"notary {name}", False, f"{many} have no receipt, the first of {late[0].day}")
        yield DoctorFinding(f"notary {name}", True, f"{len(given)} receipts, {finals} of them final")
