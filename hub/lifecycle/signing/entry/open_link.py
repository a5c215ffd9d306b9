"""Open a link: a new session that may only ask for a code. The contract is not changed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from structlog.contextvars import bind_contextvars

from hub.errors import (
    ContractNotFound,
    LinkNotValid,
    NotForAgents,
    NotVerified,
    SessionNotValid,
    WrongSignature,
)
from hub.lifecycle.services import Services
from hub.model.contract.case import Case, Party
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer, SigningTask
from hub.model.school.course import Campus
from hub.model.signing.link import normalise_ticket
from hub.model.signing.pickup_code import is_pickup_secret
from hub.model.signing.session import SigningSession, begin_session
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.cases import (
    FoundVisit,
    opening_lock_with_session,
    opening_with_campus,
    opening_with_session,
)
from hub.store.signing.links import OpenedLink, ShownLink, opening_by_ticket
from hub.store.transaction import Database, Transaction

CHALLENGE_BYTES = 32


@dataclass(frozen=True)
class NewSession:
    """A new session. `secret` is its bearer secret; the database stores only the hash."""

    secret: str
    session: SigningSession
    campus: Campus
    language: str


@dataclass(frozen=True)
class LinkNotice:
    """What the page of a link may show before the one-time code: nothing personal.

    `deadline`: until when something is waiting for the link's signer; None if nothing is.
    """

    campus: Campus
    deadline: datetime | None


@dataclass(frozen=True)
class Visit:
    """A verified session at one contract. `party` is the session's signer there. `has_requests`: whether the contract
    may have a prepared or accepted signature request."""

    session: SigningSession
    case: Case
    party: Party
    has_requests: bool

    @property
    def contract(self) -> Contract:
        return self.case.contract

    @property
    def signer(self) -> Signer:
        return self.party.signer

    @property
    def task(self) -> SigningTask:
        return self.party.task

    @property
    def actor(self) -> str:
        return f"signer:{self.signer.id}"


def new_secret() -> str:
    return secrets.token_urlsafe(32)


async def open_ticket(services: Services, text: str) -> NewSession:
    """Begin a session for the link with this ticket. Raises LinkNotValid for unknown, expired and revoked tickets
    alike."""
    ticket = normalise_ticket(text)
    opening = opening_by_ticket(services.signing.keys, ticket) if ticket else None
    async with services.database.transaction(EVERYTHING, opening) as tx:
        shown = await _find_valid(tx, ticket)
        session = begin_session(shown.link, services.signing.randomness(CHALLENGE_BYTES), tx.now)
        secret = new_secret()
        await tx.sessions.add(session, secret)
    return NewSession(secret, session, shown.campus, shown.language)


async def get_link_notice(tx: Transaction, ticket: str | None) -> LinkNotice:
    """Return what the page of a link may show. Raises LinkNotValid as `open_ticket` does."""
    shown = await _find_valid(tx, ticket)
    return LinkNotice(shown.campus, min((each for each in shown.deadlines if each > tx.planning_now), default=None))


async def find_opened_link(tx: Transaction, secret: str, ticket: str) -> OpenedLink | None:
    """Return a live session of a browser with the valid link of this ticket; None if the link is not valid.

    Raises SessionNotValid, NotForAgents and NotVerified as `session_of` does.
    """
    refuse_pickup_secret(secret)
    opened = await tx.links.find_opened(secret, ticket)
    check_session(tx, opened.session if opened else None)
    return opened if opened and opened.link is not None and opened.link.valid(tx.now) else None


async def _find_valid(tx: Transaction, ticket: str | None) -> ShownLink:
    shown = await tx.links.find_shown(ticket) if ticket else None
    if shown is None or not shown.link.valid(tx.now):
        raise LinkNotValid
    return shown


async def session_of(tx: Transaction, secret: str, *, agent: bool = False, before_code: bool = False) -> SigningSession:
    """Return the live session with this secret.

    Raises SessionNotValid for an unknown, rotated or expired secret, and NotForAgents for the session of a paired
    program unless `agent`. Raises NotVerified for the secret of a pickup-code session unless `before_code`, without
    looking the session up, so that the answer does not reveal whether the pickup code was correct.
    """
    if is_pickup_secret(secret) and not before_code:
        raise NotVerified
    return check_session(tx, await tx.sessions.find_by_secret(secret) if secret else None, agent=agent)


async def signer_of_session(tx: Transaction, secret: str) -> tuple[SigningSession, Signer]:
    """Return a session, verified or not, and the signer whose link was opened. Raises as `session_of` does."""
    found = await tx.cases.get_session_and_signer(secret) if secret else None
    session = check_session(tx, found[0] if found else None)
    assert found is not None
    return session, found[1]


def check_session(tx: Transaction, session: SigningSession | None, *, agent: bool = False) -> SigningSession:
    """Return a session that is live. Raises SessionNotValid, and NotForAgents for that of a paired program unless
    `agent`."""
    if session is None or not session.live(tx.now):
        raise SessionNotValid
    if session.pairing is not None and not agent:
        raise NotForAgents
    return session


async def resume_session(services: Services, secret: str) -> tuple[SigningSession, list[tuple[Contract, SigningTask]]]:
    """Return the session with a fresh key challenge and, if it is verified, its contracts and tasks."""
    async with services.database.transaction(EVERYTHING) as tx:
        session = await session_of(tx, secret, agent=True)
        challenge = services.signing.randomness(CHALLENGE_BYTES)
        await tx.sessions.new_challenge(session.id, challenge)
        contracts = []
        if session.verified_at:
            contracts = await contracts_of(tx, session, (await tx.contracts.get_signer(session.signer)).person)
    return replace(session, key_challenge=challenge), contracts


async def contracts_of(tx: Transaction, session: SigningSession, person: str) -> list[tuple[Contract, SigningTask]]:
    """Return the contracts and tasks of a verified session of this person in the session's order: the link's own
    contract first."""
    visits = [_at(session, await tx.cases.get(contract), person) for contract in session.contracts]
    return [(visit.contract, visit.task) for visit in visits]


async def visit(tx: Transaction, secret: str, contract_id: UUID | None = None, *, agent: bool = False) -> Visit:
    """Return the verified session at one contract, by default the contract whose link was opened.

    Every call after `verify` begins with this function, or with one below that also opens the transaction. Raises
    SessionNotValid, NotVerified, NotForAgents (unless `agent`), and ContractNotFound for a contract that is not in the
    session.
    """
    refuse_pickup_secret(secret)
    return _visit(tx, await tx.cases.get_with_session(secret, contract_id), agent=agent)


async def get_visit(database: Database, secret: str, contract_id: UUID | None, *, agent: bool = False) -> Visit:
    """Return the verified session at one contract, read by one statement. Raises as `visit` does."""
    refuse_pickup_secret(secret)
    async with database.transaction(EVERYTHING, opening_with_session(secret, contract_id, is_all=True)) as tx:
        return await visit(tx, secret, contract_id, agent=agent)


@asynccontextmanager
async def begin_visit(
    database: Database, secret: str, contract_id: UUID | None = None, *, agent: bool = False
) -> AsyncIterator[tuple[Transaction, Visit]]:
    """Begin a transaction by reading the verified session at one contract. Raises as `visit` does."""
    refuse_pickup_secret(secret)
    async with database.transaction(EVERYTHING, opening_with_session(secret, contract_id)) as tx:
        yield tx, await visit(tx, secret, contract_id, agent=agent)


@asynccontextmanager
async def begin_locked_visit(
    database: Database, secret: str, contract_id: UUID | None, *, request: UUID | None = None, agent: bool = False
) -> AsyncIterator[tuple[Transaction, Visit]]:
    """Begin a transaction by locking the contract, and yield the session as it is under the lock.

    `request`: lock the contract of this signature request instead. Raises as `visit` does, and WrongSignature if the
    session did not make the request.
    """
    refuse_pickup_secret(secret)
    opening = opening_lock_with_session(secret, contract_id, request)
    async with database.transaction(EVERYTHING, opening) as tx:
        found = await tx.cases.lock_with_session(secret, contract_id, request)
        if request is not None and found is not None and found.case is None:
            check_session(tx, found.session, agent=True)
            raise no_such_request()
        yield tx, _visit(tx, found, agent=agent)


async def get_visit_with_campus(
    database: Database, secret: str, contract_id: UUID | None, *, agent: bool
) -> tuple[Visit, Campus]:
    """Return the verified session at one contract, and the contract's campus. Raises as `visit` does."""
    refuse_pickup_secret(secret)
    async with database.transaction(EVERYTHING, opening_with_campus(secret, contract_id)) as tx:
        found, campus = await tx.cases.get_with_campus(secret, contract_id)
        visiting = _visit(tx, found, agent=agent)
    assert campus is not None
    return visiting, campus


def no_such_request() -> WrongSignature:
    return WrongSignature("there is no such request in this session")


def refuse_pickup_secret(secret: str) -> None:
    """Raise NotVerified for the secret of a pickup-code session, which is not looked up."""
    if is_pickup_secret(secret):
        raise NotVerified


def check_verified(tx: Transaction, session: SigningSession | None, *, agent: bool = False) -> SigningSession:
    """Return a session that is live and verified. Raises as `check_session` does, and NotVerified."""
    session = check_session(tx, session, agent=agent)
    if session.verified_at is None:
        raise NotVerified
    return session


def _visit(tx: Transaction, found: FoundVisit | None, *, agent: bool) -> Visit:
    session = check_verified(tx, found.session if found else None, agent=agent)
    assert found is not None
    if found.case is None:
        raise ContractNotFound
    return _at(session, found.case, found.person, found.has_requests)


def _at(session: SigningSession, case: Case, person: str, has_requests: bool = True) -> Visit:
    """Return the `Visit` of the link's own signer or, in another contract of the session, of the same person."""
    party = case.find_signer(session.signer) or case.find_person(person)
    if party is None:
        raise ContractNotFound
    bind_contextvars(contract=str(case.contract.id))
    return Visit(session, case, party, has_requests)
