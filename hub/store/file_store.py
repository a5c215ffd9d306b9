"""Open the stored files of one database. Content without a file of its own is found by the rows of the database."""

from __future__ import annotations

from hub.model.staff.scope import EVERYTHING
from hub.store.files.content_addressed import FilePart, Files, JoinedFile
from hub.store.transaction import Database


def open_files(address: str, database: Database) -> Files:
    """Open the store at this address (see `Files.at`). The rows of `database` name its contents."""

    async def find_part(sha256: str) -> FilePart | JoinedFile | None:
        async with database.transaction(EVERYTHING) as tx:
            return await tx.stored_files.find_part(sha256)

    return Files.at(address, find_part)
