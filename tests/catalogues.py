"""The catalogues of the product, read once for all tests of a process."""

from __future__ import annotations

from functools import cache

from hub.settings import PACKED
from hub.web.pages.i18n import Catalogues


@cache
def catalogues() -> Catalogues:
    return Catalogues.read(PACKED / "templates" / "languages")
