"""A program on the signer's own computer joins the visit of a page, to sign there with the person's USB token.

The page shows a code, the program claims it. It gets a session of its own, for one contract and for signing alone; the
person confirms on the page the certificate that the program found, and before that nothing can be signed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid4

from hub.errors import NotConfirmed, PairingNotValid
from hub.lifecycle.services import Parts
from hub.lifecycle.signing.audit_refusals import note_refused_program
from hub.lifecycle.signing.open_link import CHALLENGE_BYTES, Visit, new_secret, session_of, visit
from hub.lifecycle.signing.signing_order import check_turn
from hub.model.contract.signer import TaskState
from hub.model.school.course import Campus
from hub.model.signing.pairing import (
    AGENT_LIFE,
    CODE_BYTES,
    PAIRING_LIFE,
    Pairing,
    PairingState,
    normalised_code,
    pairing_code,
)
from hub.model.signing.session import SigningSession
from hub.model.staff.accounts import EVERYTHING
from hub.store.unit import Unit


@dataclass(frozen=True)
class Claimed:
    """What the program gets: `secret` is the bearer of its session."""

    secret: str
    session: SigningSession
    campus: Campus
    language: str


@dataclass(frozen=True)
class Standing:
    """Where a pairing is. `certificate` (DER) and what was proved of its key, once the program has one."""

    pairing: Pairing
    state: PairingState
    task: TaskState
    certificate: bytes | None
    custody: str | None


async def begin(parts: Parts, secret: str, contract_id: UUID | None) -> tuple[str, Pairing]:
    """A code for the program; an earlier one of this page, and the program that came by it, are at an end."""
    async with parts.database.unit(EVERYTHING) as unit:
        visiting = await visit(unit, secret, contract_id)
        check_turn(visiting.contract, visiting.task)
        code = pairing_code(parts.randomness(CODE_BYTES))
        pairing = Pairing(
            uuid4(), visiting.session.id, visiting.contract.id, unit.now,
            min(unit.now + PAIRING_LIFE, visiting.session.expires_at),
        )  # fmt: skip
        await unit.pairings.add(pairing, code)
    return code, pairing


async def claim(parts: Parts, text: str) -> Claimed:
    """Raises PairingNotValid for unknown, used, expired and ended codes, all alike."""
    code = normalised_code(text)
    if code is None:
        raise PairingNotValid
    async with parts.database.unit(EVERYTHING) as unit:
        agent = uuid4()
        pairing = await unit.pairings.claim(code, agent, unit.now)
        page = await unit.sessions.get(pairing.session) if pairing else None
        if pairing is not None and page is not None and page.live(unit.now):
            return await _join(parts, unit, pairing, page, agent)
        used = await unit.pairings.claimed_by_code(code)
        if pairing is None and used is not None:
            await note_refused_program(unit, used)
    raise PairingNotValid


async def _join(parts: Parts, unit: Unit, pairing: Pairing, page: SigningSession, agent: UUID) -> Claimed:
    person = (await unit.contracts.signer(page.signer)).person
    signer = next(one for one in await unit.contracts.signers(pairing.contract) if one.person == person)
    session = SigningSession(
        id=agent, link=page.link, contract=pairing.contract, signer=signer.id, created_at=unit.now,
        expires_at=min(unit.now + AGENT_LIFE, page.expires_at), key_challenge=parts.randomness(CHALLENGE_BYTES),
        contracts=(pairing.contract,), verified_at=unit.now, pairing=pairing.id,
    )  # fmt: skip
    secret = new_secret()
    await unit.sessions.add(session, secret)
    facts = {"pairing": str(pairing.id)}
    await unit.record.append(pairing.contract, signer.campus, "agent-paired", f"signer:{signer.id}", facts)
    return Claimed(secret, session, await unit.school.campus(signer.campus), signer.language)


async def standing(parts: Parts, secret: str) -> Standing:
    """To the page and to its program alike. Raises PairingNotValid where there was none."""
    async with parts.database.unit(EVERYTHING) as unit:
        session = await session_of(unit, secret, agent=True)
        pairing = await _of(unit, session)
        task = (await visit(unit, secret, pairing.contract, agent=True)).task
        agent = await unit.sessions.get(pairing.agent) if pairing.agent else None
    return Standing(
        pairing, pairing.state(parts.clock()), task.state, pairing.certificate, agent.custody if agent else None
    )


async def _of(unit: Unit, session: SigningSession) -> Pairing:
    pairing = await (unit.pairings.get(session.pairing) if session.pairing else unit.pairings.latest_of(session.id))
    if pairing is None:
        raise PairingNotValid
    return pairing


async def confirm(parts: Parts, secret: str, certificate_sha256: str) -> None:
    """The person says on the page that this certificate is theirs. Raises NotConfirmed when the program has another
    one meanwhile, PairingNotValid when it is at an end."""
    async with parts.database.unit(EVERYTHING) as unit:
        pairing, visiting = await _own(unit, secret)
        if pairing.state(unit.now) not in (PairingState.CERTIFIED, PairingState.CONFIRMED):
            raise PairingNotValid
        shown = pairing.certificate or b""
        if hashlib.sha256(shown).hexdigest() != certificate_sha256:
            raise NotConfirmed("the program has another certificate now")
        if not await unit.pairings.confirm(pairing.id, shown, unit.now):
            raise NotConfirmed("the program has another certificate now")
        facts = {"pairing": str(pairing.id), "certificate_sha256": certificate_sha256}
        await unit.record.append(pairing.contract, visiting.contract.campus, "agent-confirmed", visiting.actor, facts)


async def end(parts: Parts, secret: str) -> None:
    """The person wants no program to sign, or not this one: its session is dead from now on."""
    async with parts.database.unit(EVERYTHING) as unit:
        pairing, visiting = await _own(unit, secret)
        await unit.pairings.end_all(visiting.session.id, unit.now)
        facts = {"pairing": str(pairing.id)}
        await unit.record.append(pairing.contract, visiting.contract.campus, "agent-ended", visiting.actor, facts)


async def _own(unit: Unit, secret: str) -> tuple[Pairing, Visit]:
    """Of a page, never of the program itself."""
    session = await session_of(unit, secret)
    pairing = await _of(unit, session)
    return pairing, await visit(unit, secret, pairing.contract)
