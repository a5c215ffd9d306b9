"""The base classes of the repositories."""

from __future__ import annotations

from hub.store.encryption.cipher import Cipher
from hub.store.kernel.connection import Connection


class Repository:
    """The rows of one subject, read and written on the connection of a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection


class EncryptedRepository(Repository):
    """The same for rows with encrypted columns, or with hashes by which they are found."""

    def __init__(self, connection: Connection, cipher: Cipher) -> None:
        super().__init__(connection)
        self._cipher = cipher
