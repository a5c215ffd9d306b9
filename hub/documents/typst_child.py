"""Lay out drafts from the console, with Typst in a limited child. A text that crashes Typst ends the child, not the
hub; one that takes too long is abandoned."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hub.documents.child import ChildFailed, LimitedChild, Limits
from hub.errors import TemplateFailed

# Typst with the contract's font takes 200 MB of address space for a page, and lays out the longest text in two seconds.
LIMITS = Limits(memory_bytes=2 << 30, cpu_seconds=20, seconds=30)
_CHILD = "hub.documents.typst_drawing"  # by its name: the hub itself does not import this module


class TypstChild(LimitedChild):
    """A typesetter in a warm child. One per process is enough; threads that share it take turns."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        super().__init__(_CHILD, limits)

    def compile(self, asked: Mapping[str, str]) -> bytes:
        """Return the PDF. `asked`: layout, root and fonts as paths, the contract as JSON, and `issued_at` (ISO 8601).
        Raises TemplateFailed."""
        try:
            return self.ask(json.dumps(asked, ensure_ascii=False).encode())
        except ChildFailed as error:
            raise TemplateFailed(f"The contract could not be laid out: {error}") from None
