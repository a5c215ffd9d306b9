"""Acts of staff on many contracts."""

from sqlalchemy import Index, Table, text as sql

from hub.store.tables.columns import bytes_, counter, day, flag, integer, metadata, moment, uuid, words

# An act of staff on many contracts. `deadline`: a day by each campus's clock. `reason_sealed`: empty once all is done.
BULK_ACT = Table(
    "bulk_act",
    metadata,
    uuid("id", primary_key=True),
    words("campus", foreign_key="campus.id"),
    words("kind"),
    words("asked_by"),
    moment("asked_at"),
    day("deadline", nullable=True),
    flag("may_issue", default=False),
    bytes_("reason_sealed", nullable=True),
    Index("ix_bulk_act_asked_at", "asked_at"),
)


# One contract of such an act. Its `verdict` is written in the transaction that changes the contract, so that
# nothing happens twice.
BULK_ITEM = Table(
    "bulk_item",
    metadata,
    uuid("act", primary_key=True, foreign_key="bulk_act.id"),
    uuid("contract", primary_key=True, foreign_key="contract.id"),
    words("campus", foreign_key="campus.id"),
    integer("ordinal"),
    counter("tries"),
    words("verdict", nullable=True),
    bytes_("failure_sealed", nullable=True),
    uuid("replaced_by", nullable=True),
    moment("ended_at", nullable=True),
    Index("ix_bulk_item_left", "act", "ordinal", postgresql_where=sql("verdict IS NULL")),
)
