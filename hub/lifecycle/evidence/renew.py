"""Renew evidence records: timestamps before their certificates end, hash trees before their algorithm does.

RFC 4998, 5. One new timestamp is over a tree of all timestamps that are due, so that a million records cost one call.
A renewal of hash trees has to read every package again. Nothing that was stored changes: `open_package` makes a
version of a package with what its evidence record has gained when somebody asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from hub.documents.evidence.container import covered_items
from hub.documents.evidence.hash_tree import HashTree, group_leaf, renewed_digests, timestamp_digest
from hub.errors import QiandaError
from hub.lifecycle.evidence.renewed_record import get_record
from hub.lifecycle.services import Services
from hub.model.evidence.renewal import (
    CurrentTimestamp,
    Renewal,
    RenewalLeaf,
    choose_due,
    choose_ended,
    choose_ending,
)
from hub.model.staff.accounts import EVERYTHING
from qianda.verify.cms_check import read_timestamp

# Packages of one tree of a renewal: few, since whoever asks for one of them builds the tree anew.
PACKAGES_A_TREE = 1000
BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True)
class RenewalPlan:
    """What is to be renewed now. `due`: timestamps by the algorithm of their tree; `ended`: timestamps that nothing can
    renew any more; `anew`: number of packages to be hashed anew, by the algorithm that follows."""

    due: Mapping[str, Sequence[CurrentTimestamp]]
    ended: Sequence[CurrentTimestamp]
    anew: Mapping[str, int]


async def plan_renewal(services: Services) -> RenewalPlan:
    """Return what `renew` would do. Changes nothing."""
    current = await _list_current(services)
    async with services.database.transaction(EVERYTHING) as tx:
        following = set(choose_ending(services.documents.retention.algorithm_ends, tx.now).values())
        anew = {name: await tx.renewals.count_to_hash_anew(name) for name in following}
        return RenewalPlan(choose_due(current, tx.now), choose_ended(current, tx.now), anew)


async def renew(services: Services) -> int:
    """Renew what is due. Return how many timestamps were obtained for it.

    Raises TimestampUnavailable, after which the rest is tried again.
    """
    plan = await plan_renewal(services)
    number = 0
    for algorithm, due in plan.due.items():
        leaves = [RenewalLeaf(timestamp_digest(each.token, algorithm), each.day, each.renewed) for each in due]
        await _renew(services, algorithm, leaves, is_tree=False)
        number += 1
    for algorithm in plan.anew:
        number += await hash_anew(services, algorithm)
    return number


async def hash_anew(services: Services, algorithm: str) -> int:
    """Renew the hash trees of all packages that have none of this algorithm. Return how many trees that took."""
    number, after = 0, BEFORE_ALL
    while True:
        async with services.database.transaction(EVERYTHING) as tx:
            contracts = await tx.renewals.list_to_hash_anew(algorithm, after, PACKAGES_A_TREE)
        if not contracts:
            return number
        leaves = [RenewalLeaf(await _hash_anew(services, each, algorithm), contract=each) for each in contracts]
        await _renew(services, algorithm, leaves, is_tree=True)
        number, after = number + 1, contracts[-1]


async def _hash_anew(services: Services, contract: UUID, algorithm: str) -> bytes:
    """Return the leaf of a package: its items by the new algorithm, with all that has proved them so far."""
    found = await get_record(services, contract)
    assert found is not None

    def leaf() -> bytes:
        files = list(covered_items(found.file).values())
        return group_leaf(renewed_digests(found.record, files, algorithm), algorithm)

    return await asyncio.to_thread(leaf)


async def _renew(services: Services, algorithm: str, leaves: Sequence[RenewalLeaf], *, is_tree: bool) -> None:
    """Have one timestamp made over a tree of these leaves, and store it."""
    tree = await asyncio.to_thread(HashTree, [each.leaf for each in leaves], algorithm)
    async with services.database.transaction(EVERYTHING) as tx:
        attempt = await tx.signatures.begin_attempt("renewal", None, None, tx.now)
    token = await _timestamp(services, attempt, tree.root)
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(attempt, tx.now)
        number = await tx.renewals.next_id()
        await tx.renewals.add(Renewal(number, algorithm, is_tree, len(leaves), tree.root, token, tx.now), leaves)


async def _timestamp(services: Services, attempt: UUID, root: bytes) -> bytes:
    try:
        return await services.sealing.timestamps.timestamp(root)
    except QiandaError as error:
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.signatures.end_attempt(attempt, tx.now, failure=f"{error.code}: {error}")
        raise


async def _list_current(services: Services) -> list[CurrentTimestamp]:
    async with services.database.transaction(EVERYTHING) as tx:
        rows = await tx.renewals.list_current()
    tokens = {row["token"] for row in rows}
    ends = {token: read_timestamp(token).certificate.not_valid_after for token in tokens}
    return [CurrentTimestamp(**row, ends=ends[row["token"]]) for row in rows]
