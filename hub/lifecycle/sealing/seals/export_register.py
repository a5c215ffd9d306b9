"""Export the register of a seal as a file. The school's record has an entry for each export."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub.documents.sealing.register_sheet import OUTCOMES, REASONS, TITLES
from hub.documents.table_file import TableForm, Value, format_table
from hub.errors import BadInput
from hub.lifecycle.sealing.seals.manage_seals import record_seal_act
from hub.lifecycle.services import Services
from hub.model.sealing.seal import Seal
from hub.model.sealing.seal_use import SealUse
from hub.model.staff.scope import Actor

# Lines in one file: about 60 MB in memory.
MAX_LINES = 200_000


@dataclass(frozen=True)
class Period:
    """A period that begins at `since` and ends before `until`."""

    since: datetime
    until: datetime


async def export_register(services: Services, keeper: Actor, seal_id: UUID, period: Period, form: TableForm) -> bytes:
    """Return a file with the uses of this seal that began in the period, oldest first.

    Raises SealNotFound, and BadInput if there are more than MAX_LINES.
    """
    async with services.database.transaction(keeper.scope) as tx:
        seal = await tx.seals.get(seal_id)
        lines: list[Sequence[Value]] = []
        async for use in tx.seal_register.list_uses(seal.id, period.since, period.until):
            lines.append(_line(seal, use))
            if len(lines) > MAX_LINES:
                raise BadInput(f"the period has more than {MAX_LINES} lines: choose a shorter one", field="until")
        facts = {"since": period.since.isoformat(), "until": period.until.isoformat(), "count": len(lines)}
        await record_seal_act(tx, seal, "seal-register-exported", keeper.name, facts)
    return await asyncio.to_thread(format_table, form, TITLES, lines)


def _line(seal: Seal, use: SealUse) -> Sequence[Value]:
    return (
        seal.name,
        use.begun_at.isoformat(timespec="seconds"),
        OUTCOMES[use.outcome],
        REASONS.get(use.reason or "", use.reason or ""),
        use.document_sha256,
        use.about,
        use.asked_by,
        use.campus,
        use.template or "",
        str(use.seal_grant or ""),
        use.count,
        use.tries,
        use.ended_at.isoformat(timespec="seconds") if use.ended_at else "",
        use.result_sha256 or "",
        use.outcome.value,
        use.reason or "",
    )
