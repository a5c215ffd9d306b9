"""Attempts to call outside services; seals, their grants, and the register of their uses."""

from sqlalchemy import ARRAY, BigInteger, Index, LargeBinary, Table, Text, text as sql

from hub.store.tables.columns import bytes_, column, counter, integer, json_, metadata, moment, real, uuid, words

# An outside call other than a message, written before the call and completed after it. `kind`: certificate,
# revocation (asking for the status), revoke (having it revoked), identity, timestamp, seal, close; of the school's
# evidence: evidence, hash-tree, renewal, notary.
ATTEMPT = Table(
    "attempt",
    metadata,
    uuid("id", primary_key=True),
    words("kind"),
    uuid("contract", index=True, nullable=True),
    uuid("request", nullable=True),
    words("state"),
    moment("started_at"),
    moment("ended_at", nullable=True),
    words("failure", nullable=True),
)


# A seal: a picture, a certificate and a key. `ends_at`: when its certificate expires.
SEAL = Table(
    "seal",
    metadata,
    uuid("id", primary_key=True),
    words("name", unique=True),
    words("kind"),
    words("campus", foreign_key="campus.id"),
    words("registered_name"),
    words("registered_code"),
    words("inscription"),
    words("state"),
    moment("created_at"),
    moment("changed_at"),
    bytes_("picture", nullable=True),
    words("picture_source"),
    words("key_place"),
    words("key_label"),
    column("chain", ARRAY(LargeBinary), default=list),
    moment("ends_at", nullable=True),
    Index("uq_seal_configured", "key_place", unique=True, postgresql_where=sql("key_place = 'configured'")),
)


# The SM2 side of a seal. `key_sealed`: a software key, encrypted; empty if the key is on a token.
SEAL_SM2 = Table(
    "seal_sm2",
    metadata,
    uuid("seal", primary_key=True, foreign_key="seal.id"),
    words("campus"),
    bytes_("encoded"),
    column("chain", ARRAY(LargeBinary), default=list),
    real("width"),
    real("height"),
    words("key_place"),
    words("key_label"),
    bytes_("key_sealed", nullable=True),
    moment("begins_at"),
    moment("ends_at"),
    moment("made_at"),
)


# The application for a seal, with its approvals.
SEAL_REQUEST = Table(
    "seal_request",
    metadata,
    uuid("id", primary_key=True),
    uuid("seal", foreign_key="seal.id", unique=True),
    words("campus"),
    words("reason"),
    words("asked_by"),
    moment("asked_at"),
    words("state"),
    json_("approvals"),
    moment("ended_at", nullable=True),
    words("ended_by", nullable=True),
)


# Who may use a seal, where, for what, until when and how often. `used` is counted where there is a maximum.
SEAL_GRANT = Table(
    "seal_grant",
    metadata,
    uuid("id", primary_key=True),
    uuid("seal", foreign_key="seal.id", index=True),
    words("grantee_kind"),
    words("grantee"),
    words("campus", foreign_key="campus.id"),
    column("templates", ARRAY(Text), default=list),
    words("granted_by"),
    moment("granted_at"),
    moment("expires_at", nullable=True),
    integer("max_uses", nullable=True),
    counter("used"),
    moment("revoked_at", nullable=True),
    words("revoked_by", nullable=True),
    Index("ix_seal_grant_live", "grantee_kind", "grantee", "seal", postgresql_where=sql("revoked_at IS NULL")),
)


# The register: each use of a seal that was asked for, refused ones too. `seal_grant`: the rule that allowed it.
SEAL_USE = Table(
    "seal_use",
    metadata,
    uuid("id", primary_key=True),
    uuid("seal", foreign_key="seal.id"),
    uuid("seal_grant", foreign_key="seal_grant.id", nullable=True),
    words("campus"),
    words("asked_by"),
    words("about"),
    words("template", nullable=True),
    words("document_sha256", index=True),
    integer("count"),
    words("outcome"),
    words("reason", nullable=True),
    integer("tries"),
    moment("begun_at"),
    moment("ended_at", nullable=True),
    words("result_sha256", nullable=True),
    Index("ix_seal_use_seal", "seal", "begun_at", "id"),
    Index("ix_seal_use_open", "seal", "begun_at", postgresql_where=sql("outcome = 'attempt'")),
)


# Files of another system that get one seal. `source`, `target`: places in object stores; empty for uploads and
# downloads. `tell_at`: when its webhook is called next.
SEAL_JOB = Table(
    "seal_job",
    metadata,
    uuid("id", primary_key=True),
    uuid("client", foreign_key="api_key.id"),
    words("client_name"),
    words("campus", foreign_key="campus.id"),
    uuid("seal", foreign_key="seal.id"),
    words("place"),
    words("level"),
    json_("source"),
    json_("target"),
    words("webhook", nullable=True),
    words("state"),
    moment("asked_at"),
    counter("total"),
    counter("sealed"),
    counter("failed"),
    words("reason"),
    moment("ended_at", nullable=True),
    moment("told_at", nullable=True),
    moment("tell_at", nullable=True),
    counter("tell_tries"),
    moment("files_deleted_at", nullable=True),
    Index("ix_seal_job_client", "client", "asked_at"),
    Index("ix_seal_job_open", "asked_at", postgresql_where=sql("ended_at IS NULL")),
    Index("ix_seal_job_tell", "tell_at", postgresql_where=sql("tell_at IS NOT NULL")),
    Index("ix_seal_job_files", "ended_at", postgresql_where=sql("files_deleted_at IS NULL")),
)


# A file of a seal job. `leased_until`: this exact moment identifies the worker that has the lease.
SEAL_JOB_ITEM = Table(
    "seal_job_item",
    metadata,
    uuid("job", primary_key=True, foreign_key="seal_job.id"),
    integer("number", primary_key=True),
    words("campus"),
    words("name"),
    words("source"),
    words("sha256"),
    words("state"),
    moment("leased_until", nullable=True),
    counter("tries"),
    words("result_sha256", nullable=True),
    column("result_size", BigInteger, nullable=True),
    words("fault", nullable=True),
    words("detail"),
    Index("ix_seal_job_item_waiting", "job", "number", postgresql_where=sql("state = 'waiting'")),
    Index("ix_seal_job_item_failed", "job", "number", postgresql_where=sql("state = 'failed'")),
)
