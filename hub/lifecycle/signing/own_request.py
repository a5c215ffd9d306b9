"""Find the signature request of a session. No other session may see or sign it."""

from __future__ import annotations

from uuid import UUID

from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import check_session, no_such_request, refuse_pickup_secret
from hub.model.signing.session import SigningSession
from hub.model.signing.signature_request import SignatureRequest
from hub.model.staff.scope import EVERYTHING
from hub.store.signing.signature_requests import opening_of_request
from hub.store.transaction import Transaction


async def load_request(services: Services, secret: str, request_id: UUID) -> tuple[SigningSession, SignatureRequest]:
    """Return a verified session and a request of it. Raises WrongSignature if it is not one, and as `session_of`."""
    refuse_pickup_secret(secret)
    async with services.database.transaction(EVERYTHING, opening_of_request(secret, request_id)) as tx:
        session, request = await tx.signatures.get_with_session(secret, request_id) or (None, None)
        session = check_session(tx, session, agent=True)
    if session.verified_at is None or request is None:
        raise no_such_request()
    return session, request


async def get_own_request(tx: Transaction, session: SigningSession, request_id: UUID) -> SignatureRequest:
    """Return a request of this verified session. Raises WrongSignature if it is not one."""
    request = await tx.signatures.get(request_id)
    if session.verified_at is None or request is None or request.session != session.id:
        raise no_such_request()
    return request
