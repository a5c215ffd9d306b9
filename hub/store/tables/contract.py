"""Contracts, their signers and tasks, and the versions of their files."""

from sqlalchemy import BigInteger, Computed, DateTime, Index, Table, Text, text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from hub.store.tables.columns import bytes_, column, flag, integer, metadata, moment, uuid, words

OPEN_TASKS = sql("state = 'OPEN'")


CONTRACT_NUMBER = Table("contract_number", metadata, integer("year", primary_key=True), integer("last", default=0))


CONTRACT = Table(
    "contract",
    metadata,
    uuid("id", primary_key=True),
    words("number", unique=True),
    words("campus", foreign_key="campus.id"),
    words("course", nullable=True),
    uuid("enrolment", nullable=True),
    words("external_id", nullable=True),
    words("state"),
    integer("version", default=0),
    words("template"),
    words("template_version"),
    words("language"),
    words("title"),
    words("student_name"),
    bytes_("data_sealed"),
    flag("asks", default=False, server_default=sql("false")),
    bytes_("answers_sealed", nullable=True),
    integer("pages", default=0),
    column("fields", ARRAY(Text), default=list),
    words("document", nullable=True),
    words("issued_sha256", nullable=True),
    words("issued_ofd_sha256", nullable=True),
    words("final_ofd_sha256", nullable=True),
    integer("revision", default=0),
    moment("deadline"),
    moment("created_at"),
    moment("issued_at", nullable=True),
    moment("completed_at", nullable=True),
    moment("ended_at", nullable=True),
    moment("signed_at", nullable=True),
    words("reason", nullable=True),
    uuid("replaces", nullable=True),
    uuid("replaced_by", nullable=True),
    moment("hub_due_at", nullable=True),
    integer("hub_tries", default=0),
    moment("stuck_since", nullable=True),
    words("stuck_reason", nullable=True),
    uuid("set_id", nullable=True),
    column("number_reversed", Text(collation="C"), Computed("reverse(upper(number))", persisted=True), nullable=True),
    Index("ix_contract_number_reversed", "number_reversed", postgresql_include=["campus"]),
    Index("ix_contract_board", "campus", "state", "created_at"),
    Index("ix_contract_hub_due", "hub_due_at", postgresql_where=sql("hub_due_at IS NOT NULL")),
    Index("ix_contract_stuck", "campus", "stuck_since", postgresql_where=sql("stuck_since IS NOT NULL")),
    Index("ix_contract_external", "external_id", postgresql_where=sql("external_id IS NOT NULL")),
    Index("ix_contract_recent", "created_at", "id"),
    Index("ix_contract_set", "set_id", postgresql_where=sql("set_id IS NOT NULL")),
    Index(
        "ix_contract_pending", "deadline", "id", postgresql_include=["campus"], postgresql_where=sql("state = 'ISSUED'")
    ),
    Index("ix_contract_name", "student_name", "id", postgresql_include=["campus"]),
    Index(
        "ix_contract_issued",
        "issued_at",
        postgresql_include=["id", "campus", "course", "state", "signed_at", "completed_at"],
        postgresql_where=sql("issued_at IS NOT NULL"),
    ),
)


SIGNER = Table(
    "signer",
    metadata,
    uuid("id", primary_key=True),
    uuid("contract", foreign_key="contract.id", index=True),
    words("campus"),
    words("role"),
    words("name"),
    bytes_("phone_sealed"),
    bytes_("phone_hash"),
    bytes_("phone_tail_hash", nullable=True),
    words("id_type"),
    bytes_("id_number_sealed"),
    bytes_("id_tail_hash"),
    words("person"),
    integer("order"),
    words("language"),
    words("field"),
    column("channels", ARRAY(Text), default=list),
    words("zone"),
    bytes_("email_sealed", nullable=True),
    words("relation", nullable=True),
    bytes_("salt", nullable=True),
    Index("ix_signer_name", "name", postgresql_include=["contract", "campus"]),
    Index("ix_signer_person", "person"),
    Index("ix_signer_phone_hash", "phone_hash"),
    Index("ix_signer_id_tail", "campus", "id_tail_hash"),
    Index("ix_signer_phone_tail", "campus", "phone_tail_hash"),
)


# A signing task with its next step. A million waiting tasks cost nothing, and one UPDATE reschedules them.
SIGNING_TASK = Table(
    "signing_task",
    metadata,
    uuid("id", primary_key=True),
    uuid("contract", foreign_key="contract.id"),
    uuid("signer", foreign_key="signer.id", index=True),
    words("campus"),
    words("state"),
    integer("order"),
    words("next_step", nullable=True),
    integer("step_number", default=0),
    moment("next_due_at", nullable=True),
    moment("leased_until", nullable=True),
    column(
        "claimable_at",
        DateTime(timezone=True),
        Computed("greatest(next_due_at, leased_until)", persisted=True),
        nullable=True,
    ),
    moment("invited_at", nullable=True),
    moment("opened_at", nullable=True),
    words("opened_through", nullable=True),
    moment("accepted_at", nullable=True),
    moment("signed_at", nullable=True),
    flag("paused", default=False),
    Index("ix_signing_task_contract", "contract", postgresql_include=["campus", "opened_at"]),
    Index("ix_signing_task_claimable", "claimable_at", postgresql_where=OPEN_TASKS),
)


# A version of a contract's document, by its hash: draft, issued, signed, …, final. `file`: the stored file that
# begins with it, which is its own until a later one does. A draft may have none. `erased_at`: when it was deleted
# because a person was erased.
DOCUMENT_VERSION = Table(
    "document_version",
    metadata,
    column("id", BigInteger, primary_key=True, autoincrement=True),
    uuid("contract", foreign_key="contract.id", index=True),
    words("kind"),
    words("sha256"),
    integer("size"),
    moment("created_at"),
    moment("erased_at", nullable=True),
    words("file", nullable=True),
    Index("ix_document_version_sha256", "sha256", postgresql_using="hash"),
)


# A photo or PDF that a signer has given. The stored `file` is its content, encrypted with a key of its own.
ATTACHMENT = Table(
    "attachment",
    metadata,
    uuid("id", primary_key=True),
    uuid("contract", foreign_key="contract.id", index=True),
    uuid("signer", foreign_key="signer.id"),
    words("campus"),
    words("name"),
    words("media_type"),
    integer("size"),
    words("sha256"),
    words("file", index=True),
    bytes_("key_sealed"),
    moment("given_at"),
    moment("superseded_at", nullable=True),
    Index("ix_attachment_superseded", "superseded_at", postgresql_where=sql("superseded_at IS NOT NULL")),
)
