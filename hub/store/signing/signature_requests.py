"""Signature requests, and attempts to call outside services such as token and timestamp authority.

The chain of a request contains the signer's own certificate. Certificates of authorities, and all those of the seal,
are stored once for all requests: the chain contains their SHA-256, which can be told from a certificate by its length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, ColumnElement, Integer, LargeBinary, bindparam, literal_column, select

from hub.model.signing.session import SigningSession, hash_secret
from hub.model.signing.signature_request import UNFINISHED, Custody, RequestState, SignatureRequest
from hub.store.evidence.record import Record
from hub.store.kernel.connection import Connection, Row
from hub.store.kernel.opening import Opening
from hub.store.kernel.rows import arrays_of, insert_many, insert_row
from hub.store.kernel.statement import SqlStatement
from hub.store.kernel.waiting_writes import AFTER_WRITES
from hub.store.signing.issued_certificates import NO_NEW_REVOCATIONS, KnownRevocations
from hub.store.signing.sessions import read_session
from hub.store.tables.sealing import ATTEMPT
from hub.store.tables.signing import SHARED_CERTIFICATE, SIGNATURE_REQUEST as REQUEST, SIGNING_SESSION as SESSION

_SHARED = ("sha256", "certificate")
_SHARE = insert_many(SHARED_CERTIFICATE, _SHARED, "ON CONFLICT DO NOTHING")
# Each part is looked up by itself: PostgreSQL takes a chain to be so long that a join would read the whole table.
_WHOLE_CHAIN: ColumnElement[Any] = literal_column(
    """ARRAY(SELECT coalesce(
  (SELECT certificate FROM shared_certificate WHERE octet_length(part) = 32 AND sha256 = part), part)
FROM unnest(signature_request.chain) WITH ORDINALITY AS element (part, place) ORDER BY place)""",
    ARRAY(LargeBinary()),
).label("chain")
_OTHER_COLUMNS = [column for column in REQUEST.c if column.name != "chain"]
_COLUMNS = [*_OTHER_COLUMNS, _WHOLE_CHAIN]
_UNFINISHED = REQUEST.c.state.in_(UNFINISHED)
_MINE = REQUEST.c.id == bindparam("request")
_OF_CONTRACT = REQUEST.c.contract == bindparam("contract")
_IS_PREPARED = REQUEST.c.state == RequestState.PREPARED.value
_IS_ACCEPTED = REQUEST.c.state == RequestState.ACCEPTED.value
_FIELDS = set(SignatureRequest.__dataclass_fields__)
_ADD = insert_row(REQUEST, _FIELDS - {"gap"} | {"gap_start", "gap_end"})
_GET = SqlStatement(select(*_COLUMNS).where(_MINE))
# The columns of the session are those of its table; those of the request have a prefix.
_PREFIX = "request_"
_GET_WITH_SESSION = SqlStatement(
    select(
        SESSION,
        *(column.label(_PREFIX + column.name) for column in _OTHER_COLUMNS),
        _WHOLE_CHAIN.label(f"{_PREFIX}chain"),
    )
    .select_from(SESSION.outerjoin(REQUEST, (REQUEST.c.session == SESSION.c.id) & _MINE))
    .where(SESSION.c.secret_hash == bindparam("secret"))
)
REQUESTS = SqlStatement(select(*_COLUMNS).where(_OF_CONTRACT).order_by(REQUEST.c.created_at))
_ALL_UNFINISHED = SqlStatement(select(*_COLUMNS).where(_OF_CONTRACT, _UNFINISHED).order_by(REQUEST.c.created_at.desc()))
_LAST_SIGNED = SqlStatement(
    select(REQUEST.c.id)
    .where(_OF_CONTRACT, REQUEST.c.accepted_at.is_not(None), REQUEST.c.task.is_not(None))
    .order_by(REQUEST.c.accepted_at.desc())
    .limit(1)
)
_HOLDS_REVISION = SqlStatement(select(REQUEST.c.id).where(_OF_CONTRACT, _IS_ACCEPTED).limit(1))
_PAGES_SEEN: ColumnElement[Any] = literal_column(
    """ARRAY(SELECT page FROM page_seen
WHERE page_seen.task = signature_request.task AND page_seen.document = signature_request.base ORDER BY page)""",
    ARRAY(Integer()),
).label("pages_seen")
_ALL_WITH_PAGES = SqlStatement(select(*_COLUMNS, _PAGES_SEEN).where(_OF_CONTRACT).order_by(REQUEST.c.created_at))
# Request before record: the revocation of a key locks them in this order, without the contract's lock.
_ACCEPT = SqlStatement("""
WITH accepted AS (
    UPDATE signature_request SET state = 'ACCEPTED', signature = :made, confirmation = :confirmed, accepted_at = :at
    WHERE id = :request AND state = 'PREPARED' RETURNING contract
)
SELECT accepted.contract, head.entries, head.digest
FROM accepted LEFT JOIN LATERAL lock_records(ARRAY[accepted.contract]) AS head ON true
""")
ATTEMPTS = SqlStatement(
    select(ATTEMPT).where(ATTEMPT.c.contract == bindparam("contract")).order_by(ATTEMPT.c.started_at)
)
# Requests before record, as in `_ACCEPT`: those that lapse too.
_EMBED = SqlStatement(f"""
WITH embedded AS (
    UPDATE signature_request SET state = 'EMBEDDED', embedded_at = :at
    WHERE id = :request AND state = 'ACCEPTED' AND signature = :made AND {NO_NEW_REVOCATIONS} AND {AFTER_WRITES}
    RETURNING contract
), lapsed AS (
    UPDATE signature_request AS other SET state = 'LAPSED' FROM embedded
    WHERE other.contract = embedded.contract AND other.state = 'PREPARED' RETURNING 1
)
SELECT embedded.contract, head.entries, head.digest FROM embedded LEFT JOIN LATERAL
lock_records(CASE WHEN (SELECT count(*) FROM lapsed) >= 0 THEN ARRAY[embedded.contract] END) AS head ON true
""")  # noqa: S608 - text of ours
_EMBED_SEAL = SqlStatement(f"""
UPDATE signature_request AS seal SET signature = :made, accepted_at = coalesce(accepted_at, :at),
    state = CASE WHEN fits THEN 'EMBEDDED' ELSE 'ACCEPTED' END, embedded_at = CASE WHEN fits THEN :at END
