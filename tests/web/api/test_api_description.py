"""The OpenAPI document describes what exists, and the API answers as it says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, given, settings, strategies as st
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as checked
from yarl import URL

from hub.model.staff.scope import EVERYTHING
from hub.web.app import make_app
from tests.running import GUARDIAN_ID, MINOR_ID, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
EXAMPLES = 4


async def document(running: Running) -> dict[str, Any]:
    async with running.http.get(f"{running.origin}/api/openapi.json") as answer:
        assert answer.status == 200
        return dict(await answer.json())


async def test_every_route_is_described_and_every_description_is_a_route(running: Running) -> None:
    described = {
        (method.upper(), path) for path, methods in (await document(running))["paths"].items() for method in methods
    }
    routed = {
        (route.method, route.resource.canonical)
        for route in make_app(running.hub).router.routes()
        if isinstance(route.resource, web.Resource) and route.resource.canonical.startswith("/api/v1/")
    }
    assert described == routed and len(routed) == 33


async def test_every_operation_tells_its_problems_and_its_key(running: Running) -> None:
    for path, methods in (await document(running))["paths"].items():
        for method, operation in methods.items():
            assert operation["security"] == [{"key": []}] and {"401", "503"} <= set(operation["responses"]), path
            names = {parameter["name"] for parameter in operation.get("parameters", [])}
            assert ("Idempotency-Key" in names) == (method == "post" and path != "/api/v1/verify")
            assert ("id" in names) == ("{id}" in path)
            assert ("408" in operation["responses"]) == (path == "/api/v1/verify")


async def test_a_body_that_is_too_long_is_described_with_its_limit(running: Running) -> None:
    described = (await document(running))["paths"]["/api/v1/contracts"]["post"]["responses"]
    headers = {"Authorization": f"Bearer {running.api_key}", "Content-Type": "application/json"}
    for size, status in ((256 * 1024, 422), (256 * 1024 + 1, 413)):
        body = b'{"campus": "' + b"A" * (size - 14) + b'"}'
        assert len(body) == size
        async with running.http.post(f"{running.origin}/api/v1/contracts", data=body, headers=headers) as answer:
            assert (answer.status, answer.content_type) == (status, "application/problem+json")
            assert str(answer.status) in described and answer.content_type in described[str(status)]["content"]
    assert "256 KiB" in described["413"]["description"]


async def test_a_compressed_body_is_refused_as_described(running: Running) -> None:
    headers = {"Authorization": f"Bearer {running.api_key}", "Content-Encoding": "gzip"}
    for path, methods in (await document(running))["paths"].items():
        if "post" in methods:
            url = running.origin + path.format(id=uuid4(), signer=uuid4(), grant=uuid4())
            async with running.http.post(url, data=b"packed", headers=headers) as answer:
                assert answer.status == 415
        assert all(("415" in operation["responses"]) == (method == "post") for method, operation in methods.items())


async def test_a_contract_that_somebody_has_to_approve_is_refused_as_described(running: Running) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        course = await tx.school.get_course("hefei", "english-b")
        await tx.school.put_course(replace(course, details=dict(course.details) | {"approval": True}))
    guardian = {"role": "guardian", "name": "陈建国", "phone": "+8619000000101", "id_number": GUARDIAN_ID}
    student = {"name": "陈小满", "id_number": MINOR_ID}
    asked = {"campus": "hefei", "course": "english-b", "student": student, "signers": [guardian]}
    headers = {"Authorization": f"Bearer {running.api_key}"}
    async with running.http.post(f"{running.origin}/api/v1/contracts", json=asked, headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "approval-needed")
    posts = {path: each["post"] for path, each in (await document(running))["paths"].items() if "post" in each}
    told = [path for path, post in posts.items() if "`approval-needed`" in str(post["responses"].get("409"))]
    assert sorted(told) == ["/api/v1/contracts", "/api/v1/contracts/{id}/reissue"]


async def test_only_uploads_are_said_to_be_counted(running: Running) -> None:
    posts = {path: each["post"] for path, each in (await document(running))["paths"].items() if "post" in each}
    counted = [path for path, post in posts.items() if "`many-key-uploads`" in str(post["responses"].get("429"))]
    assert sorted(counted) == ["/api/v1/documents", "/api/v1/seal-jobs"]


@pytest.mark.parametrize("length", ["Content-Length: 200000", "Transfer-Encoding: chunked"])
async def test_the_body_of_a_stranger_is_not_waited_for(running: Running, length: str) -> None:
    address = URL(running.origin)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = f"POST /api/v1/contracts HTTP/1.1\r\nHost: school\r\nAuthorization: Bearer wrong\r\n{length}\r\n\r\n"
    writer.write(head.encode())
    assert (await asyncio.wait_for(reader.readline(), 60)).startswith(b"HTTP/1.1 401 ")
    writer.close()


async def test_answers_conform_to_the_description(running: Running) -> None:
    """Schemathesis makes valid and invalid requests from the document. No answer may be a 5xx or undescribed."""
    schema = schemathesis.openapi.from_dict(await document(running))
    operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    assert len(operations) == 33
    await asyncio.to_thread(_probe_all, operations, running)


def _probe_all(operations: Sequence[Any], running: Running) -> None:
    for operation in operations:
        _probe(operation, running)


def _probe(operation: Any, running: Running) -> None:
    headers = {"Authorization": f"Bearer {running.api_key}"}

    @given(
        case=st.one_of(
            operation.as_strategy(), operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
        )
    )
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def answers(case: Any) -> None:
        response = case.call(base_url=running.origin, headers=headers, timeout=120)
        checks = [
            schemathesis.checks.not_a_server_error,
            checked.status_code_conformance,
            checked.content_type_conformance,
            checked.response_schema_conformance,
        ]
        case.validate_response(response, checks=checks)

    answers()
