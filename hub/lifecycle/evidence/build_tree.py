"""Build the hash tree of a day, have its root timestamped, and add each package's proof as version 2.

The tree covers everything that is new since the earlier trees. It is committed when its root has a timestamp. The
proofs follow; a missing proof is made in a later round.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import date
from uuid import UUID

import structlog

from hub.documents.evidence.container import covered_items, has_place_for_two
from hub.documents.evidence.hash_tree import HashTree, evidence_record
from hub.errors import QiandaError, TimestampUnavailable, UnreadableFile
from hub.lifecycle.evidence.add_version import ProofVersion, add_version
from hub.lifecycle.services import Services
from hub.model.evidence.package import FIRST_VERSION
from hub.model.evidence.tree import StoredTree, previous_leaf
from hub.model.staff.scope import EVERYTHING
from hub.store.evidence.trees import UnprovenPackage
from hub.timestamps.several import SeveralTimestamps

PROVEN_VERSION = 2
# The most timestamps over one root, each by a different configured service.
MAX_TIMESTAMPS = 2
MAX_LEAVES = 2_000_000
PROOFS_AT_ONCE = 100
log = structlog.get_logger()


async def build_tree(services: Services) -> bool:
    """Build today's tree (by UTC), unless there is one or nothing is new. Return whether it was built.

    Raises TimestampUnavailable, after which it is tried again.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        day = tx.now.date()
        before = await tx.trees.find_newest()
        if before is not None and before.day >= day:
            return False
        leaves = await tx.trees.list_new_leaves(MAX_LEAVES)
        if not leaves:
            return False
        attempt = await tx.signatures.begin_attempt("hash-tree", None, None, tx.now)
    if before is not None:
        leaves.insert(0, previous_leaf(before.root))
    root = (await asyncio.to_thread(HashTree, [leaf.leaf for leaf in leaves])).root
    try:
        tokens = await _timestamps(services, root)
    except QiandaError as error:
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.signatures.end_attempt(attempt, tx.now, failure=f"{error.code}: {error}")
        raise
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(attempt, tx.now)
        return await tx.trees.add(StoredTree(day, len(leaves), root, tokens, tx.now), leaves)


async def _timestamps(services: Services, root: bytes) -> list[bytes]:
    """Return timestamps over the root, by different services if several are configured."""
    source = services.sealing.timestamps
    if not isinstance(source, SeveralTimestamps):
        return [await source.timestamp(root)]
    tokens: list[bytes] = []
    for name, service in source.services.items():
        try:
            tokens.append(await service.timestamp(root))
        except TimestampUnavailable as error:
            log.warning("no timestamp for the hash tree", service=name, reason=str(error))
        if len(tokens) == MAX_TIMESTAMPS:
            break
    if not tokens:
        raise TimestampUnavailable("no service gave a timestamp for the hash tree")
    return tokens


async def add_proofs(services: Services) -> int:
    """Make version 2 of each package that has a leaf in a tree. Return how many were made.

    A package that cannot be read does not hold up the others. It is tried again in the next round.
    """
    made, trees, unreadable = 0, dict[date, HashTree](), set[UUID]()
    while True:
        async with services.database.transaction(EVERYTHING) as tx:
            found = await tx.trees.list_unproven(PROOFS_AT_ONCE + len(unreadable))
        unproven = [each for each in found if each.contract not in unreadable]
        for package in unproven:
            if package.day not in trees:
                trees = {package.day: await _stored_tree(services, package.day)}
            try:
                await _prove(services, package, trees[package.day])
            except UnreadableFile as error:
                log.error("evidence package not proved", contract=str(package.contract), reason=str(error))
                unreadable.add(package.contract)
                continue
            made += 1
        if len(unproven) < PROOFS_AT_ONCE:
            return made


async def _stored_tree(services: Services, day: date) -> HashTree:
    async with services.database.transaction(EVERYTHING) as tx:
        leaves = await tx.trees.list_leaves(day)
    return await asyncio.to_thread(HashTree, leaves)


async def _prove(services: Services, unproven: UnprovenPackage, tree: HashTree) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        first = await tx.packages.get(unproven.contract, FIRST_VERSION)
        stored = await tx.trees.get(unproven.day)
    assert first is not None and stored is not None
    file = await services.files.get(first.sha256)

    def records() -> list[bytes]:
        covered = covered_items(file)
        digests = [hashlib.sha256(content).digest() for content in covered.values()]
        tokens = stored.timestamps if has_place_for_two(covered) else stored.timestamps[:1]
        return [evidence_record(digests, tree.path(unproven.position), token) for token in tokens]

    await add_version(services, (first, file), await asyncio.to_thread(records), ProofVersion(PROVEN_VERSION))
