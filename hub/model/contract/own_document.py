"""A PDF of the school's own, whose pages stay as they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# The template that says what its signers agree to, and nothing else.
OWN_TEMPLATE: Final = "own-document"
MAX_OWN_DOCUMENT_BYTES: Final = 20 << 20
MAX_TITLE_LENGTH: Final = 60


@dataclass(frozen=True)
class OwnDocument:
    """`sha256` (hex): of the checked file, as `keep_own_document` stored it. `places`: where each signature field
    shows, by its name, written as in `seal_place`; `seal` is the school's."""

    sha256: str
    title: str
    places: Mapping[str, str]
