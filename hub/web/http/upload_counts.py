"""Count uploads while they are received and read, so that those of one person or key do not queue up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from aiohttp import web

from hub.errors import TooMany

# How many uploads there are at this moment in this process, for each signing task and API key.
UPLOADS: Final = web.AppKey("uploads", Counter[UUID])


@contextmanager
def counted_upload(request: web.Request, owner: UUID, most: int, refusal: TooMany) -> Iterator[None]:
    """Count an upload of `owner`. Raises `refusal` if there are `most` already."""
    uploads = request.app[UPLOADS]
    if uploads[owner] >= most:
        raise refusal
    uploads[owner] += 1
    try:
        yield
    finally:
        uploads[owner] -= 1
        uploads += Counter()  # forgets those who have none
