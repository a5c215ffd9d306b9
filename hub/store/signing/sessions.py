"""Signing sessions, one-time codes, wrong answers, identity checks and pages seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Text, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert

from hub.model.signing.device_key import hash_spki
from hub.model.signing.session import (
    CODE_LIFE,
    CodeHistory,
    DocumentReading,
    PassedIdentityCheck,
    SigningSession,
    hash_secret,
)
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import changed, insert_row, update_row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.signing import (
    IDENTITY_CHECK as CHECK,
    ONE_TIME_CODE as CODE,
    PAGE_SEEN as SEEN,
    SIGNING_SESSION as SESSION,
    WRONG_ANSWER as WRONG,
)

# `hub.store.reminders.due_steps` computes the numbers of these locks in the same way.
_LOCK_PERSONS = SqlStatement(
    text("""
SELECT pg_advisory_xact_lock(number)
FROM (SELECT DISTINCT hashtext(person) AS number FROM unnest(:persons) AS theirs (person) ORDER BY 1) AS ordered
""").bindparams(bindparam("persons", type_=ARRAY(Text())))
)


_FIELDS = set(SigningSession.__dataclass_fields__)
_ADD = insert_row(SESSION, _FIELDS | {"secret_hash"})
_GET_BY_SECRET = SqlStatement(select(SESSION).where(SESSION.c.secret_hash == bindparam("secret")))
# Device key before session, as everybody locks them: a key that is being revoked at this moment counts as revoked.
_USE_CHALLENGE = SqlStatement("""
WITH held AS (SELECT person, revoked_at FROM app_key WHERE spki_hash = :spki_hash FOR SHARE),
known AS (
    SELECT coalesce(bool_or(person <> :person), false) AS is_of_another,
        coalesce(bool_or(revoked_at IS NOT NULL), false) AS is_revoked FROM held
)
UPDATE signing_session SET challenge_used = true FROM known
WHERE id = :session AND NOT challenge_used AND known.is_revoked IS NOT NULL
RETURNING key_challenge AS value, known.is_revoked AS is_key_revoked, known.is_of_another OR EXISTS (
    SELECT FROM signing_session AS other JOIN signer ON signer.id = other.signer
    WHERE other.key_spki = :spki AND signer.person <> :person
) AS is_key_of_another
""")
_CODE_HISTORY = SqlStatement("SELECT * FROM recent_tries(CAST(:persons AS text[]), NULL)")
_ADD_CODE = insert_row(CODE, ("id", "person", "session", "created_at", "expires_at"))
_IS_LIVE = CODE.c.used_at.is_(None) & (CODE.c.expires_at > bindparam("now"))
_END_CODES = SqlStatement(
    CODE.update().where(CODE.c.person == bindparam("owner"), _IS_LIVE).values(expires_at=CODE.c.created_at)
)
_LIVE_CODE = SqlStatement(
    select(CODE.c.id)
    .where(CODE.c.person == bindparam("person"), CODE.c.session == bindparam("session"), _IS_LIVE)
    .order_by(CODE.c.created_at.desc())
    .limit(1)
)
_USE_CODE = update_row(CODE, "used_at")
_WRONG_ANSWERS = SqlStatement(
    select(func.count())
    .select_from(WRONG)
    .where(WRONG.c.person == bindparam("person"), WRONG.c.at >= bindparam("since"))
)
_FORGET_WRONG = SqlStatement(WRONG.delete().where(WRONG.c.person == bindparam("person")))
_ADD_CHECK = insert_row(
    CHECK, ("id", "contract", "signer", "session", "at", "provider", "method", "result", "reference")
)
_NOTE_PAGE = insert_row(SEEN, ("task", "document", "page", "at"), passing_over=True)


@dataclass(frozen=True)
class UsedChallenge:
    """A key challenge that is used up now. `is_key_of_another`: the key that was shown was certified in a session of
    another person, or is a device of theirs. `is_key_revoked`: it is a revoked device."""

    value: bytes | None
    is_key_of_another: bool
    is_key_revoked: bool


class Sessions(Repository):
    async def add(self, session: SigningSession, secret: str) -> None:
        values = {name: getattr(session, name) for name in _FIELDS}
        values |= {"contracts": list(session.contracts), "certificate_chain": list(session.certificate_chain)}
        await self._connection.write(_ADD, values | {"secret_hash": hash_secret(secret)})

    async def find_by_secret(self, secret: str) -> SigningSession | None:
        return await self._connection.find(read_session, _GET_BY_SECRET, {"secret": hash_secret(secret)})

    async def get(self, session: UUID, *, lock: bool = False) -> SigningSession | None:
        statement = select(SESSION).where(SESSION.c.id == session)
        return await self._connection.find(read_session, statement.with_for_update() if lock else statement)

    async def mark_verified(self, session: UUID, contracts: Sequence[UUID], secret: str, at: datetime) -> None:
        """Store that the session is verified, with a new secret. The old secret becomes invalid."""
        values = {"contracts": list(contracts), "secret_hash": hash_secret(secret), "verified_at": at}
        await self._update(session, **values)

    async def end_all(self, signers: Sequence[UUID]) -> None:
        """End all sessions of these signers. Their end is set to their creation, so that transactions with an earlier
        `now` see it as well."""
        theirs = SESSION.update().where(SESSION.c.signer.in_(signers))
        await self._connection.execute(theirs.values(expires_at=SESSION.c.created_at))

    async def lock(self, signers: Sequence[UUID]) -> None:
        """Lock the sessions of these signers, so that none of them is verified before this transaction ends."""
        mine = select(SESSION.c.id).where(SESSION.c.signer.in_(signers)).order_by(SESSION.c.id)
        await self._connection.execute(mine.with_for_update())

    async def new_challenge(self, session: UUID, challenge: bytes) -> None:
        await self._update(session, key_challenge=challenge, challenge_used=False)

    async def use_challenge(self, session: UUID, spki: bytes, person: str) -> UsedChallenge | None:
        """Use up the session's key challenge and return it. Return None if it was used before; only one of two
        concurrent requests gets it. `spki`: the key of this person that is shown; if it is known, it is locked."""
        values = {"session": session, "spki": spki, "spki_hash": hash_spki(spki), "person": person}
        return await self._connection.find(lambda row: UsedChallenge(**row), _USE_CHALLENGE, values)

    async def store_certificate(
        self, session: UUID, spki: bytes, claimed: str, custody: str, chain: Sequence[bytes]
    ) -> None:
        values = {"custody_claimed": claimed, "custody": custody, "certificate_chain": list(chain)}
        await self._update(session, key_spki=spki, **values)

    async def _update(self, session: UUID, **values: Any) -> None:
        await self._connection.write(update_row(SESSION, *values), changed(session, values))

    # ---- codes

    async def lock_persons(self, *persons: str) -> None:
        """Lock these persons until the transaction ends, so that concurrent requests cannot exceed a limit.

        Name several persons in one call: they are locked in the common order.
        """
        if persons:
            await self._connection.execute(_LOCK_PERSONS, {"persons": list(persons)})

    async def get_code_history(self, persons: Sequence[str]) -> CodeHistory:
        """Return the recent wrong answers and codes of these persons, together."""
        return read_code_history((await self._connection.execute(_CODE_HISTORY, {"persons": list(persons)})).one())

    async def add_code(self, person: str, session: UUID, now: datetime) -> UUID:
        """Add a code for this person, and end the earlier ones."""
        await self.end_codes(person, now)
        code = uuid4()
        values = {"id": code, "person": person, "session": session, "created_at": now, "expires_at": now + CODE_LIFE}
        await self._connection.write(_ADD_CODE, values)
        return code

    async def end_codes(self, person: str, at: datetime) -> None:
        """End all live codes of this person."""
        await self._connection.write(_END_CODES, {"owner": person, "now": at})

    async def end_guessed_codes(self, person: str, now: datetime, most: int) -> None:
        """End the live codes of this person that were answered wrongly `most` times."""
        since = (WRONG.c.person == person) & (WRONG.c.at >= CODE.c.created_at)
        wrong = select(func.count()).select_from(WRONG).where(since).correlate(CODE).scalar_subquery()
        guessed = (CODE.c.person == person) & CODE.c.used_at.is_(None) & (CODE.c.expires_at > now) & (wrong >= most)
        await self._connection.execute(CODE.update().where(guessed).values(expires_at=CODE.c.created_at))

    async def find_live_code(self, person: str, session: UUID, now: datetime) -> UUID | None:
        values = {"person": person, "session": session, "now": now}
        code: UUID | None = await self._connection.scalar(_LIVE_CODE, values)
        return code

    async def is_code_live(self, code: UUID, now: datetime) -> bool:
        live = (CODE.c.id == code) & CODE.c.used_at.is_(None) & (CODE.c.expires_at > now)
        return await self._connection.scalar(select(CODE.c.id).where(live)) is not None

    async def use_code(self, code: UUID, at: datetime) -> None:
        await self._connection.write(_USE_CODE, changed(code, {"used_at": at}))

    async def count_wrong_answers(self, person: str, since: datetime) -> int:
        return int(await self._connection.scalar(_WRONG_ANSWERS, {"person": person, "since": since}) or 0)

    async def add_wrong_answer(self, person: str, at: datetime) -> None:
        await self._connection.execute(insert(WRONG).values(person=person, at=at))

    @staticmethod
    def pickup_tries_key(person: str) -> str:
        """Return the key under which tries with a pickup code are counted in the table of wrong answers."""
        return f"pickup:{person}"

    async def forget_pickup_tries(self, person: str) -> None:
        """Forget the tries of a person who has proved the phone: they were no guesses."""
        await self._connection.write(_FORGET_WRONG, {"person": self.pickup_tries_key(person)})

    # ---- identity checks and pages seen

    async def add_identity_check(
        self, session: SigningSession, contract: UUID, signer: UUID, identified: PassedIdentityCheck, at: datetime
    ) -> None:
        values = {"id": uuid4(), "contract": contract, "signer": signer, "session": session.id, "at": at}
        values |= {"provider": identified.provider, "method": identified.method, "result": identified.result}
        await self._connection.write(_ADD_CHECK, values | {"reference": identified.reference or None})

    async def has_matched_identity(self, session: UUID, contract: UUID) -> bool:
        """Return whether an identity check for this contract matched in this session. The person's own declaration does
        not count."""
        found = (CHECK.c.contract == contract) & (CHECK.c.session == session) & (CHECK.c.result == "matched")
        return await self._connection.scalar(select(CHECK.c.id).where(found).limit(1)) is not None

    async def page_seen(self, task: UUID, document: str, page: int, at: datetime) -> None:
        await self._connection.write(_NOTE_PAGE, {"task": task, "document": document, "page": page, "at": at})

    async def get_reading(self, tasks: Iterable[UUID]) -> dict[UUID, DocumentReading]:
        """Return when the signers of these tasks fetched pages of the document, and how many, by task."""
        first, last = func.min(SEEN.c.at).label("first"), func.max(SEEN.c.at).label("last")
        columns = (SEEN.c.task, first, last, func.count(SEEN.c.page.distinct()).label("pages"))
        statement = select(*columns).where(SEEN.c.task.in_(list(tasks))).group_by(SEEN.c.task)
        rows = await self._connection.execute(statement)
        return {row.task: DocumentReading(row.first, row.last, row.pages) for row in rows}


def read_code_history(row: Row) -> CodeHistory:
    """Return the wrong answers and codes of a row of the function `recent_tries`."""
    return CodeHistory(*(row[name] for name in CodeHistory.__dataclass_fields__))


def read_session(row: Row | Mapping[str, Any]) -> SigningSession:
    """Return the session of a row of the sessions' table."""
    values = {name: row[name] for name in _FIELDS}
    values |= {"contracts": tuple(row["contracts"]), "certificate_chain": tuple(row["certificate_chain"])}
    return SigningSession(**values)
