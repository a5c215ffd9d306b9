"""Contracts, their signers and tasks, and the versions of their files."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Computed, DateTime, Index, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from hub.store.tables.columns import DeclaredTable, bytes_, column, moment, words

OPEN_TASKS = sql("state = 'OPEN'")


class ContractNumberRow(DeclaredTable):
    __tablename__ = "contract_number"
    year: int = column(primary_key=True)
    last: int = 0


class ContractRow(DeclaredTable):
    __tablename__ = "contract"
    id: UUID = column(primary_key=True)
    number: str = words(unique=True)
    campus: str = words(foreign_key="campus.id")
    course: str | None = words()
    enrolment: UUID | None = None
    external_id: str | None = words()
    state: str = words()
    version: int = 0
    template: str = words()
    template_version: str = words()
    language: str = words()
    title: str = words()
    student_name: str = words()
    data_sealed: bytes = bytes_(nullable=False)
    asks: bool = column(default=False, server_default=sql("false"))
    answers_sealed: bytes | None = bytes_()
    """What a signer has filled in, with the text and the pages of the document that shows it: see `ContractAnswers`."""
    pages: int = 0
    fields: list[str] = column(ARRAY(Text), default=list)
    document: str | None = words()
    issued_sha256: str | None = words()
    issued_ofd_sha256: str | None = words()
    final_ofd_sha256: str | None = words()
    revision: int = 0
    deadline: datetime = moment(nullable=False)
    created_at: datetime = moment(nullable=False)
    issued_at: datetime | None = moment()
    completed_at: datetime | None = moment()
    ended_at: datetime | None = moment()
    signed_at: datetime | None = moment()
    reason: str | None = words()
    replaces: UUID | None = None
    replaced_by: UUID | None = None
    hub_due_at: datetime | None = moment()
    hub_tries: int = 0
    stuck_since: datetime | None = moment()
    stuck_reason: str | None = words()
    set_id: UUID | None = None
    number_reversed: str | None = column(Text(collation="C"), Computed("reverse(upper(number))", persisted=True))
    """With it, the end of a number can be found as the beginning of a text. An index on an expression does not work for
    the role `app`, since `reverse` is not leakproof and row-level security comes first."""
    __table_args__ = (
        Index("ix_contract_number_reversed", "number_reversed", postgresql_include=["campus"]),
        Index("ix_contract_board", "campus", "state", "created_at"),
        Index("ix_contract_hub_due", "hub_due_at", postgresql_where=sql("hub_due_at IS NOT NULL")),
        Index("ix_contract_stuck", "campus", "stuck_since", postgresql_where=sql("stuck_since IS NOT NULL")),
        Index("ix_contract_external", "external_id", postgresql_where=sql("external_id IS NOT NULL")),
        Index("ix_contract_recent", "created_at", "id"),
        Index("ix_contract_set", "set_id", postgresql_where=sql("set_id IS NOT NULL")),
        Index(
            "ix_contract_pending",
            "deadline",
            "id",
            postgresql_include=["campus"],
            postgresql_where=sql("state = 'ISSUED'"),
        ),
        Index("ix_contract_name", "student_name", "id", postgresql_include=["campus"]),
        Index(
            "ix_contract_issued",
            "issued_at",
            postgresql_include=["id", "campus", "course", "state", "signed_at", "completed_at"],
            postgresql_where=sql("issued_at IS NOT NULL"),
        ),
    )


class SignerRow(DeclaredTable):
    __tablename__ = "signer"
    id: UUID = column(primary_key=True)
    contract: UUID = column(foreign_key="contract.id", index=True)
    campus: str = words()
    role: str = words()
    name: str = words()
    phone_sealed: bytes = bytes_(nullable=False)
    phone_hash: bytes = bytes_(nullable=False)
    phone_tail_hash: bytes | None = bytes_()
    id_type: str = words()
    id_number_sealed: bytes = bytes_(nullable=False)
    id_tail_hash: bytes = bytes_(nullable=False)
    person: str = words()
    order: int
    language: str = words()
    field: str = words()
    channels: list[str] = column(ARRAY(Text), default=list)
    zone: str = words()
    email_sealed: bytes | None = bytes_()
    relation: str | None = words()
    salt: bytes | None = bytes_()
    __table_args__ = (
        Index("ix_signer_name", "name", postgresql_include=["contract", "campus"]),
        Index("ix_signer_person", "person"),
        Index("ix_signer_phone_hash", "phone_hash"),
        Index("ix_signer_id_tail", "campus", "id_tail_hash"),
        Index("ix_signer_phone_tail", "campus", "phone_tail_hash"),
    )


class SigningTaskRow(DeclaredTable):
    """A signing task with its next step. A million waiting tasks cost nothing, and one UPDATE reschedules them."""

    __tablename__ = "signing_task"
    id: UUID = column(primary_key=True)
    contract: UUID = column(foreign_key="contract.id")
    signer: UUID = column(foreign_key="signer.id", index=True)
    campus: str = words()
    state: str = words()
    order: int
    next_step: str | None = words()
    step_number: int = 0
    next_due_at: datetime | None = moment()
    leased_until: datetime | None = moment()
    claimable_at: datetime | None = column(
        DateTime(timezone=True), Computed("greatest(next_due_at, leased_until)", persisted=True)
    )
    invited_at: datetime | None = moment()
    opened_at: datetime | None = moment()
    opened_through: str | None = words()
    accepted_at: datetime | None = moment()
    signed_at: datetime | None = moment()
    paused: bool = False
    __table_args__ = (
        Index("ix_signing_task_contract", "contract", postgresql_include=["campus", "opened_at"]),
        Index("ix_signing_task_claimable", "claimable_at", postgresql_where=OPEN_TASKS),
    )


class DocumentVersionRow(DeclaredTable):
    """A version of a contract's document, by its hash: draft, issued, signed, …, final.

    `file`: the stored file that begins with it, which is its own until a later one does. A draft may have none.
    `erased_at`: when it was deleted because a person was erased.
    """

    __tablename__ = "document_version"
    id: int | None = column(BigInteger, primary_key=True, autoincrement=True)
    contract: UUID = column(foreign_key="contract.id", index=True)
    kind: str = words()
    sha256: str = words()
    size: int
    created_at: datetime = moment(nullable=False)
    erased_at: datetime | None = moment()
    file: str | None = words()
    __table_args__ = (Index("ix_document_version_sha256", "sha256", postgresql_using="hash"),)


class AttachmentRow(DeclaredTable):
    """A photo or PDF that a signer has given. The stored `file` is its content, encrypted with a key of its own."""

    __tablename__ = "attachment"
    id: UUID = column(primary_key=True)
    contract: UUID = column(foreign_key="contract.id", index=True)
    signer: UUID = column(foreign_key="signer.id")
    campus: str = words()
    name: str = words()
    media_type: str = words()
    size: int
    sha256: str = words()
    file: str = words(index=True)
    key_sealed: bytes = bytes_(nullable=False)
    given_at: datetime = moment(nullable=False)
    superseded_at: datetime | None = moment()
    __table_args__ = (
        Index("ix_attachment_superseded", "superseded_at", postgresql_where=sql("superseded_at IS NOT NULL")),
    )
