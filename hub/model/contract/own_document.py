"""A PDF of the school's own, whose pages stay as they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# The template of such a contract. It contains only the text that its signers agree to.
OWN_TEMPLATE: Final = "own-document"
MAX_OWN_DOCUMENT_BYTES: Final = 20 << 20
MAX_TITLE_LENGTH: Final = 60


@dataclass(frozen=True)
class OwnDocument:
    """The uploaded PDF of a contract. `sha256` (hex): of the checked file, as `keep_own_document` stored it. `places`:
    the place of each signature field, by the name of the field, in the notation of `seal_place`. The field `seal` is
    for the school's seal."""

    sha256: str
    title: str
    places: Mapping[str, str]
