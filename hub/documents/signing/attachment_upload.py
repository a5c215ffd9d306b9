"""Read the photos and PDFs that signers upload, in a limited child."""

from __future__ import annotations

from typing import Final

from hub.documents.child import ChildFailed, LimitedChild, Limits
from hub.errors import BadInput
from hub.model.contract.attachment import MAX_ATTACHMENT_BYTES

LIMITS: Final = Limits(memory_bytes=1024 * 1024 * 1024, cpu_seconds=15, seconds=30)
JPEG, PDF = "image/jpeg", "application/pdf"
_CHILD = "hub.documents.signing.attachment_reading"  # by its name: the hub itself does not import this module


class AttachmentReader(LimitedChild):
    """A reader of attachments in a warm child. One per process is enough; threads take turns."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        super().__init__(_CHILD, limits)

    def read(self, uploaded: bytes, field: str) -> tuple[str, bytes]:
        """Return the media type and the content to be kept. Raises BadInput (with the field) for a file that is neither
        a photo nor a PDF, and for a PDF that is protected or contains programs."""
        if len(uploaded) > MAX_ATTACHMENT_BYTES:
            raise BadInput(f"a file has up to {MAX_ATTACHMENT_BYTES >> 20} MB", field=field)
        try:
            media_type, _, content = self.ask(uploaded).partition(b"\n")
        except ChildFailed as error:
            why = str(error) if error.refused and str(error).startswith("the PDF") else "a photo (JPEG, PNG) or a PDF"
            raise BadInput(why, field=field) from None
        return media_type.decode(), content
