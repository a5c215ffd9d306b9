"""What signers fill in before they sign, and their attachments.

The content of an attachment is a stored file, encrypted with a key of its own. The key is in the row, encrypted too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ARRAY, DateTime, Uuid, any_, bindparam, insert, select, update

from hub.errors import NotFound, StoredFileUnreadable
from hub.model.contract.attachment import Attachment
from hub.model.contract.contract import Contract
from hub.store.contract.contracts import ANSWERS, Contracts
from hub.store.encryption.cipher import NONCE_BYTES, Cipher
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Connection, Row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.contract import ATTACHMENT, DOCUMENT_VERSION as VERSION

_KEY: Final = EncryptedColumn.of(ATTACHMENT.c.key_sealed)
_KEY_BITS: Final = 256
_FIELDS: Final = set(Attachment.__dataclass_fields__)
_ADD = SqlStatement(insert(ATTACHMENT))
_OF_CONTRACT = SqlStatement(
    select(ATTACHMENT).where(ATTACHMENT.c.contract == bindparam("of")).order_by(ATTACHMENT.c.given_at, ATTACHMENT.c.id)
)
_SUPERSEDE = SqlStatement(
    update(ATTACHMENT)
    .where(
        ATTACHMENT.c.contract == bindparam("of"),
        ATTACHMENT.c.superseded_at.is_(None),
        ~(ATTACHMENT.c.id == any_(bindparam("kept", type_=ARRAY(Uuid())))),
    )
    .values(superseded_at=bindparam("at", type_=DateTime(timezone=True)))
)
_FORGET_FILE = SqlStatement(
    update(VERSION)
    .where(VERSION.c.contract == bindparam("of"), VERSION.c.sha256 == bindparam("document"))
    .values(file=None)
)


@dataclass(frozen=True)
class SealedContent:
    """Content that is encrypted for one attachment (by its id), and its key."""

    content: bytes
    key: bytes


def seal_content(attachment: UUID, content: bytes) -> SealedContent:
    key, nonce = AESGCM.generate_key(_KEY_BITS), os.urandom(NONCE_BYTES)
    return SealedContent(nonce + AESGCM(key).encrypt(nonce, content, attachment.bytes), key)


def open_content(attachment: UUID, encrypted: SealedContent) -> bytes:
    """Return the content. Raises StoredFileUnreadable if it was changed, or belongs to another attachment."""
    nonce, body = encrypted.content[:NONCE_BYTES], encrypted.content[NONCE_BYTES:]
    try:
        return AESGCM(encrypted.key).decrypt(nonce, body, attachment.bytes)
    except (InvalidTag, ValueError) as error:
        raise StoredFileUnreadable(f"the attachment {attachment} was changed") from error


class ContractAnswers:
    def __init__(self, connection: Connection, cipher: Cipher, contracts: Contracts) -> None:
        self._connection = connection
        self._cipher = cipher
        self._contracts = contracts

    async def put(self, contract: Contract, sha256: str, shown: Mapping[str, Any]) -> Contract:
        """Replace the contract's document by `sha256` (hex), which shows these answers. The file of the former document
        is no longer needed. The caller has locked the contract. Raises StaleVersion."""
        encrypted = self._cipher.encrypt_json(shown, ANSWERS.at(contract.id))
        await self._connection.execute(_FORGET_FILE, {"of": contract.id, "document": contract.document})
        # The database needs the number of pages, but cannot read it in the encrypted answers.
        written = {"document": sha256, "issued_sha256": sha256, "pages": shown["pages"], "answers_sealed": encrypted}
        return await self._contracts.change(contract, **written)

    async def add_attachment(self, attachment: Attachment, key: bytes) -> None:
        values = {name: getattr(attachment, name) for name in _FIELDS}
        values["key_sealed"] = self._cipher.encrypt_bytes(key, _KEY.at(attachment.id))
        await self._connection.execute(_ADD, values)

    async def list_attachments(self, contract: UUID) -> list[Attachment]:
        """Return all attachments of a contract, oldest first, including superseded ones."""
        return [_attachment(row) for row in await self._connection.execute(_OF_CONTRACT, {"of": contract})]

    async def supersede_others(self, contract: UUID, kept: Sequence[UUID], at: datetime) -> None:
        """Mark all attachments except `kept` as superseded: the document does not show them any more."""
        await self._connection.execute(_SUPERSEDE, {"of": contract, "kept": list(kept), "at": at})

    async def get_attachment(self, contract: UUID, attachment: UUID) -> tuple[Attachment, bytes]:
        """Return an attachment with its key. Raises NotFound."""
        rows = await self._connection.execute(_OF_CONTRACT, {"of": contract})
        row = next((row for row in rows if row["id"] == attachment), None)
        if row is None:
            raise NotFound
        return _attachment(row), self._cipher.decrypt_bytes(row["key_sealed"], _KEY.at(attachment))


def _attachment(row: Row) -> Attachment:
    return Attachment(**{name: row[name] for name in _FIELDS})
