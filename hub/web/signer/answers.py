"""Parts shared by answers of the signing protocol."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web

from hub.errors import ContractNotFound
from hub.model.contract.contract import Contract
from hub.model.contract.signer import SigningTask
from hub.model.school.course import Campus
from hub.web.http.app_keys import HUB
from hub.web.http.ids import read_id
from hub.web.pages.i18n import chosen_language


def base64(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def school_and_campus(request: web.Request, campus: Campus, language: str) -> dict[str, str]:
    """Return the names of school and campus in the visitor's chosen language, otherwise in `language`, the signer's."""
    reads = chosen_language(request) or language
    school = request.app[HUB].settings.school.named(reads)
    return {"school": school, "campus": campus.named(reads), "language": language}


def contracts_json(contracts: Sequence[tuple[Contract, SigningTask]]) -> list[dict[str, str]]:
    return [
        {"id": str(contract.id), "title": contract.title, "state": contract.state.value, "task": task.state.value}
        for contract, task in contracts
    ]


def contract_id(request: web.Request) -> UUID | None:
    text = request.query.get("id")
    return read_id(text, ContractNotFound) if text else None
