"""The hash-chained record, and the erasable values behind its commitments."""

from sqlalchemy import BigInteger, Index, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub.store.tables.columns import bytes_, column, counter, day, flag, integer, json_, metadata, moment, uuid, words

# An entry of a record. The role `app` may only insert and read.
RECORD_ENTRY = Table(
    "record_entry",
    metadata,
    uuid("contract", primary_key=True),
    integer("sequence", primary_key=True),
    words("campus"),
    moment("at"),
    words("kind"),
    words("actor"),
    json_("facts"),
    bytes_("previous"),
    bytes_("digest"),
)


# The number of entries of a contract's record, and the digest of the last one. The trigger `follow_record` of the
# database updates it with every entry; the role `app` may only read it.
RECORD_HEAD = Table(
    "record_head", metadata, uuid("contract", primary_key=True), words("campus"), integer("entries"), bytes_("digest")
)


# A value behind a commitment in the record. Erasing it (and the signer's salt) leaves the chain valid. `salt`: set
# for a text, which has a salt of its own. Values on file of a signer use the signer's salt.
PERSONAL_VALUE = Table(
    "personal_value",
    metadata,
    uuid("contract", primary_key=True),
    words("commitment", primary_key=True),
    words("campus"),
    uuid("signer", nullable=True),
    words("name"),
    bytes_("value_sealed"),
    bytes_("salt", nullable=True),
)


# A version of a contract's evidence package. The role `app` may only insert and read. `file`: the stored file of
# this version alone; `pieces`: how the version is put together from it and from others, NULL if it is that file.
# `renewals`: how many timestamps its evidence record has besides the first.
EVIDENCE_PACKAGE = Table(
    "evidence_package",
    metadata,
    uuid("contract", primary_key=True),
    integer("version", primary_key=True),
    words("campus"),
    words("sha256"),
    column("size", BigInteger),
    bytes_("leaf"),
    moment("made_at"),
    words("file"),
    column("pieces", JSONB(none_as_null=True), nullable=True),
    counter("renewals"),
    Index("ix_evidence_package_sha256", "sha256", postgresql_using="hash"),
    Index("ix_evidence_package_file", "file", postgresql_using="hash"),
)


# What happened after a contract's package was signed. The role `app` may only insert and read. `entries`: how many
# entries the record had; `renewals`: how many its evidence record; `revoked`: the revocations that it contains.
EVIDENCE_ADDENDUM = Table(
    "evidence_addendum",
    metadata,
    uuid("contract", primary_key=True),
    integer("number", primary_key=True),
    words("campus"),
    words("sha256"),
    column("size", BigInteger),
    moment("made_at"),
    integer("entries"),
    integer("renewals"),
    column("revoked", ARRAY(Text)),
    Index("ix_evidence_addendum_sha256", "sha256", postgresql_using="hash"),
)


# A contract that reached a final state, and whose package is still to be made.
EVIDENCE_DUE = Table(
    "evidence_due",
    metadata,
    uuid("contract", primary_key=True),
    words("campus"),
    moment("due_at", index=True),
    counter("tries"),
)


# The hash tree of one day, with the timestamps over its root. The role `app` may only insert and read.
HASH_TREE = Table(
    "hash_tree",
    metadata,
    day("day", primary_key=True),
    integer("leaves"),
    bytes_("root"),
    column("timestamps", ARRAY(LargeBinary)),
    moment("made_at"),
)


# A leaf of a hash tree: see `hub.model.evidence.tree`. The role `app` may only insert and read.
HASH_TREE_LEAF = Table(
    "hash_tree_leaf",
    metadata,
    day("day", primary_key=True),
    integer("position", primary_key=True),
    words("kind"),
    uuid("contract", nullable=True),
    words("number"),
    integer("entries"),
    bytes_("leaf"),
    Index("ix_hash_tree_leaf_contract", "contract", "kind", "entries"),
)


# A timestamp over earlier timestamps, or (`is_tree`) over packages hashed anew. The role `app` may only insert and
# read.
EVIDENCE_RENEWAL = Table(
    "evidence_renewal",
    metadata,
    integer("id", primary_key=True, autoincrement=False),
    words("algorithm"),
    flag("is_tree"),
    integer("leaves"),
    bytes_("root"),
    bytes_("timestamp"),
    moment("made_at"),
)


# What one leaf of a renewal covers: the timestamp of a day's tree or of an earlier renewal, or a contract's package.
# The role `app` may only insert and read.
EVIDENCE_RENEWAL_LEAF = Table(
    "evidence_renewal_leaf",
    metadata,
    integer("renewal", primary_key=True),
    integer("position", primary_key=True),
    day("day", nullable=True),
    integer("renewed", nullable=True),
    uuid("contract", nullable=True),
    bytes_("leaf"),
    *tuple(
        Index(f"ix_evidence_renewal_leaf_{name}", name, "renewal", postgresql_where=text(f"{name} IS NOT NULL"))
        for name in ("day", "renewed", "contract")
    ),
)


# What a notary, or a chain service, answered when it was given a day's root. The role `app` may only insert and
# read. `is_final`: nothing better follows. A receipt that is only a promise is followed by another row.
HASH_TREE_RECEIPT = Table(
    "hash_tree_receipt",
    metadata,
    day("day", primary_key=True),
    words("notary", primary_key=True),
    flag("is_final", primary_key=True),
    words("reference"),
    bytes_("receipt"),
    moment("at"),
)


# A contract that must not be erased or deleted: why, by whom, and until when (NULL: until lifted).
LEGAL_HOLD = Table(
    "legal_hold",
    metadata,
    uuid("id", primary_key=True),
    uuid("contract", index=True),
    words("campus"),
    words("reason"),
    words("placed_by"),
    moment("placed_at"),
    moment("until", nullable=True),
    words("lifted_by", nullable=True),
    moment("lifted_at", nullable=True),
)


# An erasure that staff have asked for. `sought_sealed`: who, and why. The row is deleted once it is carried out.
ERASURE_REQUEST = Table(
    "erasure_request",
    metadata,
    uuid("id", primary_key=True),
    words("campus", foreign_key="campus.id"),
    bytes_("sought_sealed"),
    words("asked_by"),
    moment("asked_at"),
    words("confirmed_by", nullable=True),
    moment("confirmed_at", nullable=True),
)
