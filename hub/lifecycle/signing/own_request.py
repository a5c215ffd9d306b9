"""Find the signature request of a session. No other session may see or sign it."""

from __future__ import annotations

from uuid import UUID

from hub.lifecycle.services import Services
from hub.lifecycle.signing.open_link import no_such_request, opening_of_session, session_of
from hub.model.signing.session import SigningSession
from hub.model.signing.signature_request import SignatureRequest
from hub.model.staff.accounts import EVERYTHING
from hub.store.transaction import Transaction


async def load_request(services: Services, secret: str, request_id: UUID) -> tuple[SigningSession, SignatureRequest]:
    async with services.database.transaction(EVERYTHING, opening_of_session(secret)) as tx:
        session = await session_of(tx, secret, agent=True)
        return session, await get_own_request(tx, session, request_id)


async def get_own_request(tx: Transaction, session: SigningSession, request_id: UUID) -> SignatureRequest:
    """Return a request of this verified session. Raises WrongSignature if it is not one."""
    request = await tx.signatures.get(request_id)
    if session.verified_at is None or request is None or request.session != session.id:
        raise no_such_request()
    return request
