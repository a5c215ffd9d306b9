"""Show staff an outline of callback entries that cannot be read. The entries themselves are stored encrypted."""

from __future__ import annotations

import json
import re
from uuid import uuid4

from hub.model.staff.accounts import StaffTask
from hub.store.inbound.callbacks import Callback
from hub.store.transaction import Transaction

UNREAD = "A provider's report could not be read. Provider, reason, and outline of the entry:"
_CODE = re.compile(r"(?!.*\d{5})[A-Za-z.]{0,6}[A-Z][A-Z0-9_]{2,60}", re.ASCII)
MAX_FIELDS = 20


async def add_unreadable_task(tx: Transaction, callback: Callback) -> None:
    """Create one staff task per provider and kind of entry, however many entries there are."""
    root = await tx.school.find_headquarters()
    for each in callback.unread if root else ():
        assert root
        text = f"{UNREAD}\n{callback.provider}\n{each.reason}\n{outline(each.entry)}"
        await tx.staff_tasks.add_task_once(StaffTask(uuid4(), "unread", text, root.id, tx.now), same_text=True)


def outline(entry: str) -> str:
    """Return the field names of an entry, with values only if they are codes or booleans; others may be personal."""
    try:
        fields = json.loads(entry)
    except ValueError:  # not valid JSON, because a long entry is cut off
        return "…"
    if not isinstance(fields, dict):
        return _value(fields)
    return ", ".join(f"{name[:40]}={_value(value)}" for name, value in list(fields.items())[:MAX_FIELDS])


def _value(value: object) -> str:
    if value is None or isinstance(value, bool) or (isinstance(value, str) and _CODE.fullmatch(value)):
        return json.dumps(value)
    return "…"
