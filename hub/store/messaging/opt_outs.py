"""Numbers that do not want to hear from us, kept by their hash alone.

Whoever says stop by one channel that leads to a number means all of them: a STOP by SMS that an automated call follows
is none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import ARRAY, LargeBinary, Table, any_, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.model.messaging.message import BY_PHONE
from hub.store.joint import Joint, joint
from hub.store.kernel.cipher import Cipher
from hub.store.tables import OptOutRow, table_of

OPT_OUT: Table = table_of(OptOutRow)
_OF_NUMBERS = select(OPT_OUT.c.number_hash, OPT_OUT.c.channel).where(
    OPT_OUT.c.number_hash == any_(bindparam("hashes", type_=ARRAY(LargeBinary())))
)


class OptOuts:
    def __init__(self, connection: AsyncConnection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    async def foresee(self, ahead: Joint, numbers: Collection[str]) -> None:
        hashes = {self._cipher.found_by("phone", number): number for number in numbers}
        unwanted: defaultdict[str, set[str]] = defaultdict(set)
        for number_hash, channel in (await ahead.aside(_OF_NUMBERS, {"hashes": list(hashes)})).all():
            unwanted[hashes[number_hash]].add(channel)
        for number in numbers:
            ahead.put("opt-outs", number, _all_meant(unwanted[number]))

    async def channels(self, number: str) -> frozenset[str]:
        """The channels that this number (E.164) does not want to hear from us by."""
        ahead = joint(self._connection)
        if ahead and isinstance(known := ahead.get("opt-outs", number), frozenset):
            return known
        mine = OPT_OUT.c.number_hash == self._cipher.found_by("phone", number)
        return _all_meant(await self._connection.scalars(select(OPT_OUT.c.channel).where(mine)))

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


def _all_meant(said: Iterable[str]) -> frozenset[str]:
    channels = frozenset(said)
    return channels | BY_PHONE if channels & BY_PHONE else channels
