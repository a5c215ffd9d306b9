"""Hash trees: the leaves of the next tree, the stored trees, and the comparison of leaves with the present rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Date, bindparam, select, text

from hub.model.evidence.tree import LeafKind, StoredTree, TreeLeaf, record_leaf
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import arrays_of, insert_many, insert_row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.evidence import HASH_TREE as TREE, HASH_TREE_LEAF as LEAF

SCHOOL = "school"
ROWS_AT_ONCE = 1000
_DAY = bindparam("day", type_=Date())
_ADD = insert_row(TREE, StoredTree.__dataclass_fields__, passing_over=True)
_LEAF_COLUMNS = ("day", "position", "kind", "contract", "number", "entries", "leaf")
_ADD_LEAVES = insert_many(LEAF, _LEAF_COLUMNS)
_ALL = SqlStatement(select(TREE).order_by(TREE.c.day))
_NEWEST = SqlStatement(select(TREE).order_by(TREE.c.day.desc()).limit(1))
_GET = SqlStatement(select(TREE).where(TREE.c.day == _DAY))
_LEAVES = SqlStatement(select(LEAF.c.leaf).where(LEAF.c.day == _DAY).order_by(LEAF.c.position))
_GROWN = SqlStatement("""
SELECT head.contract, coalesce(contract.number, :school) AS number, head.entries, head.digest
FROM record_head AS head LEFT JOIN contract ON contract.id = head.contract
WHERE NOT EXISTS (
  SELECT 1 FROM hash_tree_leaf AS leaf
  WHERE leaf.contract = head.contract AND leaf.kind = 'record' AND leaf.entries = head.entries
) ORDER BY head.contract LIMIT :most
""")
_NEW_PACKAGES = SqlStatement("""
SELECT package.contract, contract.number, package.leaf
FROM evidence_package AS package JOIN contract ON contract.id = package.contract
WHERE package.version = 1 AND NOT EXISTS (
  SELECT 1 FROM hash_tree_leaf AS leaf WHERE leaf.contract = package.contract AND leaf.kind = 'package'
) ORDER BY package.contract LIMIT :most
""")
_NEW_FILES = SqlStatement("""
SELECT DISTINCT version.contract, contract.number, decode(version.sha256, 'hex') AS leaf
FROM document_version AS version JOIN contract ON contract.id = version.contract
WHERE version.kind <> 'draft' AND version.erased_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM hash_tree_leaf AS leaf WHERE leaf.contract = version.contract AND leaf.kind = 'file'
    AND leaf.leaf = decode(version.sha256, 'hex')
) ORDER BY version.contract, leaf LIMIT :most
""")
_UNPROVEN = SqlStatement("""
SELECT package.contract, leaf.day, leaf.position
FROM hash_tree_leaf AS leaf JOIN evidence_package AS package ON package.contract = leaf.contract
WHERE leaf.kind = 'package' AND package.version = 1 AND NOT EXISTS (
  SELECT 1 FROM evidence_package AS later WHERE later.contract = package.contract AND later.version = 2
) AND NOT EXISTS (
  SELECT 1 FROM document_version AS gone WHERE gone.contract = package.contract AND gone.erased_at IS NOT NULL
) ORDER BY leaf.day, leaf.position LIMIT :most
""")
_DAY_OF = SqlStatement("SELECT day FROM hash_tree_leaf WHERE contract = :contract AND kind = 'package'")
_COMPARED = SqlStatement(
    text("""
SELECT leaf.kind, leaf.contract, leaf.number, leaf.entries, leaf.leaf,
  entry.digest, contract.number AS number_now, package.leaf AS package_leaf,
  leaf.kind = 'file' AND EXISTS (SELECT FROM document_version AS version
    WHERE version.contract = leaf.contract AND version.sha256 = encode(leaf.leaf, 'hex')) AS is_there
FROM hash_tree_leaf AS leaf
LEFT JOIN record_entry AS entry
  ON leaf.kind = 'record' AND entry.contract = leaf.contract AND entry.sequence = leaf.entries
LEFT JOIN contract ON contract.id = leaf.contract
LEFT JOIN evidence_package AS package
  ON leaf.kind = 'package' AND package.contract = leaf.contract AND package.version = 1
