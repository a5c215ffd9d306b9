"""Links, sessions, codes, keys and signatures: from opening a link to an accepted signature."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, Text, UniqueConstraint, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from hub.store.tables.columns import DeclaredTable, bytes_, column, counter, moment, words


class SignLinkRow(DeclaredTable):
    __tablename__ = "sign_link"
    id: UUID = column(primary_key=True)
    contract: UUID = column(foreign_key="contract.id", index=True)
    signer: UUID = column(foreign_key="signer.id", index=True)
    campus: str = words()
    door: str = words()
    generation: int = 1
    ticket_hash: bytes = bytes_(nullable=False, unique=True)
    created_at: datetime = moment(nullable=False)
    expires_at: datetime | None = moment()
    revoked_at: datetime | None = moment()
    __table_args__ = (
        Index(
            "uq_sign_link_lasting",
            "signer",
            "door",
            unique=True,
            postgresql_where=sql("revoked_at IS NULL AND expires_at IS NULL"),
        ),
    )


class SigningSessionRow(DeclaredTable):
    __tablename__ = "signing_session"
    id: UUID = column(primary_key=True)
    secret_hash: bytes = bytes_(nullable=False, unique=True)
    link: UUID = column(foreign_key="sign_link.id")
    contract: UUID
    signer: UUID = column(index=True)
    contracts: list[UUID] = column(ARRAY(Uuid), default=list)
    created_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False)
    verified_at: datetime | None = moment()
    key_challenge: bytes = bytes_(nullable=False)
    challenge_used: bool = False
    key_spki: bytes | None = bytes_()
    custody_claimed: str | None = words()
    custody: str | None = words()
    pairing: UUID | None = None
    certificate_chain: list[bytes] = column(ARRAY(LargeBinary), default=list)
    __table_args__ = (
        Index("ix_signing_session_key_spki", "key_spki", postgresql_using="hash"),
        Index("ix_signing_session_chain", "expires_at", postgresql_where=sql("certificate_chain <> '{}'")),
    )


class OneTimeCodeRow(DeclaredTable):
    """A one-time code, which is derived from `id`. A new code ends the old one; limits count these rows by person."""

    __tablename__ = "one_time_code"
    id: UUID = column(primary_key=True)
    person: str = words()
    session: UUID
    created_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False)
    used_at: datetime | None = moment()
    __table_args__ = (Index("ix_one_time_code_person", "person", "created_at"),)


class WrongAnswerRow(DeclaredTable):
    __tablename__ = "wrong_answer"
    id: int | None = column(BigInteger, primary_key=True, autoincrement=True)
    person: str = words()
    at: datetime = moment(nullable=False)
    __table_args__ = (Index("ix_wrong_answer_person", "person", "at"),)


class IdentityCheckRow(DeclaredTable):
    """Result, method and time of an identity check, and the provider's own id of it. The inputs are not stored."""

    __tablename__ = "identity_check"
    id: UUID = column(primary_key=True)
    contract: UUID = column(foreign_key="contract.id", index=True)
    signer: UUID
    session: UUID
    provider: str = words()
    method: str = words()
    result: str = words()
    at: datetime = moment(nullable=False)
    reference: str | None = words()


class PageSeenRow(DeclaredTable):
    __tablename__ = "page_seen"
    task: UUID = column(primary_key=True)
    document: str = words(primary_key=True)
    page: int = column(primary_key=True)
    at: datetime = moment(nullable=False)


class PairingRow(DeclaredTable):
    """A pairing. `session`: of the page; `agent`: of the program on the signer's own computer."""

    __tablename__ = "pairing"
    id: UUID = column(primary_key=True)
    session: UUID = column(foreign_key="signing_session.id", index=True)
    contract: UUID = column(foreign_key="contract.id")
    code_hash: bytes = bytes_(nullable=False, unique=True)
    created_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False)
    claimed_at: datetime | None = moment()
    agent: UUID | None = None
    certificate: bytes | None = bytes_()
    confirmed_at: datetime | None = moment()
    ended_at: datetime | None = moment()


