"""Messages that the outbox channel accepted."""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.messaging import OUTBOX_MESSAGE as OUTBOX

_ACCEPT = SqlStatement(insert(OUTBOX).on_conflict_do_nothing().returning(OUTBOX.c.key), ["key"])
_ACCEPTED = SqlStatement(select(OUTBOX.c.key).where(OUTBOX.c.key == bindparam("key")))


def opening_accept(key: str) -> Opening:
    """Return the transaction that notes that the outbox channel accepted the message with this key."""
    return Opening(_ACCEPT, {"key": key}, is_all=True)


def opening_accepted(key: str) -> Opening:
    """Return the transaction that finds out whether the outbox channel accepted the message with this key."""
    return Opening(_ACCEPTED, {"key": key}, is_all=True)