WHERE leaf.day = :day ORDER BY leaf.position
""").bindparams(_DAY)
)
# The triggers that prevent changes of rows, each with its table, and the one that updates the heads of records.
EVIDENCE_TRIGGERS = frozenset(
    {
        *((table, "keep_evidence") for table in ("record_entry", "evidence_package", "evidence_addendum")),
        *((table, "keep_evidence") for table in ("hash_tree", "hash_tree_leaf", "hash_tree_receipt")),
        *((table, "keep_evidence") for table in ("evidence_renewal", "evidence_renewal_leaf")),
        ("record_entry", "follow_record"),
    }
)
_TRIGGERS_ON = SqlStatement("""
SELECT tgrelid::regclass::text AS its_table, tgname AS name FROM pg_trigger WHERE tgenabled IN ('O', 'A')
""")


@dataclass(frozen=True)
class UnprovenPackage:
    """A package that has a leaf in the tree of `day`, but no version 2 yet."""

    contract: UUID
    day: date
    position: int


@dataclass(frozen=True)
class ComparedLeaf:
    """A leaf, and the same leaf computed from the present rows; None if these rows do not exist any more."""

    stored: TreeLeaf
    now: bytes | None


class HashTrees(Repository):
    async def list_new_leaves(self, limit: int) -> list[TreeLeaf]:
        """Return leaves, at most `limit` of each kind: of records that have grown since their last leaf, and of files
        and packages without one."""
        heads = await self._connection.execute(_GROWN, {"school": SCHOOL, "most": limit})
        leaves = [record_leaf(row["contract"], row["number"], row["entries"], row["digest"]) for row in heads]
        for kind, statement in ((LeafKind.FILE, _NEW_FILES), (LeafKind.PACKAGE, _NEW_PACKAGES)):
            rows = await self._connection.execute(statement, {"most": limit})
            leaves += [TreeLeaf(kind, row["contract"], row["number"], 0, row["leaf"]) for row in rows]
        return leaves

    async def add(self, tree: StoredTree, leaves: Sequence[TreeLeaf]) -> bool:
        """Store a tree with its leaves, in their order. Return False, and store nothing, if the day has a tree."""
        if (await self._connection.write_now(_ADD, vars(tree))).rowcount != 1:
            return False
        rows = [
            vars(leaf) | {"kind": leaf.kind.value, "day": tree.day, "position": position}
            for position, leaf in enumerate(leaves)
        ]
        await self._connection.write_now(_ADD_LEAVES, arrays_of(_LEAF_COLUMNS, rows))
        return True

    async def get(self, day: date) -> StoredTree | None:
        return await self._connection.find(lambda row: StoredTree(**row), _GET, {"day": day})

    async def find_newest(self) -> StoredTree | None:
        return await self._connection.find(lambda row: StoredTree(**row), _NEWEST)

    async def list_all(self) -> list[StoredTree]:
        return [StoredTree(**row) for row in await self._connection.execute(_ALL)]

    async def list_leaves(self, day: date) -> list[bytes]:
        return await self._connection.scalars(_LEAVES, {"day": day})

    async def find_day(self, contract: UUID) -> date | None:
        """Return the day of the tree with the contract's package; None if no tree has it yet."""
        day: date | None = await self._connection.scalar(_DAY_OF, {"contract": contract})
        return day

    async def list_unproven(self, limit: int) -> list[UnprovenPackage]:
        return [UnprovenPackage(**row) for row in await self._connection.execute(_UNPROVEN, {"most": limit})]

    async def list_compared_leaves(self, day: date) -> AsyncIterator[ComparedLeaf]:
        """Yield each leaf of a tree, in order, with the same leaf computed from the present rows."""
        async for row in self._connection.stream(_COMPARED, {"day": day}, ROWS_AT_ONCE):
            yield _compared(row)

    async def list_missing_triggers(self) -> list[str]:
        """Return those of EVIDENCE_TRIGGERS that are switched off or do not exist, as `trigger of table`."""
        enabled = {(row["its_table"], row["name"]) for row in await self._connection.execute(_TRIGGERS_ON)}
        return sorted(f"{name} of {table}" for table, name in EVIDENCE_TRIGGERS - enabled)


def _compared(row: Row) -> ComparedLeaf:
    kind = LeafKind(row["kind"])
    stored = TreeLeaf(kind, row["contract"], row["number"], row["entries"], row["leaf"])
    if kind is LeafKind.TREE:
        return ComparedLeaf(stored, stored.leaf)
    if kind is LeafKind.FILE:
        return ComparedLeaf(stored, stored.leaf if row["is_there"] else None)
    if kind is LeafKind.PACKAGE:
        return ComparedLeaf(stored, row["package_leaf"])
    number = row["number_now"] or (SCHOOL if stored.number == SCHOOL else None)
    if row["digest"] is None or number is None:
        return ComparedLeaf(stored, None)
    return ComparedLeaf(stored, record_leaf(row["contract"], number, row["entries"], row["digest"]).leaf)
