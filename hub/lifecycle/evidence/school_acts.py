"""Acts that concern the school and no contract: each is an entry of the school's own record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.errors import WrongInstallation
from hub.model.evidence.school_record import SCHOOL_KINDS
from hub.store.transaction import Transaction


async def record_act(tx: Transaction, campus: str, kind: str, actor: str, facts: Mapping[str, Any]) -> None:
    """Append one entry, in the transaction of the act. `campus`: whom it concerns; headquarters for all.

    The record is kept under the installation's id. Raises WrongInstallation before `qianda init`.
    """
    if kind not in SCHOOL_KINDS:
        raise ValueError(f"no kind of the school's record: {kind}")
    installation = await tx.school.installation()
    if installation is None:
        raise WrongInstallation("this database is bound to no data folder yet: run `qianda init` first")
    await tx.record.append(installation, campus, kind, actor, facts)
