"""Read the ids that addresses, forms and bodies contain."""

from __future__ import annotations

from uuid import UUID

from hub.errors import NotFound, QiandaError


def read_id(text: str, otherwise: QiandaError | type[QiandaError] = NotFound) -> UUID:
    """Return an id. Raises `otherwise` for any other text."""
    try:
        return UUID(text)
    except ValueError:
        raise otherwise from None
