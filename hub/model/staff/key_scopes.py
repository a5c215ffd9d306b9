"""Scopes: what an API key may do. Its campus limits what it may see. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hub.errors import BadInput


class KeyScope(StrEnum):
    READ = "read"
    """Read contracts, files and records."""
    ISSUE = "issue"
    """Issue and reissue contracts."""
    ACT = "act"
    """Hand out links, remind, withdraw, extend, change a phone."""
    SEAL = "seal"
    """Have files sealed, as far as a seal is granted to this key."""
    MANAGE_SEALS = "manage-seals"
    """Apply for seals, grant, suspend and revoke them; read their register."""
    METRICS = "metrics"
    """Read `/metrics`; only with a key of headquarters."""


ALL_SCOPES = frozenset(KeyScope)
# Only staff who may use seals can give these scopes to a key.
SEAL_SCOPES = frozenset({KeyScope.SEAL, KeyScope.MANAGE_SEALS})
# The scopes of a key for which none are named.
USUAL_SCOPES = frozenset({KeyScope.READ, KeyScope.ISSUE, KeyScope.ACT})
# The longest time for which the former secret may stay valid after a rotation.
MAX_OVERLAP = timedelta(days=30)


@dataclass(frozen=True)
class KeyTerms:
    """The scopes of a new key, and when it expires; None for never."""

    scopes: frozenset[KeyScope] = USUAL_SCOPES
    expires_at: datetime | None = None


def parse_scopes(words: Iterable[str]) -> frozenset[KeyScope]:
    """Return the scopes with these names; the usual ones for none. Raises BadInput for another name."""
    wanted = list(words)
    if unknown := [word for word in wanted if word not in ALL_SCOPES]:
        raise BadInput(f"there is no scope {unknown[0]}: the scopes are {', '.join(KeyScope)}", field="scope")
    return frozenset(KeyScope(word) for word in wanted) or USUAL_SCOPES


def check_terms(terms: KeyTerms, now: datetime) -> None:
    """Raise BadInput for a key without a scope, or one that has already expired."""
    if not terms.scopes:
        raise BadInput("a key needs at least one scope", field="scope")
    if terms.expires_at is not None and terms.expires_at <= now:
        raise BadInput(f"{terms.expires_at:%Y-%m-%d} has passed: the key must expire on a future day", field="expires")


def check_overlap(overlap: timedelta) -> None:
    """Raise BadInput for an overlap that is negative or too long."""
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise BadInput(f"the overlap must be 0 to {MAX_OVERLAP.days} days", field="overlap")
