"""Providers, deliveries, budgets and opt-outs."""

from sqlalchemy import DateTime, Index, Table, func, text as sql

from hub.store.tables.columns import bytes_, column, counter, flag, integer, json_, metadata, moment, real, uuid, words

# The health of a configured provider: see `hub.model.messaging.provider.Health`. `name` is its configuration entry.
PROVIDER = Table(
    "provider",
    metadata,
    words("name", primary_key=True),
    real("weight"),
    moment("changed_at"),
    moment("broken_at", nullable=True),
    words("broken_reason", nullable=True),
    moment("rests_until", nullable=True),
    flag("until_delivered", default=False, server_default="false"),
)


# A lane (`code`, `message`) of a provider's rate limit, and the moment up to which it is booked (a leaky bucket).
PROVIDER_LANE = Table(
    "provider_lane",
    metadata,
    words("provider", primary_key=True),
    words("lane", primary_key=True),
    moment("booked_until"),
)


DELIVERY = Table(
    "delivery",
    metadata,
    uuid("id", primary_key=True),
    words("key", unique=True),
    words("purpose"),
    words("channel"),
    words("provider", nullable=True),
    words("language"),
    bytes_("to_sealed"),
    bytes_("to_hash"),
    words("text"),
    json_("variables"),
    words("state"),
    uuid("contract", nullable=True),
    uuid("signer", nullable=True),
    uuid("task", index=True, nullable=True),
    words("campus", nullable=True),
    words("person", nullable=True),
    uuid("link", nullable=True),
    uuid("code", nullable=True),
    moment("created_at"),
    moment("planned_at", nullable=True),
    moment("state_at", nullable=True),
    words("provider_reference", nullable=True),
    words("failure", nullable=True),
    words("failure_kind", nullable=True),
    words("intent", nullable=True),
    counter("rung"),
    words("shape", nullable=True),
    counter("calls"),
    moment("called_at", nullable=True),
    moment("not_before", nullable=True),
    moment("check_at", nullable=True),
    integer("segments", nullable=True),
    Index("ix_delivery_contract", "contract", "state", postgresql_include=["campus", "purpose"]),
    Index("ix_delivery_person", "person", "created_at"),
    Index("ix_delivery_to", "to_hash", "created_at"),
    Index("ix_delivery_reference", "provider_reference", postgresql_where=sql("provider_reference IS NOT NULL")),
    Index("ix_delivery_check", "check_at", postgresql_where=sql("check_at IS NOT NULL")),
    Index("ix_delivery_unsettled", "created_at", postgresql_where=sql("state IN ('sending', 'unknown')")),
    Index(
        "ix_delivery_written",
        "created_at",
        postgresql_include=[
            "id",
            "contract",
            "campus",
            "channel",
            "provider",
            "state",
            "purpose",
            "failure_kind",
            "segments",
        ],
    ),
)


# The part of a message about several contracts of a person that concerns one of them, its own contract included. A
# message about one contract has no such row.
DELIVERY_SHARE = Table(
    "delivery_share",
    metadata,
    uuid("delivery", foreign_key="delivery.id", primary_key=True),
    uuid("task", foreign_key="signing_task.id", primary_key=True, index=True),
    uuid("contract", foreign_key="contract.id", index=True),
    uuid("signer"),
    words("campus"),
    words("purpose"),
    integer("number", default=0),
)


# A message that the `outbox` channel has accepted, as a provider would note it. It holds no text.
OUTBOX_MESSAGE = Table(
    "outbox_message",
    metadata,
    words("key", primary_key=True),
    moment("accepted_at", server_default=func.clock_timestamp(), nullable=True),
)


# The uses of a budget by one subject in one period. `kind`: number, prefix, campus, poster and others.
BUDGET = Table(
    "budget",
    metadata,
    words("kind", primary_key=True),
    words("subject", primary_key=True),
    column("begins_at", DateTime(timezone=True), primary_key=True),
    integer("spent", default=0),
)


# A number that has opted out of a channel, stored as a hash.
OPT_OUT = Table(
    "opt_out",
    metadata,
    bytes_("number_hash", primary_key=True),
    words("channel", primary_key=True),
    moment("since"),
    words("source"),
)
