"""Undo an import: delete the enrolments that it added, unless they were used since. An import changes no older ones."""

from __future__ import annotations

from uuid import UUID

from hub.errors import NotFound
from hub.lifecycle.evidence.school_acts import record_act
from hub.model.school.roster_import import RosterImport
from hub.store.transaction import Transaction


async def undo_import(tx: Transaction, import_id: UUID, actor: str) -> RosterImport:
    """Undo an import and record it. Do nothing if it was already undone. Raises NotFound, also outside the scope.

    An enrolment stays if its contract was issued or is being issued, or if somebody changed it in the console.
    """
    found = await tx.roster_imports.find(import_id, lock=True)
    if found is None:
        raise NotFound("there is no such import")
    if found.undone_at is None:
        removed = await tx.roster_imports.delete_unused(import_id)
        await tx.roster_imports.mark_undone(import_id, actor, tx.now, removed)
        kept = await tx.roster_imports.count_kept(import_id)
        facts = {"import": str(import_id), "removed": removed, "kept": kept}
        await record_act(tx, found.campus, "import-undone", actor, facts)
    return found
