"""Renew evidence records (RFC 4998, 5): timestamps before their certificates expire, hash trees before their algorithm
becomes too weak.

One new timestamp covers a tree of all timestamps that are due, so that a million records cost one call. A renewal of
hash trees has to read every package again. Nothing that is stored changes: when somebody asks for a package,
`add_renewed_version` makes a version of it with the renewals of its evidence record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from hub.documents.evidence.container import covered_items
from hub.documents.evidence.hash_tree import HashTree, group_leaf, renewed_digests, timestamp_digest
from hub.errors import QiandaError, UnreadableFile
from hub.lifecycle.evidence.renewed_record import get_record
from hub.lifecycle.services import Services
from hub.model.evidence.renewal import CurrentTimestamp, Renewal, RenewalLeaf, choose_due, choose_ended, choose_ending
from hub.model.staff.scope import EVERYTHING
from hub.store.evidence.renewals import MAX_RENEWALS
from qianda.verify.cms_check import read_timestamp

log = structlog.get_logger()

# Trees that a worker's round hashes anew. Each takes a minute or more, and the worker has other tasks.
TREES_A_ROUND = 20
# Packages in one tree of a renewal. They are few, because the tree is built again when one of the packages is opened.
PACKAGES_A_TREE = 1000
BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True)
class RenewalPlan:
    """What has to be renewed now.

    `due`: timestamps, by the algorithm of their tree. `ended`: timestamps that expired before a renewal. `anew`: the
    number of packages to hash anew, by the new algorithm.
    """

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
    """Renew everything that is due. Return how many timestamps were obtained.

    Raises TimestampUnavailable; a later call renews the rest.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        number = await tx.renewals.get_next_id()  # read before the plan: see `_NewRenewal`
    plan = await plan_renewal(services)
    if plan.ended:
        log.error("timestamps expired before they were renewed", number=len(plan.ended))
    made = 0
    for algorithm, due in plan.due.items():
        leaves = [RenewalLeaf(timestamp_digest(each.token, algorithm), each.day, each.renewed) for each in due]
        new = _NewRenewal(number + made, algorithm, leaves, outlives=min(each.ends for each in due))
        made += await _renew(services, new)
    for algorithm in plan.anew:
        made += await hash_anew(services, algorithm, TREES_A_ROUND)
    return made


async def hash_anew(services: Services, algorithm: str, most: int | None = None) -> int:
    """Renew the hash trees of packages that have no tree with this algorithm. Return the number of new trees.

    `most`: the most trees to make; None for no limit. A package that cannot be read is left for a later round.
    """
    made, after = 0, BEFORE_ALL
    while most is None or made < most:
        async with services.database.transaction(EVERYTHING) as tx:
            number = await tx.renewals.get_next_id()
            contracts = await tx.renewals.list_to_hash_anew(algorithm, after, PACKAGES_A_TREE)
        if not contracts:
            break
        hashed = [(each, await _hash_anew(services, each, algorithm)) for each in contracts]
        leaves = [RenewalLeaf(leaf, contract=each) for each, leaf in hashed if leaf]
        if leaves and not await _renew(services, _NewRenewal(number, algorithm, leaves)):
            break
        made, after = made + bool(leaves), contracts[-1]
    return made


async def _hash_anew(services: Services, contract: UUID, algorithm: str) -> bytes | None:
    """Return the leaf of a package: the hash, by the new algorithm, of its items and of its evidence record so far.
    None if the package cannot be read, has no evidence record yet, or one that may not be renewed any more."""
    try:
        found = await get_record(services, contract)
    except UnreadableFile as error:
        log.error("evidence package not hashed anew", contract=str(contract), reason=str(error))
        return None
    if found is None:
        return None
    if found.renewals == MAX_RENEWALS:
        log.error("evidence package not hashed anew: its record is full", contract=str(contract))
        return None

    def leaf() -> bytes:
        files = list(covered_items(found.file).values())
        return group_leaf(renewed_digests(found.record, files, algorithm), algorithm)

    return await asyncio.to_thread(leaf)


@dataclass(frozen=True)
class _NewRenewal:
    """A renewal to be made.

    `number`: its id, read before its leaves. If another process has used this id meanwhile, the leaves are out of date.
    `outlives`: when the first of the renewed certificates expires; None for packages hashed anew.
    """

    number: int
    algorithm: str
    leaves: Sequence[RenewalLeaf]
    outlives: datetime | None = None


async def _renew(services: Services, new: _NewRenewal) -> bool:
    """Obtain one timestamp over a tree of the leaves, and store it.

    Return False and store nothing if another process has renewed something meanwhile, or if the new timestamp's
    certificate does not expire later than the old ones: the records would become longer, but not last longer.
    """
    tree = await asyncio.to_thread(HashTree, [each.leaf for each in new.leaves], new.algorithm)
    async with services.database.transaction(EVERYTHING) as tx:
        attempt = await tx.signatures.begin_attempt("renewal", None, None, tx.now)
    token = await _timestamp(services, attempt, tree.root)
    gains = new.outlives is None or read_timestamp(token).certificate.not_valid_after > new.outlives
    async with services.database.transaction(EVERYTHING) as tx:
        if not gains:
            await tx.signatures.end_attempt(attempt, tx.now, failure="the service's certificate ends no later")
            log.error("evidence not renewed: the timestamp service needs a certificate that ends later")
            return False
        await tx.signatures.end_attempt(attempt, tx.now)
        facts = (new.number, new.algorithm, new.outlives is None, len(new.leaves), tree.root, token, tx.now)
        return await tx.renewals.add(Renewal(*facts), new.leaves)


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
