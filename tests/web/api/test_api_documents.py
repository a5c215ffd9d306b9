"""A PDF of the school's own over the API: kept, issued with its places, and refused where it cannot be signed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub.web.api.endpoint import MAX_UPLOADS_OF_KEY
from tests.lifecycle.contract.test_own_document import PLACES, made, of_the_school
from tests.running import Running
from tests.sealing.clients import new_client
from tests.web.api.test_api_contracts import CONTRACTS, asked

pytestmark = pytest.mark.asyncio(loop_scope="session")
DOCUMENTS = "/api/v1/documents"


@pytest.fixture
def running(hub_of_clerks: Running) -> Running:
    return hub_of_clerks


async def post(
    running: Running, path: str, body: bytes | AsyncIterator[bytes], **headers: str
) -> tuple[int, dict[str, Any]]:
    sent = {"Authorization": f"Bearer {running.api_key}", "Content-Type": "application/pdf"} | headers
    async with running.http.post(f"{running.origin}{path}", data=body, headers=sent) as answer:
        return answer.status, await answer.json(content_type=None)


async def issue(running: Running, document: dict[str, Any], **changes: Any) -> tuple[int, dict[str, Any]]:
    body = json.dumps(asked(document=document, send="none", **changes)).encode()
    return await post(running, CONTRACTS, body, **{"Content-Type": "application/json"})


async def test_a_pdf_is_kept_and_issued_with_its_places(running: Running) -> None:
    once = {"Idempotency-Key": "one-document"}
    kept = await post(running, DOCUMENTS, of_the_school(), **once)
    assert kept[0] == 201 and await post(running, DOCUMENTS, of_the_school(), **once) == kept
    document = {"document": kept[1]["document"], "title": "春游告家长书", "places": dict(PLACES)}
    status, issued = await issue(running, document)
    assert (status, issued["state"]) == (201, "ISSUED"), issued
    status, refused = await issue(running, document | {"places": {"guardian-1": "page:1,60,60", "seal": "anywhere"}})
    assert (status, refused["field"]) == (422, "places")
    status, refused = await issue(running, document | {"document": "0" * 64 + "-" + "0" * 16})
    assert (status, refused["field"]) == (422, "document")
    status, refused = await issue(running, document, template="course")
    assert (status, refused["field"]) == (422, "template")


async def test_what_cannot_be_signed_is_refused(running: Running) -> None:
    status, refused = await post(running, DOCUMENTS, made(password=True))
    assert (status, refused["field"]) == (422, "document") and "protected by a password" in refused["detail"]
    assert (await post(running, DOCUMENTS, b""))[0] == 422
    assert (await post(running, DOCUMENTS, b"%PDF-", Authorization="Bearer nothing"))[0] == 401


@pytest.mark.parametrize(
    ("path", "form"), [(DOCUMENTS, "application/pdf"), ("/api/v1/seal-jobs", "multipart/form-data; boundary=x")]
)
async def test_a_key_has_few_uploads_at_once(running: Running, path: str, form: str) -> None:
    go = asyncio.Event()
    client = await new_client(running)
    secret = running.api_key if path == DOCUMENTS else client.secret

    async def upload() -> tuple[int, dict[str, Any]]:
        async def body() -> AsyncIterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="place"\r\n\r\nacross'
            await go.wait()
            yield b"\r\n--x--\r\n"

        return await post(running, path, body(), **{"Content-Type": form, "Authorization": f"Bearer {secret}"})

    sent = [asyncio.ensure_future(upload()) for _ in range(MAX_UPLOADS_OF_KEY + 1)]
    done, waiting = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    (refused,) = [each.result() for each in done]
    assert (refused[0], refused[1]["code"], refused[1]["retry"]) == (429, "many-key-uploads", True)
    if path != DOCUMENTS:  # the body of a job for an object store brings no file
        json_headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
        assert (await post(running, path, b"{}", **json_headers))[0] == 422
    go.set()
    assert [(await each)[0] for each in waiting] == [422] * MAX_UPLOADS_OF_KEY
    assert (await upload())[0] == 422
