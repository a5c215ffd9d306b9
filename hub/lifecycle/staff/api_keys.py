"""Keys of other systems: added, listed, revoked. A key's secret is shown once, and kept as a hash alone."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from uuid import uuid4

from hub.errors import BadInput
from hub.lifecycle.evidence.school_acts import record_act
from hub.lifecycle.services import Services
from hub.model.staff.accounts import EVERYTHING, ApiKey, ApiKeyEntry

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
# In front of every secret, so that whoever finds one knows whose it is.
SECRET_PREFIX = "qdk_"
SECRET_BYTES = 32


async def add_key(services: Services, name: str, campus: str, actor: str) -> str:
    """Add a key for this campus and all below it; returns its secret.

    Raises BadInput (with the field) for a name that cannot be or that a live key has, and for an unknown campus.
    """
    if not NAME.fullmatch(name):
        raise BadInput(f"the name {name!r} has to be letters, digits, dots, dashes or underscores", field="name")
    secret = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(uuid4(), name, campus)
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.school.change_alone()  # two of one name must not both find it free
        await tx.school.campus(campus)
        if any(each.key.name == name and each.revoked_at is None for each in await tx.api_keys.all()):
            raise BadInput(f"there is a key {name} already: revoke it first, or take another name", field="name")
        await tx.api_keys.add(key, secret, tx.now)
        await record_act(tx, campus, "key-added", actor, {"api_key": str(key.id), "name": name, "campus": campus})
    return secret


async def list_keys(services: Services) -> Sequence[ApiKeyEntry]:
    async with services.database.transaction(EVERYTHING) as tx:
        return await tx.api_keys.all()


async def revoke_key(services: Services, name: str, actor: str) -> None:
    """Revoke the live key of this name: the next request with it is refused. Raises BadInput where there is none."""
    async with services.database.transaction(EVERYTHING) as tx:
        revoked = await tx.api_keys.revoke(name, tx.now)
        if not revoked:
            raise BadInput(f"there is no key {name} that counts", field="name")
        for key in revoked:
            facts = {"api_key": str(key.id), "name": name, "campus": key.campus}
            await record_act(tx, key.campus, "key-revoked", actor, facts)
