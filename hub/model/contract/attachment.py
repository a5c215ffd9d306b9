"""Attachment: a photo or PDF that a signer gives for a field of the template. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

# Bytes of one upload. Photos taken by phones have 2 to 6 MB.
MAX_ATTACHMENT_BYTES: Final = 10 << 20
_TYPE_WORDS: Final = {
    "image/jpeg": {"zh": "照片", "en": "Photo"},
    "application/pdf": {"zh": "PDF 文件", "en": "PDF file"},
}
ENDINGS: Final = {"image/jpeg": "jpg", "application/pdf": "pdf"}


@dataclass(frozen=True)
class Attachment:
    """A file that a signer gave. `name`: the name of the field. `sha256`, `size`: hash and size of the content that is
    kept. `file`: SHA-256 of the stored file, which contains that content encrypted. `superseded_at`: when another one
    replaced it."""

    id: UUID
    contract: UUID
    signer: UUID
    campus: str
    name: str
    media_type: str
    size: int
    sha256: str
    file: str
    given_at: datetime
    superseded_at: datetime | None = None

    @property
    def ending(self) -> str:
        return ENDINGS[self.media_type]


def describe_attachment(media_type: str, size: int, sha256: str, language: str) -> str:
    """Return the words by which the contract refers to an attachment."""
    said = f"{_TYPE_WORDS[media_type][language]}{'，' if language == 'zh' else ', '}{max(1, round(size / 1024))} KB"
    return f"{said}{'，' if language == 'zh' else ', '}SHA-256 {sha256}"


def list_shown_attachments(data: Mapping[str, Any]) -> list[UUID]:
    """Return the ids of the attachments that the document names. `data`: the data of the contract."""
    return [UUID(each["id"]) for each in (data.get("attachments") or {}).values()]
