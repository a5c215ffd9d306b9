"""Record acts that concern the school and no single contract, in the school's record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hub.errors import WrongInstallation
from hub.model.evidence.school_record import SCHOOL_KINDS
from hub.model.school.issue_many import APPROVE_ISSUE, IssueAct, decide_act
from hub.model.staff.accounts import Staff
from hub.model.staff.task_outcome import MOOT
from hub.store.transaction import Transaction


async def record_act(tx: Transaction, campus: str, kind: str, actor: str, facts: Mapping[str, Any]) -> None:
    """Append one entry, in the transaction of the act. `campus`: the campus concerned; headquarters for all campuses.

    The record is kept under the installation's id. Raises WrongInstallation before `qianda init`.
    """
    if kind not in SCHOOL_KINDS:
        raise ValueError(f"unknown kind of entry in the school's record: {kind}")
    installation = await tx.school.find_installation()
    if installation is None:
        raise WrongInstallation("this database is bound to no data folder yet: run `qianda init` first")
    async with tx.all_campuses():
        await tx.record.append(installation, campus, kind, actor, facts)


async def record_staff_act(tx: Transaction, kind: str, staff: Staff, actor: str) -> None:
    """Append an act about an account."""
    facts = {"staff": str(staff.id), "login": staff.login, "campus": staff.campus, "staff_role": staff.role}
    await record_act(tx, staff.campus, kind, actor, facts)


async def record_hub_act(tx: Transaction, kind: str, actor: str, facts: Mapping[str, Any]) -> None:
    """Append an act that concerns the whole hub. It may happen before there is a headquarters."""
    headquarters = await tx.school.find_headquarters()
    await record_act(tx, headquarters.id if headquarters else "", kind, actor, facts)


async def find_key_maker(tx: Transaction, actor: str) -> str | None:
    """Return who added the API key `actor`, and so has seen its secret; None if `actor` is not an API key."""
    system, _, key = actor.partition(":")
    installation = await tx.school.find_installation()
    if system != "api" or installation is None:
        return None
    return await tx.record.find_actor(installation, "key-added", ("api_key", key))


async def record_pruned(tx: Transaction, kind: str, number: int, actor: str | None) -> None:
    """Record that data of this kind were deleted. `actor`: None for the hub's hourly round, which is not recorded."""
    if number and actor is not None:
        await record_hub_act(tx, "pruned", actor, {"kind": kind, "number_of": number})


async def refuse_issue_act(tx: Transaction, act: IssueAct, actor: str) -> None:
    """Refuse an act that waits for a decision, finish the task about it, and record it. Raises ActDecided."""
    await tx.issue_acts.decide(decide_act(act, actor, tx.now, approve=False))
    await tx.staff_tasks.finish_about(APPROVE_ISSUE, act.address, (actor, MOOT), tx.now)
    await record_act(tx, act.campus, "issuing-refused", actor, {"act": str(act.id), "asked_by": act.asked_by})


async def record_seal(tx: Transaction, certificate: bytes, actor: str) -> None:
    """Record that the seal has this certificate (DER) from now on, unless the latest entry already says so."""
    installation = await tx.school.find_installation()
    assert installation is not None  # a hub does not start without an installation
    sha256 = hashlib.sha256(certificate).hexdigest()
    before = [each for each in await tx.record.list_entries(installation) if each.kind == "seal-changed"]
    if before and before[-1].facts.get("certificate_sha256") == sha256:
        return
    await record_hub_act(tx, "seal-changed", actor, {"certificate_sha256": sha256})
