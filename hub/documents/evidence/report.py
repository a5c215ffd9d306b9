"""Write the texts for people in a package: report, application form, and instructions for checking. GB/T 39321-2020."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hub.documents.evidence.package_items import find_application
from hub.model.contract.case import Party
from hub.model.contract.contract import ContractState
from hub.model.evidence.package import PackageFacts

FOLDER: Final = Path(__file__).parents[2] / "templates" / "evidence"
_STATES: Final[Mapping[ContractState, tuple[str, str]]] = {
    ContractState.COMPLETED: ("已完成", "completed"),
    ContractState.DECLINED: ("已拒签", "declined"),
    ContractState.EXPIRED: ("已过期", "expired"),
    ContractState.VOIDED: ("已撤回", "withdrawn"),
    ContractState.SIGNED_ON_PAPER: ("纸质签署", "signed on paper"),
}


def package_texts(facts: PackageFacts, school: str, origin: str, made_at: datetime) -> dict[str, bytes]:
    """Return the texts by the names of their items."""
    contract = facts.case.contract
    zh, en = _STATES[contract.state]
    values = {
        "contract": contract,
        "school": school,
        "origin": origin,
        "made_at": made_at,
        "state": {"zh": zh, "en": en},
        "completed": contract.state is ContractState.COMPLETED,
        "versions": facts.versions,
        "parties": [_party(facts, party) for party in facts.case.parties],
        "seals": facts.seals,
        "messages": len(facts.deliveries),
        "reminders": len(facts.ledger),
        "entries": len(facts.entries),
        "head": facts.entries[-1].digest.hex(),
        "time": _time,
    }
    pages = {
        f"report/{name}": _pages().get_template(name).render(values) for name in ("report.html", "application.html")
    }
    return {"CHECK.md": (FOLDER / "CHECK.md").read_bytes(), **{name: page.encode() for name, page in pages.items()}}


def _party(facts: PackageFacts, party: Party) -> dict[str, Any]:
    return {
        "signer": party.signer,
        "task": party.task,
        "identities": [check for check in facts.identities if check.signer == party.signer.id],
        "pages": [page for page in facts.pages if page.task == party.task.id],
        "signatures": [
            {
                "request": request,
                "certificate_sha256": hashlib.sha256(request.chain[0]).hexdigest(),
                "applied": find_application(facts, request),
            }
            for request in facts.signatures_of(party)
        ],
    }


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else "-"


@cache
def _pages() -> Environment:
    return Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
