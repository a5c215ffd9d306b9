"""Generate the OpenAPI 3.1 document from the operations that are routed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from apispec import APISpec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hub.model.contract.own_document import MAX_OWN_DOCUMENT_BYTES
from hub.web.api.endpoint import MAX_BODY_BYTES, Operation
from hub.web.api.schemas import Problem
from hub.web.file_checks import MAX_TOGETHER
from hub.web.http.upload_limits import MAX_FILE_BYTES

REASONS = {
    401: "The API key is missing or not valid.",
    403: "The key lacks the scope that this operation needs.",
    404: "There is no such contract, seal or job for this key.",
    409: "This is not possible in its present state.",
    413: f"The body is longer than {MAX_BODY_BYTES // 1024} KiB.",
    415: "The body has a Content-Encoding: send it uncompressed.",
    422: "The request is wrong; `field` names the part of it. Also: this Idempotency-Key came with another request.",
    429: "Too early; Retry-After says when. Also: the first request with this Idempotency-Key is still running.",
    503: "A part that is needed is unavailable; nothing was lost.",
}
_OF_ISSUING = {409: f"{REASONS[409]} Also: it needs an approval first (`approval-needed`)."}
_OF_UPLOADS = {429: f"{REASONS[429]} Also: several files are being received with this key (`many-key-uploads`)."}
_OF_A_FILE = {
    408: "The file arrives too slowly.",
    413: f"The file is longer than {MAX_FILE_BYTES >> 20} MiB.",
    422: "There is no file in the request.",
    429: "Too many files at a time; Retry-After says when to try again.",
}
_OF_A_PDF = {
    413: f"The file is longer than {MAX_OWN_DOCUMENT_BYTES >> 20} MiB.",
    422: "This PDF cannot be signed; the detail says why.",
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Within 24 hours the same key with the same request gives the first answer again.",
}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}

_NUMBER = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
# The body of an operation that takes a file.
_FILE = {"type": "string", "format": "binary", "minLength": 1, "maxLength": MAX_FILE_BYTES}
_PDF = {"type": "string", "format": "binary", "minLength": 1, "maxLength": MAX_OWN_DOCUMENT_BYTES}
_SIGNER, _GRANT = _ID | {"name": "signer"}, _ID | {"name": "grant"}


def description(operations: Sequence[Operation], origin: str) -> dict[str, Any]:
    spec = APISpec(
        title="Qianda integration API",
        version="1",
        openapi_version="3.1.0",
        servers=[{"url": origin}],
        info={"description": "Issue contracts, hand out links, remind, read what became of them; seal files."},
    )
    spec.components.security_scheme("key", {"type": "http", "scheme": "bearer"})
    schemas, refs = _schemas(operations)
    for name, schema in schemas.items():
        spec.components.schema(name, schema)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas, refs)
    for path, described in paths.items():
        spec.path(path, operations=described)
    return dict(spec.to_dict())


_Mode = Literal["validation", "serialization"]


def _schemas(operations: Sequence[Operation]) -> tuple[dict[str, Any], dict[type[BaseModel], dict[str, str]]]:
    taken: set[type[BaseModel]] = {each.takes for each in operations if each.takes}
    given: set[type[BaseModel]] = {each.gives for each in operations if not isinstance(each.gives, str)} | {Problem}
    wanted: list[tuple[type[BaseModel], _Mode]] = [(model, "validation") for model in taken]
    wanted += [(model, "serialization") for model in given]
    wanted.sort(key=lambda pair: pair[0].__name__)
    refs, made = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    return made["$defs"], {model: {"$ref": refs[model, mode]["$ref"]} for model, mode in wanted}


def _described(
    operation: Operation, schemas: dict[str, Any], refs: dict[type[BaseModel], dict[str, str]]
) -> dict[str, Any]:
    parameters = [each for each in (_ID, _SIGNER, _GRANT, _NUMBER) if f"{{{each['name']}}}" in operation.path]
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Needs a key with the scope `{operation.needs}`.",
        "security": [{"key": []}],
        "responses": _responses(operation, refs),
    }
    content: dict[str, Any]
    if operation.takes_file:
        two = {"type": "array", "minItems": 1, "maxItems": MAX_TOGETHER, "items": _FILE}
        form = {"type": "object", "properties": {"file": two}, "required": ["file"]}
        content = {"application/octet-stream": {"schema": _FILE}, "multipart/form-data": {"schema": form}}
        described["requestBody"] = {"required": True, "content": content}
    elif operation.method == "POST":
        parameters = [*parameters, _IDEMPOTENCY]
    if operation.takes_pdf:
        described["requestBody"] = {"required": True, "content": {"application/octet-stream": {"schema": _PDF}}}
    if operation.takes and operation.method == "POST":
        needed = bool(schemas[operation.takes.__name__].get("required"))
        content = {"application/json": {"schema": refs[operation.takes]}}
        if operation.takes_files:
            content["multipart/form-data"] = {"schema": _form(schemas[operation.takes.__name__])}
        described["requestBody"] = {"required": needed, "content": content}
    elif operation.takes:
        properties = schemas[operation.takes.__name__]["properties"]
        parameters = [*parameters, *(_query(name, schema) for name, schema in properties.items())]
    return described | ({"parameters": parameters} if parameters else {})


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the same request as a form: every field is a text, and files are added."""
    texts = {name: {"type": "string"} for name in schema["properties"]}
    files = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
    return {"type": "object", "properties": texts | {"file": files}, "required": [*schema["required"], "file"]}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a query parameter. A query has no null: an optional parameter is omitted instead."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    plain = {key: value for key, value in kinds[0].items() if key not in ("title", "description")}
    described = {"name": name, "in": "query", "required": False, "schema": plain}
    return described | ({"description": schema["description"]} if "description" in schema else {})


def _responses(operation: Operation, refs: dict[type[BaseModel], dict[str, str]]) -> dict[str, Any]:
    if isinstance(operation.gives, str):
        content: dict[str, Any] = {operation.gives: {"schema": {"type": "string", "format": "binary"}}}
    else:
        content = {"application/json": {"schema": refs[operation.gives]}}
    answers: dict[str, Any] = {str(operation.status): {"description": "Done.", "content": content}}
    expected = {401, 403, 503, *operation.problems}
    expected |= {404} if "{id}" in operation.path else set()
    expected |= {413, 415, 422, 429} if operation.method == "POST" else set()
    expected |= {408} if operation.takes_file else set()
    expected |= {422} if operation.takes else set()
    reasons = REASONS | (_OF_A_FILE if operation.takes_file else _OF_A_PDF if operation.takes_pdf else {})
    if operation.takes_files or operation.takes_pdf:
        reasons |= _OF_UPLOADS
    if operation.name in {"issueContract", "reissueContract"}:
        reasons |= _OF_ISSUING
    for status in sorted(expected):
        problem = {"application/problem+json": {"schema": refs[Problem]}}
        answers[str(status)] = {"description": reasons[status], "content": problem}
    return answers
