"""Add, rotate and revoke the API keys of other systems. A key's secret is shown once and stored only as a hash."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from hub.errors import BadInput
from hub.lifecycle.evidence.school_acts import record_act
from hub.lifecycle.services import Services
from hub.model.staff.accounts import ApiKey, ApiKeyEntry
from hub.model.staff.key_scopes import KeyTerms, check_overlap, check_terms
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
# The prefix of every secret. By this prefix, a person or a scanner that finds a secret sees where it belongs.
SECRET_PREFIX = "qdk_"
SECRET_BYTES = 32


async def add_key(services: Services, name: str, campus: str, actor: str, terms: KeyTerms | None = None) -> str:
    """Add a key for this campus and all below it. Return its secret. Without `terms`, it has the usual scopes and does
    not expire.

    Raises BadInput (with the field) for a name that is invalid or that a key has or had, for invalid terms, and for an
    unknown campus. Grants of seals and seal jobs name their key, so a later key of this name would get them.
    """
    if not NAME.fullmatch(name):
        raise BadInput(f"the name {name!r} has to be letters, digits, dots, dashes or underscores", field="name")
    terms = terms or KeyTerms()
    async with services.database.transaction(EVERYTHING) as tx:
        check_terms(terms, tx.now)
        await tx.school.lock_changes()  # otherwise two calls could both find the name free
        await tx.school.get_campus(campus)
        if any(each.key.name == name for each in await tx.api_keys.list_all()):
            raise BadInput(f"a key is or was named {name}: take another name", field="name")
        key = ApiKey(uuid4(), name, campus, terms.scopes)
        return await _add(tx, key, terms.expires_at, actor)


async def rotate_key(services: Services, name: str, overlap: timedelta, actor: str) -> str:
    """Give a key a new secret, with the same campus, scopes and expiry. Return the secret. The former secret stays
    valid for `overlap`. Without an overlap, as after a leak, every former secret ends at once.

    Raises BadInput if there is no such key, if an overlap is asked for during another one, or if it is too long.
    """
    check_overlap(overlap)
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.school.lock_changes()  # otherwise two rotations could both find one key
        live = await _list_live(tx, name)
        if not live:
            raise BadInput(f"there is no valid key {name}", field="name")
        if len(live) > 1 and overlap:
            raise BadInput(f"{name} is being rotated: the former secret is still valid", field="name")
        newest = max(live, key=lambda each: each.created_at)
        ends = tx.now + overlap
        for each in live:
            await tx.api_keys.expire(each.key.id, min(ends, each.expires_at or ends))
        return await _add(tx, replace(newest.key, id=uuid4()), newest.expires_at, actor)


async def _list_live(tx: Transaction, name: str) -> list[ApiKeyEntry]:
    return [each for each in await tx.api_keys.list_all() if each.key.name == name and each.counts_at(tx.now)]


async def _add(tx: Transaction, key: ApiKey, expires_at: datetime | None, actor: str) -> str:
    secret = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    await tx.api_keys.add(key, secret, tx.now, expires_at)
    facts = {"api_key": str(key.id), "name": key.name, "campus": key.campus, "scopes": sorted(key.scopes)}
    end = {"expires_at": expires_at.isoformat()} if expires_at else {}
    await record_act(tx, key.campus, "key-added", actor, facts | end)
    return secret


async def list_keys(services: Services) -> Sequence[ApiKeyEntry]:
    async with services.database.transaction(EVERYTHING) as tx:
        return await tx.api_keys.list_all()


async def revoke_key(services: Services, name: str, actor: str) -> None:
    """Revoke the live key of this name: the next request with it is refused. Raises BadInput if there is none."""
    async with services.database.transaction(EVERYTHING) as tx:
        revoked = await tx.api_keys.revoke(name, tx.now)
        if not revoked:
            raise BadInput(f"there is no valid key {name}", field="name")
        for key in revoked:
            facts = {"api_key": str(key.id), "name": name, "campus": key.campus}
            await record_act(tx, key.campus, "key-revoked", actor, facts)
