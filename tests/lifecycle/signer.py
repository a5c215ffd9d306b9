"""A signer in this process: the protocol's steps by the lifecycle's own functions, with a key that never signs
blindly."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from hub.errors import TooSoon
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.signing import sign, signer_certificates
from hub.lifecycle.signing.device_keys import KeyEvidence, ShownKey
from hub.lifecycle.signing.entry import open_link, verify_identity
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer, SigningTask, TaskState
from hub.model.signing.link import DoorKind
from hub.model.signing.signature_request import SignatureRequest
from hub.model.staff.scope import EVERYTHING
from qianda.checks import PreparedFile, check_prepared
from qianda.holder import SoftwareKey
from tests.running import Running

STROKES = [[(0.1, 0.2), (0.5, 0.8), (0.9, 0.3)]]


def wrong_code(code: str) -> str:
    """Return a one-time code that is not this one."""
    return f"{(int(code) + 1) % 10**6:06d}"


@dataclass
class Person:
    """One signer of one contract who uses a link. `secret`: the bearer secret of their session."""

    running: Running
    contract: Contract
    signer: Signer
    key: SoftwareKey = field(default_factory=SoftwareKey)
    secret: str = ""
    challenge: bytes = b""
    chain: tuple[bytes, ...] = ()

    async def land(self, door: DoorKind = DoorKind.COPY) -> None:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            ticket = tx.links.ticket(await tx.links.get_for_door(self.signer, door, tx.now))
        landed = await open_link.open_ticket(self.running.hub.services, ticket)
        self.secret, self.challenge = landed.secret, landed.session.key_challenge

    async def ask_code(self) -> str:
        """Ask for a code. Return the code that arrives on the phone on file."""
        before = await self._codes()
        await verify_identity.send_code(self.running.hub.services, self.secret)
        await deliver(self.running)
        await self.running.message("code", self.signer.phone, len(before) + 1)
        return await self.last_code()

    async def _codes(self) -> list[str]:
        return [each["text"] for each in await self.running.messages(self.signer.phone) if each["purpose"] == "code"]

    async def last_code(self) -> str:
        codes = await self._codes()
        return next(word for word in codes[-1].replace("是", " ").split() if word.isdigit() and len(word) == 6)

    async def verify(
        self, code: str, name: str | None = None, tail: str | None = None
    ) -> verify_identity.VerifiedSession:
        verified = await verify_identity.verify(
            self.running.hub.services, self.secret, code, name or self.signer.name, tail or self.signer.id_number[-4:]
        )
        self.secret = verified.secret
        return verified

    async def enter(self, door: DoorKind = DoorKind.COPY) -> verify_identity.VerifiedSession:
        await self.land(door)
        return await self.verify(await self.ask_code())

    async def fresh_challenge(self) -> bytes:
        session, _ = await open_link.resume_session(self.running.hub.services, self.secret)
        self.challenge = session.key_challenge
        return self.challenge

    def proof(self) -> bytes:
        origin = hashlib.sha256(self.running.hub.services.origin.encode()).digest()
        return self.key.sign(b"qianda-key-v1" + self.challenge + origin + self.key.spki)

    async def certify(self) -> tuple[bytes, ...]:
        certified = await signer_certificates.certify_key(
            self.running.hub.services,
            self.secret,
            self.contract.id,
            ShownKey(self.key.spki, self.proof(), "browser"),
            KeyEvidence(),
        )
        self.chain = certified.chain
        return self.chain

    async def shown(self) -> bytes:
        """Return the document as it is now."""
        services = self.running.hub.services
        async with services.database.transaction(EVERYTHING) as tx:
            document = (await tx.contracts.get(self.contract.id)).document
        return await services.files.get(str(document))

    async def prepare(self, shown: bytes | None = None) -> SignatureRequest:
        """Take the lease, and check the prepared file as every client checks it."""
        services = self.running.hub.services
        shown = await self.shown() if shown is None else shown
        consent = sign.consent_for(services, self.contract, self.signer.language)
        agreed = sign.AgreedConsent(consent.version, consent.sha256)
        made = await sign.prepare(
            services,
            self.secret,
            self.contract.id,
            sign.PrepareRequest(hashlib.sha256(shown).hexdigest(), agreed, STROKES),
        )
        request, (start, end) = made.request, made.request.gap
        prepared = await sign.prepared_file(services, self.secret, request.id)
        assert (len(prepared), prepared) == (made.size, shown + made.update)
        ranges = (0, start, end, made.size - end)
        check_prepared(shown, PreparedFile(prepared, ranges, request.to_be_signed), self.chain[0])
        return request

    async def accept(self, request: SignatureRequest, signature: bytes | None = None) -> TaskState:
        signature = signature or self.key.sign(request.to_be_signed)
        return await sign.accept_signature(self.running.hub.services, self.secret, request.id, signature)

    async def sign(self) -> SignatureRequest:
        """Do everything that the last tap does: key, prepare, checks, signature."""
        if not self.chain:
            await self.certify()
        request = await self.prepare()
        assert await self.accept(request) is TaskState.SIGNED
        return request


async def person(running: Running, contract: Contract, number: int = 0) -> Person:
    """Return the `number`-th signer in signing order."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return Person(running, contract, (await tx.contracts.list_signers(contract.id))[number])


async def ready_to_sign(running: Running, contract: Contract, number: int = 0) -> Person:
    """Return the same signer, who has identified and shown a key."""
    somebody = await person(running, contract, number)
    await somebody.enter()
    await somebody.certify()
    return somebody


async def deliver(running: Running) -> None:
    """Send the messages that answer a person's act. A queue would bring them a little later."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        waiting = await tx.deliveries.list_unsettled(tx.planning_now + timedelta(days=1))
    for delivery in waiting:
        await running.hub.services.messaging.router.send_delivery(delivery.id, fresh=True)


async def entered(running: Running, contract: Contract, number: int = 0) -> Person:
    """Open the link and identify. Where other tests share the hub, one of them may have asked for a code for the same
    person a moment ago."""
    somebody = await person(running, contract, number)
    try:
        await somebody.enter()
    except TooSoon as soon:
        running.clock.advance(soon.retry_after or timedelta(minutes=1))
        await somebody.enter()
    return somebody


async def signed(running: Running, contract: Contract, number: int = 0) -> Person:
    """Open the link, identify and sign. The signature is accepted, and the hub has not processed it yet."""
    somebody = await entered(running, contract, number)
    await somebody.sign()
    return somebody


async def completed(running: Running, contract: Contract) -> bytes:
    """Take the hub's own steps. Return the final file."""
    assert await advance(running.hub.services, contract.id) == "COMPLETED"
    return await running.completed(contract)


async def contract_now(running: Running, contract: Contract) -> Contract:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.contracts.get(contract.id)


async def tasks_of(running: Running, contract: Contract) -> list[SigningTask]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.tasks.list_of_contract(contract.id)


async def record_of(running: Running, contract: Contract) -> list[str]:
    """Return the kinds of the record's entries, in order."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [entry.kind for entry in await tx.record.list_entries(contract.id)]


async def staff_tasks(running: Running, contract: UUID | None = None) -> list[str]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [task.kind for task in await tx.staff_tasks.list_open_tasks(contract)]
