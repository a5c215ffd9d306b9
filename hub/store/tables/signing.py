"""Links, sessions, codes, keys and signatures: from opening a link to an accepted signature."""

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, Table, Text, UniqueConstraint, Uuid, text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from hub.store.tables.columns import bytes_, column, counter, flag, integer, metadata, moment, uuid, words

SIGN_LINK = Table(
    "sign_link",
    metadata,
    uuid("id", primary_key=True),
    uuid("contract", foreign_key="contract.id"),
    uuid("signer", foreign_key="signer.id", index=True),
    words("campus"),
    words("door"),
    integer("generation", default=1),
    bytes_("ticket_hash", unique=True),
    moment("created_at"),
    moment("expires_at", nullable=True),
    moment("revoked_at", nullable=True),
    Index(
        "uq_sign_link_lasting",
        "signer",
        "door",
        unique=True,
        postgresql_where=sql("revoked_at IS NULL AND expires_at IS NULL"),
    ),
)


SIGNING_SESSION = Table(
    "signing_session",
    metadata,
    uuid("id", primary_key=True),
    bytes_("secret_hash", unique=True),
    uuid("link", foreign_key="sign_link.id"),
    uuid("contract"),
    uuid("signer", index=True),
    column("contracts", ARRAY(Uuid), default=list),
    moment("created_at"),
    moment("expires_at"),
    moment("verified_at", nullable=True),
    bytes_("key_challenge"),
    flag("challenge_used", default=False),
    bytes_("key_spki", nullable=True),
    words("custody_claimed", nullable=True),
    words("custody", nullable=True),
    uuid("pairing", nullable=True),
    column("certificate_chain", ARRAY(LargeBinary), default=list),
    Index("ix_signing_session_key_spki", "key_spki", postgresql_using="hash"),
    Index("ix_signing_session_chain", "expires_at", postgresql_where=sql("certificate_chain <> '{}'")),
)


# A one-time code, which is derived from `id`. A new code ends the old one; limits count these rows by person.
ONE_TIME_CODE = Table(
    "one_time_code",
    metadata,
    uuid("id", primary_key=True),
    words("person"),
    uuid("session"),
    moment("created_at"),
    moment("expires_at"),
    moment("used_at", nullable=True),
    Index("ix_one_time_code_person", "person", "created_at"),
)


WRONG_ANSWER = Table(
    "wrong_answer",
    metadata,
    column("id", BigInteger, primary_key=True, autoincrement=True),
    words("person"),
    moment("at"),
    Index("ix_wrong_answer_person", "person", "at"),
)


# Result, method and time of an identity check, and the provider's own id of it. The inputs are not stored.
IDENTITY_CHECK = Table(
    "identity_check",
    metadata,
    uuid("id", primary_key=True),
    uuid("contract", foreign_key="contract.id", index=True),
    uuid("signer"),
    uuid("session"),
    words("provider"),
    words("method"),
    words("result"),
    moment("at"),
    words("reference", nullable=True),
)


PAGE_SEEN = Table(
    "page_seen",
    metadata,
    uuid("task", primary_key=True),
    words("document", primary_key=True),
    integer("page", primary_key=True),
    moment("at"),
)


# A pairing. `session`: of the page; `agent`: of the program on the signer's own computer.
PAIRING = Table(
    "pairing",
    metadata,
    uuid("id", primary_key=True),
    uuid("session", foreign_key="signing_session.id", index=True),
    uuid("contract", foreign_key="contract.id"),
    bytes_("code_hash", unique=True),
    moment("created_at"),
    moment("expires_at"),
    moment("claimed_at", nullable=True),
    uuid("agent", nullable=True),
    bytes_("certificate", nullable=True),
    moment("confirmed_at", nullable=True),
    moment("ended_at", nullable=True),
)


# A passkey. The credential id, which the device chooses, is unique for an origin.
PASSKEY = Table(
    "passkey",
    metadata,
    uuid("id", primary_key=True),
    words("person"),
    words("rp_id"),
    bytes_("credential_id"),
    bytes_("public_key"),
    column("counter", BigInteger),
    flag("synced"),
    moment("created_at"),
    moment("used_at", nullable=True),
    moment("ended_at", nullable=True),
    UniqueConstraint("rp_id", "credential_id"),
    Index("ix_passkey_person", "person"),
)


