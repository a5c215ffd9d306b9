"""Second factors of staff accounts: the encrypted secret of an app, the last used time step, and recovery codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select

from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.repository import EncryptedRepository
from hub.store.tables.staff import STAFF, STAFF_RECOVERY_CODE as CODE

_SECRET = EncryptedColumn.of(STAFF.c.totp_sealed)


@dataclass(frozen=True)
class SecondFactor:
    """The secret of an authenticator app (base 32). `since`: None before the first correct code. `step`: the time step
    of the last code that was used."""

    secret: str
    since: datetime | None
    step: int | None


class SecondFactors(EncryptedRepository):
    async def get(self, staff: UUID) -> SecondFactor | None:
        columns = (STAFF.c.totp_sealed, STAFF.c.totp_since, STAFF.c.totp_step)
        row = (await self._connection.execute(select(*columns).where(STAFF.c.id == staff))).first()
        if row is None or row["totp_sealed"] is None:
            return None
        secret = self._cipher.decrypt(row["totp_sealed"], _SECRET.at(staff))
        return SecondFactor(secret, row["totp_since"], row["totp_step"])

    async def begin(self, staff: UUID, secret: str) -> bool:
        """Store a secret that has to be confirmed. Return False if the account already has a second factor."""
        free = (STAFF.c.id == staff) & STAFF.c.totp_since.is_(None)
        values = {"totp_sealed": self._cipher.encrypt(secret, _SECRET.at(staff)), "totp_step": None}
        return (await self._connection.execute(STAFF.update().where(free).values(values))).rowcount == 1

    async def use_step(self, staff: UUID, step: int) -> bool:
        """Use up the code of a time step. Return False if it, or a later one, was already used."""
        unused = (STAFF.c.id == staff) & or_(STAFF.c.totp_step.is_(None), STAFF.c.totp_step < step)
        return (await self._connection.execute(STAFF.update().where(unused).values(totp_step=step))).rowcount == 1

    async def confirm(self, staff: UUID, at: datetime) -> None:
        await self._connection.execute(STAFF.update().where(STAFF.c.id == staff).values(totp_since=at))

    async def remove(self, staff: UUID) -> None:
        """Remove the secret and all recovery codes."""
        nothing = {"totp_sealed": None, "totp_since": None, "totp_step": None}
        await self._connection.execute(STAFF.update().where(STAFF.c.id == staff).values(nothing))
        await self.replace_codes(staff, ())

    async def replace_codes(self, staff: UUID, hashes: Sequence[bytes]) -> None:
        await self._connection.execute(CODE.delete().where(CODE.c.staff == staff))
        for each in hashes:
            await self._connection.execute(CODE.insert().values(staff=staff, code_hash=each))

    async def use_code(self, staff: UUID, code_hash: bytes) -> bool:
        """Use up a recovery code. Return False if the account has no code with this hash."""
        its = (CODE.c.staff == staff) & (CODE.c.code_hash == code_hash)
        return (await self._connection.execute(CODE.delete().where(its))).rowcount == 1

    async def count_codes(self, staff: UUID) -> int:
        return await self._connection.count(CODE, CODE.c.staff == staff)
