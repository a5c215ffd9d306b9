"""Cursors of lists: where the next page begins, as a text that callers send back unchanged."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from hub.errors import BadInput

Value = TypeVar("Value")


def write_cursor(value: datetime | str, row: UUID) -> str:
    """Return the cursor of the page that follows a row. `value`: the value by which the list is sorted."""
    text = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(f"{text} {row}".encode()).decode().rstrip("=")


def read_cursor(text: str, read: Callable[[str], Value]) -> tuple[Value, UUID]:
    """Parse a cursor of `write_cursor`. `read`: `read_moment` or `read_name`. Raises BadInput."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        value, _, row = decoded.rpartition(" ")
        return read(value), UUID(row)
    except (ValueError, OverflowError):
        raise BadInput("invalid cursor", field="cursor") from None


def read_moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("no zone")
    return at.astimezone(UTC)


def read_name(text: str) -> str:
    if not text.isprintable():
        raise ValueError("not printable")
    return text
