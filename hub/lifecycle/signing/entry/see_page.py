"""Record which pages of a contract a visitor fetches."""

from __future__ import annotations

from uuid import UUID

from structlog.contextvars import bind_contextvars

from hub.errors import ContractNotFound, NotFound
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import check_verified, refuse_pickup_secret
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.cases import SeenPages, opening_see_pages


async def see_page(services: Services, secret: str, contract_id: UUID | None, page: int) -> SeenPages:
    """Record as evidence that the visitor fetches this page, unless their task is final.

    `page`: counted from 1. Raises as `visit` does, and NotFound for a page that the document does not have.
    """
    refuse_pickup_secret(secret)

    async def note(pages: set[int]) -> SeenPages:
        opening = opening_see_pages(secret, contract_id, pages, services.clock())
        async with services.database.transaction(EVERYTHING, opening) as tx:
            seen = await tx.cases.see_pages(opening)
            check_verified(tx, seen.session if seen else None)
        assert seen is not None
        return seen

    seen = await services.signing.page_fetches.add(secret, contract_id, page, note)
    if seen.task is None or seen.document is None:
        raise ContractNotFound
    bind_contextvars(contract=str(seen.contract))
    if not 1 <= page <= seen.pages:
        raise NotFound("there is no such page")
    assert seen.task.final or seen.is_noted, "a page is given out only after it was noted"
    return seen
