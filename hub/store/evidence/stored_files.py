"""Find the stored files that rows need, and those that nobody needs any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, Text, Uuid, bindparam, text

from hub.errors import FileErased
from hub.model.evidence.file_parts import ContractFiles, StoredVersion
from hub.store.files.content_addressed import FilePart, FilePiece, JoinedFile
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement

# The condition on `state` and `prepared_deleted_at` is the same as that of an index with only the remaining requests.
_DONE_WITH = SqlStatement(
    text("""
SELECT request.id, request.contract, request.base, request.prepared, request.state = 'EMBEDDED' AS is_embedded,
  EXISTS (SELECT FROM signature_request AS again
    WHERE again.contract = request.contract AND again.prepared = request.prepared AND (
      again.state IN ('PREPARED', 'ACCEPTED') OR again.state = 'LAPSED' AND again.expires_at > :lapsed_before
      OR again.state = 'EMBEDDED' AND again.embedded_at > :embedded_before)) AS is_needed
FROM signature_request AS request
WHERE request.state IN ('LAPSED', 'EMBEDDED') AND request.prepared_deleted_at IS NULL AND request.id > :after
  AND CASE request.state WHEN 'LAPSED' THEN request.expires_at <= :lapsed_before
    ELSE request.embedded_at <= :embedded_before END
ORDER BY request.id LIMIT :most
""").bindparams(
        bindparam("after", type_=Uuid()),
        bindparam("lapsed_before", type_=DateTime(timezone=True)),
        bindparam("embedded_before", type_=DateTime(timezone=True)),
        bindparam("most", type_=Integer()),
    ),
    plans_for_values=True,
)
_VERSIONS = SqlStatement(
    text("""
SELECT version.id, version.contract, version.sha256, version.size, version.file, contract.document
FROM document_version AS version JOIN contract ON contract.id = version.contract
WHERE version.contract = ANY(:contracts) AND version.kind NOT IN ('issued-ofd', 'final-ofd') ORDER BY version.id
""").bindparams(bindparam("contracts", type_=ARRAY(Uuid())))
)
# The named file must still be a whole version: another process may have turned it into a part.
_PUT_PARTS = SqlStatement(
    text("""
UPDATE document_version SET file = found.file
FROM unnest(CAST(:versions AS bigint[]), CAST(:files AS text[])) AS found (version, file), document_version AS whole
WHERE document_version.id = found.version AND whole.contract = document_version.contract
  AND whole.sha256 = found.file AND whole.file = whole.sha256
""")
)
_FIND_PART = SqlStatement(
    text("""
SELECT sha256, size, file, erased_at FROM document_version WHERE sha256 = :sha256 AND file IS NOT NULL
ORDER BY erased_at NULLS FIRST LIMIT 1
""").bindparams(bindparam("sha256", type_=Text()))
)
_FIND_PIECES = SqlStatement(
    text("SELECT pieces FROM evidence_package WHERE sha256 = :sha256 AND pieces IS NOT NULL LIMIT 1").bindparams(
        bindparam("sha256", type_=Text())
    )
)
_NAMED = SqlStatement(
    text("""
SELECT sha256 FROM document_version WHERE sha256 = ANY(:files) AND file = sha256
UNION SELECT prepared FROM signature_request WHERE prepared = ANY(:files) AND prepared_deleted_at IS NULL
UNION SELECT file FROM evidence_package WHERE file = ANY(:files)
UNION SELECT sha256 FROM evidence_addendum WHERE sha256 = ANY(:files)
UNION SELECT file FROM attachment WHERE file = ANY(:files)
""").bindparams(bindparam("files", type_=ARRAY(Text())))
)
_MARK_DELETED = SqlStatement(
    text("UPDATE signature_request SET prepared_deleted_at = :at WHERE id = ANY(:requests)").bindparams(
        bindparam("at", type_=DateTime(timezone=True)), bindparam("requests", type_=ARRAY(Uuid()))
    )
)


# A backup holds the same lock alone: `hub.store.backup.contents.KEEP_FILES`.
_BEGIN_DELETING = SqlStatement("SELECT pg_try_advisory_xact_lock_shared(hashtextextended('backup', 3))")


@dataclass(frozen=True)
class DoneRequest:
    """A signature request whose prepared file nobody can sign any more. `is_needed`: another request has the same file
    and needs it. `is_embedded`: its signature is in the file that came after `base`."""

    id: UUID
    contract: UUID
    base: str
    prepared: str
    is_embedded: bool
    is_needed: bool


@dataclass(frozen=True)
class DoneBefore:
    """The times before which a lapsed request, or an embedded signature, counts as finished."""

    lapsed: datetime
    embedded: datetime


class StoredFiles(Repository):
    async def begin_deleting(self) -> bool:
        """Lock out backups until this transaction ends. Return False while one is written."""
        return bool(await self._connection.scalar(_BEGIN_DELETING))

    async def list_done_requests(self, before: DoneBefore, after: UUID, limit: int) -> list[DoneRequest]:
        """Return finished requests whose files are not known to be deleted, in the order of their ids, after the id
        `after`."""
        values = {"lapsed_before": before.lapsed, "embedded_before": before.embedded, "after": after, "most": limit}
        return [DoneRequest(**row) for row in await self._connection.execute(_DONE_WITH, values)]

    async def mark_deleted(self, requests: Sequence[UUID], at: datetime) -> None:
        """Note that the files of these requests were deleted."""
        await self._connection.execute(_MARK_DELETED, {"requests": list(requests), "at": at})

    async def list_versions(self, contracts: Iterable[UUID]) -> list[ContractFiles]:
        """Return the versions of the PDFs of these contracts, by contract. No version of an OFD begins another, so each
        keeps its file."""
        found: defaultdict[tuple[UUID, str], list[StoredVersion]] = defaultdict(list)
        for row in await self._connection.execute(_VERSIONS, {"contracts": list(set(contracts))}):
            values = {name: row[name] for name in StoredVersion.__dataclass_fields__}
            found[row["contract"], row["document"]].append(StoredVersion(**values))
        return [ContractFiles(contract, document, versions) for (contract, document), versions in found.items()]

    async def put_parts(self, parts: Mapping[int, str]) -> None:
        """Write that these versions (by id) are the beginning of these files. The caller has locked their contracts."""
        if parts:
            await self._connection.execute(_PUT_PARTS, {"versions": list(parts), "files": list(parts.values())})

    async def find_part(self, sha256: str) -> FilePart | JoinedFile | None:
        """Return where the version, or the evidence package, with this SHA-256 is stored. Raises FileErased."""
        row = (await self._connection.execute(_FIND_PART, {"sha256": sha256})).first()
        if row and row["erased_at"]:
            raise FileErased
        if row:
            return FilePart(row["sha256"], row["size"], row["file"])
        pieces = await self._connection.scalar(_FIND_PIECES, {"sha256": sha256})
        return JoinedFile(sha256, [FilePiece(**piece) for piece in pieces]) if pieces else None

    async def list_named(self, files: Iterable[str]) -> set[str]:
        """Return the files (SHA-256) among these that a row names."""
        return set(await self._connection.scalars(_NAMED, {"files": list(files)}))
