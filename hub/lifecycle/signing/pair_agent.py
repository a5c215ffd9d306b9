"""Pair a program on the signer's own computer with the session of a page, to sign with the signer's USB token.

The page shows a code, which the program claims. The program gets its own session, for one contract and for signing
only. Nothing can be signed until the signer has confirmed on the page the certificate that the program found.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid4

from hub.errors import NotConfirmed, PairingNotValid
from hub.lifecycle.services import Services
from hub.lifecycle.signing.audit_refusals import note_refused_program
from hub.lifecycle.signing.entry.open_link import (
    CHALLENGE_BYTES,
    NewSession,
    Visit,
    begin_visit,
    new_secret,
    session_of,
    visit,
)
from hub.lifecycle.signing.signing_order import check_turn
from hub.model.contract.signer import TaskState
from hub.model.signing.pairing import (
    AGENT_LIFE,
    CODE_BYTES,
    PAIRING_LIFE,
    Pairing,
    PairingState,
    make_pairing_code,
    normalise_pairing_code,
)
from hub.model.signing.session import SigningSession
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction


@dataclass(frozen=True)
class PairingView:
    """The state of a pairing. `certificate` (DER) and proved `custody` of its key: None until the program has them."""

    pairing: Pairing
    state: PairingState
    task: TaskState
    certificate: bytes | None
    custody: str | None


async def begin(services: Services, secret: str, contract_id: UUID | None) -> tuple[str, Pairing]:
    """Return a new code for the program. End the page's earlier code, and the session of a program that claimed it."""
    async with begin_visit(services.database, secret, contract_id) as (tx, visiting):
        check_turn(visiting.contract, visiting.task)
        code = make_pairing_code(services.signing.randomness(CODE_BYTES))
        ends = min(tx.now + PAIRING_LIFE, visiting.session.expires_at)
        pairing = Pairing(uuid4(), visiting.session.id, visiting.contract.id, tx.now, ends)
        await tx.pairings.add(pairing, code)
    return code, pairing


async def claim(services: Services, text: str) -> NewSession:
    """Return a session for the program that claims this code.

    Raises PairingNotValid for unknown, used, expired and ended codes alike.
    """
    code = normalise_pairing_code(text)
    if code is None:
        raise PairingNotValid
    async with services.database.transaction(EVERYTHING) as tx:
        agent = uuid4()
        pairing = await tx.pairings.claim(code, agent, tx.now)
        # Locked, since a change of the phone number ends all sessions of this person, and would miss this new one.
        page = await tx.sessions.get(pairing.session, lock=True) if pairing else None
        if pairing is not None and page is not None and page.live(tx.now):
            return await _join(services, tx, pairing, page, agent)
        used = await tx.pairings.find_claimed(code)
        if pairing is None and used is not None:
            await note_refused_program(tx, used)
    raise PairingNotValid


async def _join(services: Services, tx: Transaction, pairing: Pairing, page: SigningSession, agent: UUID) -> NewSession:
    person = (await tx.contracts.get_signer(page.signer)).person
    signer = next(one for one in await tx.contracts.list_signers(pairing.contract) if one.person == person)
    session = SigningSession(
        id=agent,
        link=page.link,
        contract=pairing.contract,
        signer=signer.id,
        created_at=tx.now,
        expires_at=min(tx.now + AGENT_LIFE, page.expires_at),
        key_challenge=services.signing.randomness(CHALLENGE_BYTES),
        contracts=(pairing.contract,),
        verified_at=tx.now,
        pairing=pairing.id,
    )
    secret = new_secret()
    await tx.sessions.add(session, secret)
    facts = {"pairing": str(pairing.id)}
    await tx.record.append(pairing.contract, signer.campus, "agent-paired", f"signer:{signer.id}", facts)
    return NewSession(secret, session, await tx.school.get_campus(signer.campus), signer.language)


async def get_pairing(services: Services, secret: str) -> PairingView:
    """Return the state of the pairing to the page or its program. Raises PairingNotValid if there is no pairing."""
    async with services.database.transaction(EVERYTHING) as tx:
        session = await session_of(tx, secret, agent=True)
        pairing = await _of(tx, session)
        task = (await visit(tx, secret, pairing.contract, agent=True)).task
        agent = await tx.sessions.get(pairing.agent) if pairing.agent else None
    return PairingView(
        pairing, pairing.state(services.clock()), task.state, pairing.certificate, agent.custody if agent else None
    )


async def _of(tx: Transaction, session: SigningSession) -> Pairing:
    pairing = await (tx.pairings.get(session.pairing) if session.pairing else tx.pairings.find_latest(session.id))
    if pairing is None:
        raise PairingNotValid
    return pairing


async def confirm(services: Services, secret: str, certificate_sha256: str) -> None:
    """Store that the signer confirmed on the page that this certificate is theirs. Idempotent.

    Raises NotConfirmed if the program now has another certificate, PairingNotValid if the pairing has ended, and what
    `check_turn` raises if there is nothing left to sign.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        pairing, visiting = await _own(tx, secret)
        if pairing.state(tx.now) not in (PairingState.CERTIFIED, PairingState.CONFIRMED):
            raise PairingNotValid
        shown = pairing.certificate or b""
        if hashlib.sha256(shown).hexdigest() != certificate_sha256:
            raise NotConfirmed("the program has another certificate now")
        if pairing.confirmed_at is not None:
            return
        check_turn(visiting.contract, visiting.task)
        if not await tx.pairings.confirm(pairing.id, shown, tx.now):
            raise NotConfirmed("the program has another certificate now")
        facts = {"pairing": str(pairing.id), "certificate_sha256": certificate_sha256}
        await tx.record.append(pairing.contract, visiting.contract.campus, "agent-confirmed", visiting.actor, facts)


async def end(services: Services, secret: str) -> None:
    """End the pairing and the program's session, because the signer wants no program to sign, or another program.
    Idempotent."""
    async with services.database.transaction(EVERYTHING) as tx:
        pairing, visiting = await _own(tx, secret)
        if not await tx.pairings.end_all(visiting.session.id, tx.now):
            return
        facts = {"pairing": str(pairing.id)}
        await tx.record.append(pairing.contract, visiting.contract.campus, "agent-ended", visiting.actor, facts)


async def _own(tx: Transaction, secret: str) -> tuple[Pairing, Visit]:
    """Return the pairing and the `Visit` of a page. Raises NotForAgents for the program itself."""
    session = await session_of(tx, secret)
    pairing = await _of(tx, session)
    return pairing, await visit(tx, secret, pairing.contract)
