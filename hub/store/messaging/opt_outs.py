"""Numbers that have opted out of messages, stored as hashes.

An opt-out on one channel to a phone number counts for all such channels: after a STOP by SMS, there are no automated
calls either.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.messaging.message import BY_PHONE
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.messaging import OPT_OUT

_CHANNELS = SqlStatement(select(OPT_OUT.c.channel).where(OPT_OUT.c.number_hash == bindparam("number")))


class OptOuts(EncryptedRepository):
    async def list_channels(self, number: str) -> frozenset[str]:
        """Return the channels that this number (E.164) has opted out of."""
        values = {"number": self._cipher.found_by("phone", number)}
        return list_covered(await self._connection.scalars(_CHANNELS, values))

    async def add(self, number: str, channel: str, at: datetime, source: str) -> bool:
        """Store an opt-out. Return False if it is stored already.

        `channel`: the channel by which it was received. `source`: `inbound`, `provider` or `staff`.
        """
        number_hash = self._cipher.found_by("phone", number)
        values = {"number_hash": number_hash, "channel": channel, "since": at, "source": source}
        return (await self._connection.execute(insert(OPT_OUT).values(values).on_conflict_do_nothing())).rowcount == 1

    async def remove(self, number: str) -> bool:
        """Delete all opt-outs of a number. Return False if it had none."""
        mine = OPT_OUT.c.number_hash == self._cipher.found_by("phone", number)
        return (await self._connection.execute(OPT_OUT.delete().where(mine))).rowcount > 0


def list_covered(said: Iterable[str]) -> frozenset[str]:
    """Return the channels that an opt-out by these channels covers."""
    channels = frozenset(said)
    return channels | BY_PHONE if channels & BY_PHONE else channels