class PasskeyRow(DeclaredTable):
    """A passkey. The credential id, which the device chooses, is unique for an origin."""

    __tablename__ = "passkey"
    id: UUID = column(primary_key=True)
    person: str = words()
    rp_id: str = words()
    credential_id: bytes = bytes_(nullable=False)
    public_key: bytes = bytes_(nullable=False)
    counter: int = column(BigInteger)
    synced: bool
    created_at: datetime = moment(nullable=False)
    used_at: datetime | None = moment()
    ended_at: datetime | None = moment()
    __table_args__ = (
        UniqueConstraint("rp_id", "credential_id"),
        Index("ix_passkey_person", "person"),
    )


class AppKeyRow(DeclaredTable):
    """A key in an app's keystore, bound to a person. `spki_hash` is SHA-256.

    `contract` and `signer` are those of the session in which it was bound.
    """

    __tablename__ = "app_key"
    id: UUID = column(primary_key=True)
    spki_hash: bytes = bytes_(nullable=False, unique=True)
    spki: bytes = bytes_(nullable=False)
    person: str = words(index=True)
    contract: UUID = column(foreign_key="contract.id")
    signer: UUID = column(foreign_key="signer.id")
    label_sealed: bytes = bytes_(nullable=False)
    attestation: str = words()
    platform: str = words()
    app: str = words()
    level: str = words()
    reasons: list[str] = column(ARRAY(Text), default=list)
    evidence: bytes | None = bytes_()
    challenge: bytes | None = bytes_()
    bound_at: datetime = moment(nullable=False)
    used_at: datetime | None = moment()
    revoked_at: datetime | None = moment()
    revoked_by: str | None = words()
    reason: str | None = words()
    certificates_due_at: datetime | None = moment()
    certificate_tries: int = counter()
    __table_args__ = (
        Index(
            "ix_app_key_certificates_due",
            "certificates_due_at",
            postgresql_where=sql("certificates_due_at IS NOT NULL"),
        ),
    )


class IssuedCertificateRow(DeclaredTable):
    __tablename__ = "issued_certificate"
    serial: str = words(primary_key=True)
    authority: str = words(primary_key=True)
    contract: UUID | None = None
    signer: UUID | None = column(index=True)
    certificate: bytes = bytes_(nullable=False)
    issued_at: datetime = moment(nullable=False)
    not_after: datetime = moment(nullable=False)
    revoked_at: datetime | None = moment()
    revocation_reason: str | None = words()
    __table_args__ = (
        Index("ix_issued_certificate_revoked", "authority", postgresql_where=sql("revoked_at IS NOT NULL")),
    )


class SharedCertificateRow(DeclaredTable):
    """A certificate (DER) that many signature requests share: of the seal, or of an authority."""

    __tablename__ = "shared_certificate"
    sha256: bytes = bytes_(nullable=False, primary_key=True)
    certificate: bytes = bytes_(nullable=False)
    __table_args__ = (CheckConstraint("sha256 = sha256(certificate)", name="hash"),)


class SignatureRequestRow(DeclaredTable):
    """A signature request. `chain`: certificates (DER), or their SHA-256 where they are shared ones."""

    __tablename__ = "signature_request"
    id: UUID = column(primary_key=True)
    contract: UUID = column(foreign_key="contract.id")
    task: UUID | None = None
    session: UUID | None = None
    field: str = words()
    state: str = words()
    base: str = words()
    prepared: str = words()
    gap_start: int
    gap_end: int
    document_digest: bytes = bytes_(nullable=False)
    to_be_signed: bytes = bytes_(nullable=False)
    chain: list[bytes] = column(ARRAY(LargeBinary), default=list)
    custody_claimed: str | None = words()
    custody: str | None = words()
    consent_version: str | None = words()
    consent_sha256: str | None = words()
    signature: bytes | None = bytes_()
    confirmation: bytes | None = bytes_()
    key_deleted_at: datetime | None = moment()
    created_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False)
    accepted_at: datetime | None = moment()
    embedded_at: datetime | None = moment()
    prepared_deleted_at: datetime | None = moment()
    __table_args__ = (
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
        # A contract has at most one accepted signature, which blocks its revision, and at most one seal that has not
        # lapsed.
        Index("uq_signature_request_accepted", "contract", unique=True, postgresql_where=sql("state = 'ACCEPTED'")),
        Index(
            "uq_signature_request_seal",
            "contract",
            unique=True,
            postgresql_where=sql("task IS NULL AND state <> 'LAPSED'"),
        ),
    )
