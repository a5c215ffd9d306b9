"""Inbound traffic: callbacks of providers, and messages that people sent."""

from sqlalchemy import Index, Table, text as sql

from hub.store.tables.columns import bytes_, counter, metadata, moment, uuid, words

# A verified callback of a provider, stored before it is answered, and processed afterwards.
CALLBACK = Table(
    "callback",
    metadata,
    uuid("id", primary_key=True),
    words("provider"),
    bytes_("call_sealed", nullable=True),
    moment("received_at"),
    counter("tries"),
    moment("due_at", nullable=True),
    moment("handled_at", nullable=True),
    words("outcome", nullable=True),
    Index("ix_callback_due", "due_at", postgresql_where=sql("due_at IS NOT NULL")),
)


# A message that a person sent. `reference` is the provider's id, so that a repeated callback counts once.
INBOUND_MESSAGE = Table(
    "inbound_message",
    metadata,
    uuid("id", primary_key=True),
    words("provider"),
    words("reference"),
    bytes_("sender_sealed"),
    bytes_("sender_hash"),
    bytes_("text_sealed"),
    moment("received_at"),
    words("wish", nullable=True),
    words("outcome", nullable=True),
    Index("uq_inbound_message_reference", "provider", "reference", unique=True),
    Index("ix_inbound_message_sender", "sender_hash", "received_at"),
    Index("ix_inbound_message_wish", "provider", "wish", "received_at"),
)
