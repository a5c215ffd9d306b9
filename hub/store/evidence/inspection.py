"""Read the data for an inspection: records, heads and files of all contracts, a few contracts at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, column, func, select, text

from hub.model.evidence.inspection import InspectedContract, RecordHead
from hub.model.evidence.record import RecordEntry
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.contract import CONTRACT, DOCUMENT_VERSION as VERSION
from hub.store.tables.evidence import RECORD_ENTRY as ENTRY, RECORD_HEAD as HEAD
from hub.store.tables.server import INSTALLATION

ROWS_AT_ONCE = 200

# This includes contracts of which only the record, or its head, is left.
_NEXT = SqlStatement(
    text("""
SELECT id FROM (
  (SELECT id FROM contract WHERE id > :after ORDER BY id LIMIT :most)
  UNION (SELECT contract FROM record_head WHERE contract > :after ORDER BY contract LIMIT :most)
  UNION (SELECT DISTINCT contract FROM record_entry WHERE contract > :after ORDER BY contract LIMIT :most)
) AS known ORDER BY id LIMIT :most
""").bindparams(bindparam("after", type_=Uuid())),
    plans_for_values=True,
)
_GIVEN = func.unnest(bindparam("ids", type_=ARRAY(Uuid())))
_THESE = _GIVEN.table_valued(column("id", Uuid()), name="these").render_derived()
_FIELDS = [ENTRY.c[name] for name in RecordEntry.__dataclass_fields__]
# One statement reads one snapshot, even while other transactions write.
_RECORDS = SqlStatement(
    select(
        _THESE.c.id,
        CONTRACT.c.number,
        CONTRACT.c.state,
        CONTRACT.c.document,
        CONTRACT.c.issued_sha256,
        HEAD.c.entries.label("head_entries"),
        HEAD.c.digest.label("head_digest"),
        func.array(
            select(VERSION.c.sha256).where(VERSION.c.contract == _THESE.c.id).correlate(_THESE).scalar_subquery(),
            type_=ARRAY(Text()),
        ).label("versions"),
        # The school's own record is kept under the id of the installation.
        select(INSTALLATION.c.one)
        .where(INSTALLATION.c.installation_id == _THESE.c.id)
        .correlate(_THESE)
        .exists()
        .label("is_school"),
        *_FIELDS,
    )
    .select_from(
        _THESE.outerjoin(CONTRACT, CONTRACT.c.id == _THESE.c.id)
        .outerjoin(HEAD, HEAD.c.contract == _THESE.c.id)
        .outerjoin(ENTRY, ENTRY.c.contract == _THESE.c.id)
    )
    .order_by(_THESE.c.id, ENTRY.c.sequence)
)
# A contract from which a person was erased has no files any more.
_FILES = SqlStatement(
    text("""
SELECT contract.number, sha256, max(size) AS size, coalesce(max(file), sha256) AS file,
  string_agg(DISTINCT what, ', ') AS what FROM (
  SELECT contract, sha256, size, file, kind || ' file' AS what FROM document_version WHERE file IS NOT NULL
  UNION ALL SELECT id, document, NULL, NULL, 'current file' FROM contract WHERE document IS NOT NULL
  UNION ALL SELECT contract, prepared, NULL, NULL, 'prepared file of ' || field FROM signature_request
            WHERE state IN ('PREPARED', 'ACCEPTED')
  UNION ALL SELECT contract, sha256, size, sha256, 'evidence package ' || version FROM evidence_package
  UNION ALL SELECT contract, sha256, size, sha256, 'addendum ' || number FROM evidence_addendum
  UNION ALL SELECT contract, file, NULL, NULL, 'attachment ' || name FROM attachment
) AS named JOIN contract ON contract.id = named.contract
WHERE named.contract = ANY(:ids) AND (:sha256 = '' OR sha256 = :sha256)
  AND NOT EXISTS (SELECT FROM document_version AS gone WHERE gone.contract = contract.id AND gone.erased_at IS NOT NULL)
GROUP BY contract.number, sha256 ORDER BY contract.number, sha256
""").bindparams(bindparam("ids", type_=ARRAY(Uuid())), bindparam("sha256", type_=Text()))
)
_NUMBERS = SqlStatement("""
SELECT year, last, (SELECT count(*) FROM contract WHERE number LIKE 'QD-' || year || '-%')
FROM contract_number ORDER BY year
""")


@dataclass(frozen=True)
class NamedFile:
    """A file named by rows of a contract. `size`: in bytes, if known. `file`: the stored file that begins with it, or
    itself. `what`: the roles of the file."""

    number: str
    sha256: str
    size: int | None
    file: str
    what: str


class Inspection(Repository):
    async def list_next_contracts(self, after: UUID, limit: int) -> list[UUID]:
        return await self._connection.scalars(_NEXT, {"after": after, "most": limit})

    async def list_records(
        self, contracts: Sequence[UUID]
    ) -> AsyncIterator[tuple[InspectedContract, RecordEntry | None]]:
        """Yield each entry with its contract, in order. A contract without entries is yielded once, with None."""
        async for row in self._connection.stream(_RECORDS, {"ids": list(contracts)}, ROWS_AT_ONCE):
            yield _contract(row), _entry(row)

    async def list_files(self, contracts: Sequence[UUID], sha256: str = "") -> list[NamedFile]:
        """Return all files that have to exist, or only those with this SHA-256 (hex)."""
        rows = await self._connection.execute(_FILES, {"ids": list(contracts), "sha256": sha256})
        return [NamedFile(**row) for row in rows]

    async def list_numbers(self) -> list[tuple[int, int, int]]:
        """Return for each year how many contract numbers were given out, and how many contracts have one."""
        return [(row[0], row[1], row[2]) for row in await self._connection.execute(_NUMBERS)]


def _contract(row: Row) -> InspectedContract:
    head = None if row["head_entries"] is None else RecordHead(row["head_entries"], row["head_digest"])
    names = ("id", "number", "state", "document", "issued_sha256", "is_school")
    return InspectedContract(**{name: row[name] for name in names}, head=head, versions=row["versions"])


def _entry(row: Row) -> RecordEntry | None:
    if row["sequence"] is None:
        return None
    return RecordEntry(**{name: row[name] for name in RecordEntry.__dataclass_fields__})
