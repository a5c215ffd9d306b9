"""The hash-chained record, and the erasable values behind its commitments."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub.store.tables.columns import DeclaredTable, bytes_, column, counter, json_, moment, words


class RecordEntryRow(DeclaredTable):
    """An entry of a record. The role `app` may only insert and read."""

    __tablename__ = "record_entry"
    contract: UUID = column(primary_key=True)
    sequence: int = column(primary_key=True)
    campus: str = words()
    at: datetime = moment(nullable=False)
    kind: str = words()
    actor: str = words()
    facts: dict[str, Any] = json_()
    previous: bytes = bytes_(nullable=False)
    digest: bytes = bytes_(nullable=False)


class RecordHeadRow(DeclaredTable):
    """The number of entries of a contract's record, and the digest of the last one.

    The trigger `follow_record` of the database updates it with every entry; the role `app` may only read it.
    """

    __tablename__ = "record_head"
    contract: UUID = column(primary_key=True)
    campus: str = words()
    entries: int
    digest: bytes = bytes_(nullable=False)


class PersonalValueRow(DeclaredTable):
    """A value behind a commitment in the record. Erasing it (and the signer's salt) leaves the chain valid.

    `salt`: set for a text, which has a salt of its own. Values on file of a signer use the signer's salt.
    """

    __tablename__ = "personal_value"
    contract: UUID = column(primary_key=True)
    commitment: str = words(primary_key=True)
    campus: str = words()
    signer: UUID | None = None
    name: str = words()
    value_sealed: bytes = bytes_(nullable=False)
    salt: bytes | None = bytes_()


class EvidencePackageRow(DeclaredTable):
    """A version of a contract's evidence package. The role `app` may only insert and read.

    `file`: the stored file of this version alone; `pieces`: how the version is put together from it and from others,
    NULL if it is that file. `renewals`: how many timestamps its evidence record has besides the first.
    """

    __tablename__ = "evidence_package"
    contract: UUID = column(primary_key=True)
    version: int = column(primary_key=True)
    campus: str = words()
    sha256: str = words()
    size: int = column(BigInteger)
    leaf: bytes = bytes_(nullable=False)
    made_at: datetime = moment(nullable=False)
    file: str = words()
    pieces: list[dict[str, Any]] | None = column(JSONB(none_as_null=True))
    renewals: int = counter()
    __table_args__ = (
        Index("ix_evidence_package_sha256", "sha256", postgresql_using="hash"),
        Index("ix_evidence_package_file", "file", postgresql_using="hash"),
    )


class EvidenceAddendumRow(DeclaredTable):
    """What happened after a contract's package was signed. The role `app` may only insert and read.

    `entries`: how many entries the record had; `renewals`: how many its evidence record; `revoked`: the revocations
    that it contains.
    """

    __tablename__ = "evidence_addendum"
    contract: UUID = column(primary_key=True)
    number: int = column(primary_key=True)
    campus: str = words()
    sha256: str = words()
    size: int = column(BigInteger)
    made_at: datetime = moment(nullable=False)
    entries: int
    renewals: int
    revoked: list[str] = column(ARRAY(Text), nullable=False)
    __table_args__ = (Index("ix_evidence_addendum_sha256", "sha256", postgresql_using="hash"),)


class EvidenceDueRow(DeclaredTable):
    """A contract that reached a final state, and whose package is still to be made."""

    __tablename__ = "evidence_due"
    contract: UUID = column(primary_key=True)
    campus: str = words()
    due_at: datetime = moment(nullable=False, index=True)
    tries: int = counter()


class HashTreeRow(DeclaredTable):
    """The hash tree of one day, with the timestamps over its root. The role `app` may only insert and read."""

    __tablename__ = "hash_tree"
    day: date = column(primary_key=True)
    leaves: int
    root: bytes = bytes_(nullable=False)
    timestamps: list[bytes] = column(ARRAY(LargeBinary), nullable=False)
    made_at: datetime = moment(nullable=False)


class HashTreeLeafRow(DeclaredTable):
    """A leaf of a hash tree: see `hub.model.evidence.tree`. The role `app` may only insert and read."""

    __tablename__ = "hash_tree_leaf"
    day: date = column(primary_key=True)
    position: int = column(primary_key=True)
    kind: str = words()
    contract: UUID | None = None
    number: str = words()
    entries: int
    leaf: bytes = bytes_(nullable=False)
    __table_args__ = (Index("ix_hash_tree_leaf_contract", "contract", "kind", "entries"),)


class EvidenceRenewalRow(DeclaredTable):
    """A timestamp over earlier timestamps, or (`is_tree`) over packages hashed anew. The role `app` may only insert and
    read."""

    __tablename__ = "evidence_renewal"
    id: int = column(primary_key=True, autoincrement=False)
    algorithm: str = words()
    is_tree: bool
    leaves: int
    root: bytes = bytes_(nullable=False)
    timestamp: bytes = bytes_(nullable=False)
    made_at: datetime = moment(nullable=False)


class EvidenceRenewalLeafRow(DeclaredTable):
    """What a renewal is over: the timestamp of a day's tree or of an earlier renewal, or a contract's package. The role
    `app` may only insert and read."""

    __tablename__ = "evidence_renewal_leaf"
    renewal: int = column(primary_key=True)
    position: int = column(primary_key=True)
    day: date | None = None
    renewed: int | None = None
    contract: UUID | None = None
    leaf: bytes = bytes_(nullable=False)
    __table_args__ = tuple(
        Index(f"ix_evidence_renewal_leaf_{name}", name, "renewal", postgresql_where=text(f"{name} IS NOT NULL"))
        for name in ("day", "renewed", "contract")
    )


class HashTreeReceiptRow(DeclaredTable):
    """What a notary, or a chain service, answered when it was given a day's root. The role `app` may only insert and
    read.

    `is_final`: nothing better follows. A receipt that is only a promise is followed by another row.
    """

    __tablename__ = "hash_tree_receipt"
    day: date = column(primary_key=True)
    notary: str = words(primary_key=True)
    is_final: bool = column(primary_key=True)
    reference: str = words()
    receipt: bytes = bytes_(nullable=False)
    at: datetime = moment(nullable=False)


class LegalHoldRow(DeclaredTable):
    """A contract that must not be erased or deleted: why, by whom, and until when (NULL: until lifted)."""

    __tablename__ = "legal_hold"
    id: UUID = column(primary_key=True)
    contract: UUID = column(index=True)
    campus: str = words()
    reason: str = words()
    placed_by: str = words()
    placed_at: datetime = moment(nullable=False)
    until: datetime | None = moment()
    lifted_by: str | None = words()
    lifted_at: datetime | None = moment()


class ErasureRequestRow(DeclaredTable):
    """An erasure that staff have asked for. `sought_sealed`: who, and why. The row is deleted when the erasure has been
    carried out."""

    __tablename__ = "erasure_request"
    id: UUID = column(primary_key=True)
    campus: str = words(foreign_key="campus.id")
    sought_sealed: bytes = bytes_(nullable=False)
    asked_by: str = words()
    asked_at: datetime = moment(nullable=False)
    confirmed_by: str | None = words()
    confirmed_at: datetime | None = moment()
