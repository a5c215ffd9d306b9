"""Attempts to call the token, the timestamp authority and other outside services."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from hub.store.tables.columns import moment, words


class AttemptRow(SQLModel, table=True):
    """An outside call other than a message, written before the call and completed after it.

    `kind`: certificate, revocation (asking for the status), revoke (having it revoked), identity, timestamp, seal,
    close.
    """

    __tablename__ = "attempt"
    id: UUID = Field(primary_key=True)
    kind: str = words()
    contract: UUID | None = Field(default=None, index=True)
    request: UUID | None = None
    state: str = words()
    started_at: datetime = moment(nullable=False)
    ended_at: datetime | None = moment()
    failure: str | None = words(default=None)