# A key in an app's keystore, bound to a person. `spki_hash` is SHA-256. `contract` and `signer` are those of the
# session in which it was bound.
APP_KEY = Table(
    "app_key",
    metadata,
    uuid("id", primary_key=True),
    bytes_("spki_hash", unique=True),
    bytes_("spki"),
    words("person", index=True),
    uuid("contract", foreign_key="contract.id"),
    uuid("signer", foreign_key="signer.id"),
    bytes_("label_sealed"),
    words("attestation"),
    words("platform"),
    words("app"),
    words("level"),
    column("reasons", ARRAY(Text), default=list),
    bytes_("evidence", nullable=True),
    bytes_("challenge", nullable=True),
    moment("bound_at"),
    moment("used_at", nullable=True),
    moment("revoked_at", nullable=True),
    words("revoked_by", nullable=True),
    words("reason", nullable=True),
    moment("certificates_due_at", nullable=True),
    counter("certificate_tries"),
    Index(
        "ix_app_key_certificates_due", "certificates_due_at", postgresql_where=sql("certificates_due_at IS NOT NULL")
    ),
)


ISSUED_CERTIFICATE = Table(
    "issued_certificate",
    metadata,
    words("serial", primary_key=True),
    words("authority", primary_key=True),
    uuid("contract", nullable=True),
    uuid("signer", index=True, nullable=True),
    bytes_("certificate"),
    moment("issued_at"),
    moment("not_after"),
    moment("revoked_at", nullable=True),
    words("revocation_reason", nullable=True),
    Index("ix_issued_certificate_revoked", "authority", postgresql_where=sql("revoked_at IS NOT NULL")),
)


# A certificate (DER) that many signature requests share: of the seal, or of an authority.
SHARED_CERTIFICATE = Table(
    "shared_certificate",
    metadata,
    bytes_("sha256", primary_key=True),
    bytes_("certificate"),
    CheckConstraint("sha256 = sha256(certificate)", name="hash"),
)


# A signature request. `chain`: certificates (DER), or their SHA-256 where they are shared ones.
SIGNATURE_REQUEST = Table(
    "signature_request",
    metadata,
    uuid("id", primary_key=True),
    uuid("contract", foreign_key="contract.id"),
    uuid("task", nullable=True),
    uuid("session", nullable=True),
    words("field"),
    words("state"),
    words("base"),
    words("prepared"),
    integer("gap_start"),
    integer("gap_end"),
    bytes_("document_digest"),
    bytes_("to_be_signed"),
    column("chain", ARRAY(LargeBinary), default=list),
    words("custody_claimed", nullable=True),
    words("custody", nullable=True),
    words("consent_version", nullable=True),
    words("consent_sha256", nullable=True),
    bytes_("signature", nullable=True),
    bytes_("confirmation", nullable=True),
    moment("key_deleted_at", nullable=True),
    moment("created_at"),
    moment("expires_at"),
    moment("accepted_at", nullable=True),
    moment("embedded_at", nullable=True),
    moment("prepared_deleted_at", nullable=True),
    Index("ix_signature_request_contract", "contract", "state"),
    Index(
        "ix_signature_request_left_behind",
        "id",
        postgresql_where=sql("state IN ('LAPSED', 'EMBEDDED') AND prepared_deleted_at IS NULL"),
    ),
    Index(
        "ix_signature_request_prepared",
        "prepared",
        postgresql_using="hash",
        postgresql_where=sql("prepared_deleted_at IS NULL"),
    ),
    Index("uq_signature_request_accepted", "contract", unique=True, postgresql_where=sql("state = 'ACCEPTED'")),
    Index(
        "uq_signature_request_seal", "contract", unique=True, postgresql_where=sql("task IS NULL AND state <> 'LAPSED'")
    ),
    # A contract has at most one accepted signature, which blocks its revision, and at most one seal that has not
    # lapsed.
)
