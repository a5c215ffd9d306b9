"""Take a PDF of the school's own. The request that issues a contract with it says where people sign on it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator

from aiohttp import web

from hub.errors import BadInput
from hub.lifecycle.contract.lay_out import find_own_document, keep_own_document
from hub.lifecycle.services import Services
from hub.model.contract.own_document import MAX_OWN_DOCUMENT_BYTES, OwnDocument
from hub.web.api.endpoint import ApiCall, Operation, Received
from hub.web.api.schemas import DocumentAsked, DocumentKept
from hub.web.http.app_keys import RATE_LIMITS


class DocumentOperation(Operation):
    """The operation whose body is a PDF."""

    takes_pdf = True

    @contextlib.asynccontextmanager
    async def received(self, request: web.Request) -> AsyncIterator[Received]:
        await request.app[RATE_LIMITS].slow_down(request, "check")
        pdf = await request.clone(client_max_size=MAX_OWN_DOCUMENT_BYTES).read()
        yield Received(None, hashlib.sha256(pdf).digest(), pdf)


async def keep(call: ApiCall) -> DocumentKept:
    """Check the PDF of the request and store it. A file that no contract uses is deleted after a day."""
    assert isinstance(call.attached, bytes)
    if not call.attached:
        raise BadInput("choose a file first", field="document")
    kept = DocumentKept(document=await keep_own_document(call.services, call.attached))
    async with call.transaction() as tx:
        return await call.keep(tx, kept)


def read_document(services: Services, asked: DocumentAsked | None) -> OwnDocument | None:
    """Return the document that a request names. Raises BadInput for a reference that the hub did not make."""
    if asked is None:
        return None
    return OwnDocument(find_own_document(services, asked.document), asked.title, dict(asked.places))