FROM (SELECT CAST(:is_wanted AS boolean) AND {NO_NEW_REVOCATIONS} AS fits) AS file
WHERE seal.id = :request AND seal.state = :was
RETURNING seal.state
""")  # noqa: S608 - text of ours
_LAPSE = SqlStatement(
    REQUEST.update().where(_MINE, REQUEST.c.state == bindparam("was")).values(state=RequestState.LAPSED.value)
)
_LAPSE_PREPARED = SqlStatement(
    REQUEST.update().where(_OF_CONTRACT, _IS_PREPARED).values(state=RequestState.LAPSED.value)
)
_BEGUN = ("id", "kind", "contract", "request", "state", "started_at")
_BEGIN_ATTEMPT = insert_many(ATTEMPT, _BEGUN)
_END_ATTEMPT = SqlStatement(
    "UPDATE attempt SET state = given.state, ended_at = given.ended_at, failure = given.failure FROM unnest("
    "CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:ends AS timestamptz[]), CAST(:failures AS text[])"
    ") AS given (id, state, ended_at, failure) WHERE attempt.id = given.id AND attempt.state = 'started'",
    takes_arrays=True,
)


def opening_of_request(secret: str, request: UUID) -> Opening:
    """Return what `Signatures.get_with_session` reads."""
    return Opening(_GET_WITH_SESSION, {"secret": hash_secret(secret), "request": request}, is_all=True)


def opening_of_requests(contract: UUID) -> Opening:
    """Return what `Signatures.list_of_contract` reads."""
    return Opening(REQUESTS, {"contract": contract})


class Signatures:
    def __init__(self, connection: Connection, record: Record) -> None:
        self._connection = connection
        self._record = record

    async def add(self, request: SignatureRequest) -> None:
        values = {name: getattr(request, name) for name in _FIELDS - {"gap"}}
        shared = {
            each: hashlib.sha256(each).digest() for each in (request.chain if request.is_seal else request.chain[1:])
        }
        rows = [{"sha256": sha256, "certificate": each} for each, sha256 in sorted(shared.items())]
        await self._connection.write(_SHARE, arrays_of(_SHARED, rows))
        values |= {"state": request.state.value, "chain": [shared.get(each, each) for each in request.chain]}
        values |= {"gap_start": request.gap[0], "gap_end": request.gap[1]}
        await self._connection.write(_ADD, values)

    async def get(self, request: UUID) -> SignatureRequest | None:
        return await self._connection.find(_request, _GET, {"request": request})

    async def get_with_session(
        self, secret: str, request: UUID
    ) -> tuple[SigningSession, SignatureRequest | None] | None:
        """Return the session with this secret, and the request if it is the session's. Return None if there is no such
        session."""
        values = {"secret": hash_secret(secret), "request": request}
        row = (await self._connection.execute(_GET_WITH_SESSION, values)).first()
        if row is None:
            return None
        own = {name.removeprefix(_PREFIX): value for name, value in row.items() if name.startswith(_PREFIX)}
        return read_session(row), None if own["id"] is None else _request(own)

    async def list_unfinished(self, contract: UUID) -> list[SignatureRequest]:
        """Return the prepared and accepted requests of a contract, newest first. At most one is accepted."""
        return [_request(row) for row in await self._connection.execute(_ALL_UNFINISHED, {"contract": contract})]

    async def is_revision_held(self, contract: UUID) -> bool:
        """Return whether an accepted signature waits to be embedded."""
        return await self._connection.scalar(_HOLDS_REVISION, {"contract": contract}) is not None

    async def find_last_signed(self, contract: UUID) -> UUID | None:
        """Return the request with the newest signature of a signer, or None if nobody has signed."""
        found: UUID | None = await self._connection.scalar(_LAST_SIGNED, {"contract": contract})
        return found

    async def list_of_contract(self, contract: UUID) -> list[SignatureRequest]:
        return [_request(row) for row in await self._connection.execute(REQUESTS, {"contract": contract})]

    async def list_with_pages(self, contract: UUID) -> list[tuple[SignatureRequest, list[int]]]:
        """Return the requests of a contract, each with the pages of its document that the signer's page fetched."""
        rows = await self._connection.execute(_ALL_WITH_PAGES, {"contract": contract})
        return [(_request(row), row["pages_seen"]) for row in rows]

    async def accept(self, request: UUID, signature: bytes, at: datetime, confirmation: bytes | None = None) -> bool:
        """Store the signature of a prepared request, and then lock the record of its contract. Return False if the
        request has lapsed meanwhile because its key was revoked."""
        values = {"request": request, "made": signature, "confirmed": confirmation, "at": at}
        row = (await self._connection.execute(_ACCEPT, values)).first()
        if row is not None:
            self._record.remember_head(row["contract"], row["entries"], row["digest"])
        return row is not None

    async def mark_key_deleted(self, session: UUID, at: datetime) -> list[SignatureRequest]:
        """Store that the browser key of this session was deleted. Return the requests it signed, sorted by contract."""
        theirs = (REQUEST.c.session == session) & (REQUEST.c.custody == Custody.BROWSER.value)
        theirs &= REQUEST.c.key_deleted_at.is_(None) & REQUEST.c.signature.is_not(None)
        statement = REQUEST.update().where(theirs).values(key_deleted_at=at).returning(*_COLUMNS)
        found = [_request(row) for row in (await self._connection.execute(statement))]
        return sorted(found, key=lambda request: request.contract)

    async def mark_embedded(self, request: SignatureRequest, revoked: KnownRevocations, at: datetime) -> bool:
        """Mark a signer's accepted request as embedded, let all prepared requests of its contract lapse, because its
        document has a new revision, and then lock the contract's record.

        Return False, and change nothing, if the request is not accepted any more, was accepted with another signature,
        or if more certificates are revoked than `revoked`. The transaction must not have appended to the record before.
        """
        values = {"request": request.id, "made": request.signature, "at": at, **_known_values(revoked)}
        row = (await self._connection.lock_after_writes(_EMBED, values)).first()
        if row is not None:
            self._record.remember_head(row["contract"], row["entries"], row["digest"])
        return row is not None

    async def embed_seal(
        self, seal: SignatureRequest, was: RequestState, revoked: KnownRevocations | None, at: datetime
    ) -> RequestState | None:
        """Store the seal's signature if it is not stored yet, and mark it as embedded.

        It is ACCEPTED, not EMBEDDED, if `revoked` is None (the file is of no use), or if more certificates are revoked
        by now. Return its state, or None, with nothing changed, if it was not in the state `was`.
        """
        values: dict[str, Any] = {"request": seal.id, "made": seal.signature, "was": was.value, "at": at}
        values |= {"is_wanted": revoked is not None, **_known_values(revoked or KnownRevocations("", ()))}
        row = (await self._connection.write_now(_EMBED_SEAL, values)).first()
        return None if row is None else RequestState(row["state"])

    async def lapse(self, request: UUID, was: RequestState = RequestState.PREPARED) -> bool:
        """Let a request lapse if it is in the state `was`. Return False if it is in another state."""
        return (await self._connection.write_now(_LAPSE, {"request": request, "was": was.value})).rowcount == 1

    async def lapse_prepared(self, contract: UUID) -> None:
        """Let all prepared requests of a contract lapse."""
        await self._connection.write(_LAPSE_PREPARED, {"contract": contract})

    # ---- attempts: one row before each outside call

    async def begin_attempt(self, kind: str, contract: UUID | None, request: UUID | None, at: datetime) -> UUID:
        attempt = uuid4()
        values = {"id": attempt, "kind": kind, "contract": contract, "request": request, "state": "started"}
        await self._connection.write(_BEGIN_ATTEMPT, arrays_of(_BEGUN, [values | {"started_at": at}]))
        return attempt

    async def end_attempt(self, attempt: UUID, at: datetime, failure: str | None = None) -> None:
        values = {"ids": [attempt], "states": ["failed" if failure else "done"], "ends": [at], "failures": [failure]}
        await self._connection.write(_END_ATTEMPT, values)

    async def list_attempts(self, contract: UUID) -> list[dict[str, Any]]:
        return [dict(row) for row in await self._connection.execute(ATTEMPTS, {"contract": contract})]


def _known_values(revoked: KnownRevocations) -> dict[str, Any]:
    return {"authority": revoked.authority, "revoked": revoked.serials}


def _request(row: Row | Mapping[str, Any]) -> SignatureRequest:
    values = {name: row[name] for name in _FIELDS - {"gap"}}
    values |= {"state": RequestState(row["state"]), "chain": tuple(row["chain"])}
    return SignatureRequest(**values, gap=(row["gap_start"], row["gap_end"]))
