"""The signing protocol for what a contract asks its signer for: `POST attachment` and `POST answers`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from aiohttp import web

from hub.errors import ManyUploads
from hub.lifecycle.contract.give_answers import asked_fields, attach, give_answers, newest_attachments
from hub.lifecycle.signing.entry.open_link import get_visit
from hub.model.contract.attachment import MAX_ATTACHMENT_BYTES, Attachment
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from hub.web.http.app_keys import HUB, RATE_LIMITS
from hub.web.http.security import session_secret
from hub.web.http.upload_counts import counted_upload
from hub.web.signer import schemas
from hub.web.signer.answers import contract_id
from hub.web.signer.schemas import body

# The page sends one file after the other.
MAX_UPLOADS_AT_ONCE: Final = 2
UPLOAD_PAUSE: Final = timedelta(seconds=10)


def routes() -> Iterable[web.AbstractRouteDef]:
    return [web.post("/sign/v1/attachment", attachment), web.post("/sign/v1/answers", answers)]


async def attachment(request: web.Request) -> web.Response:
    """Store the body, a photo or PDF, for the field `?name=`."""
    await request.app[RATE_LIMITS].slow_down(request, "attachment")
    secret, asked = session_secret(request), contract_id(request)
    # Refuse an invalid session before the body is received.
    visiting = await get_visit(request.app[HUB].database, secret, asked)
    refusal = ManyUploads(retry_after=UPLOAD_PAUSE)
    with counted_upload(request, visiting.task.id, MAX_UPLOADS_AT_ONCE, refusal):
        uploaded = await schemas.read_body(request, MAX_ATTACHMENT_BYTES)
        given = await attach(request.app[HUB].services, secret, asked, request.query.get("name", ""), uploaded)
    return web.json_response({"media_type": given.media_type, "size": given.size, "sha256": given.sha256}, status=201)


async def answers(request: web.Request) -> web.Response:
    """Lay out the contract with `{values}` and the attachments. Returns the new `document_sha256` and `pages`."""
    asked = await body(request, schemas.AnswersBody)
    await request.app[RATE_LIMITS].slow_down(request, "answers")
    contract = await give_answers(
        request.app[HUB].services, session_secret(request), contract_id(request), asked.values
    )
    return web.json_response({"document_sha256": contract.document, "pages": contract.pages})


def asks_json(contract: Contract) -> dict[str, Any]:
    """Return what the contract asks for. `answered`: whether nothing has to be filled in any more."""
    fields = [
        {
            "name": field.name,
            "label": field.label,
            "kind": field.kind.value,
            "hint": field.hint,
            "required": field.required,
            "options": list(field.options),
        }
        for field in asked_fields(contract)
    ]
    return {"asks": fields, "answered": not contract.lacks_answers}


async def get_attached(request: web.Request, contract: Contract) -> dict[str, Attachment]:
    """Return the attachment of each field that has one."""
    async with request.app[HUB].database.transaction(EVERYTHING) as tx:
        return newest_attachments(await tx.answers.list_attachments(contract.id))
