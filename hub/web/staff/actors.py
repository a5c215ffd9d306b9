"""Find the names of actors: members of staff, and API keys."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from hub.store.transaction import Transaction


async def names_of(tx: Transaction, actors: Iterable[str | None]) -> dict[str, str]:
    """Return the names of the actors (`staff:…`) who have an account, by actor. Programs and commands have no name."""
    accounts = {actor: account for actor in actors if actor and (account := _account_of(actor))}
    found = await tx.accounts.get_names(list(accounts.values()))
    return {actor: found[account] for actor, account in accounts.items() if account in found}


async def names_of_keys(tx: Transaction) -> dict[str, str]:
    """Return the names of the API keys that the reader's campus sees, by actor (`api:…`)."""
    return {f"api:{entry.key.id}": entry.key.name for entry in await tx.api_keys.list_all()}


def _account_of(actor: str) -> UUID | None:
    kind, _, account = actor.partition(":")
    try:
        return UUID(account) if kind == "staff" else None
    except ValueError:
        return None
