"""Numbers that do not want to hear from us, kept by their hash alone.

Whoever says stop by one channel that leads to a number means all of them: a STOP by SMS that an automated call follows
is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Table, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.messaging.message import BY_PHONE
from hub.store.kernel.cipher import Cipher
from hub.store.kernel.statement import Connection, SqlStatement
from hub.store.tables import OptOutRow, table_of

OPT_OUT: Table = table_of(OptOutRow)
_CHANNELS = SqlStatement(select(OPT_OUT.c.channel).where(OPT_OUT.c.number_hash == bindparam("number")))


class OptOuts:
    def __init__(self, connection: Connection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    async def channels(self, number: str) -> frozenset[str]:
        """The channels that this number (E.164) does not want to hear from us by."""
        values = {"number": self._cipher.found_by("phone", number)}
        return all_meant(await self._connection.scalars(_CHANNELS, values))

    async def add(self, number: str, channel: str, at: datetime, source: str) -> bool:
        """`channel`: by which it was said. `source`: who said so (`inbound`, `provider`, `staff`). False if it was
        known already."""
        number_hash = self._cipher.found_by("phone", number)
        values = {"number_hash": number_hash, "channel": channel, "since": at, "source": source}
        return (await self._connection.execute(insert(OPT_OUT).values(values).on_conflict_do_nothing())).rowcount == 1

    async def remove(self, number: str) -> bool:
        """By whichever channel it was said. False if this number wanted to hear from us anyway."""
        mine = OPT_OUT.c.number_hash == self._cipher.found_by("phone", number)
        return (await self._connection.execute(OPT_OUT.delete().where(mine))).rowcount > 0


def all_meant(said: Iterable[str]) -> frozenset[str]:
    """Return the channels that are meant by those by which a number said stop."""
    channels = frozenset(said)
    return channels | BY_PHONE if channels & BY_PHONE else channels
