"""Open an attachment of a signer, which is stored encrypted."""

from __future__ import annotations

import asyncio
from uuid import UUID

from hub.lifecycle.services import Services
from hub.model.staff.scope import Scope
from hub.store.contract.answers import SealedContent, open_content


async def read_attachment(services: Services, scope: Scope, contract: UUID, attachment_id: UUID) -> tuple[str, bytes]:
    """Return the media type and the content of an attachment. Raises NotFound, UnreadableFile."""
    async with services.database.transaction(scope) as tx:
        attachment, key = await tx.answers.get_attachment(contract, attachment_id)
    sealed = SealedContent(await services.files.get(attachment.file), key)
    return attachment.media_type, await asyncio.to_thread(open_content, attachment.id, sealed)
