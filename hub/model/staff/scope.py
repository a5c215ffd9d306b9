"""Who acts, and the campuses that they may see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """The campuses whose rows a transaction may access. None for all: for the hub itself, headquarters, and the session
    of a verified signer."""

    campuses: frozenset[str] | None

    @property
    def setting(self) -> str:
        """The value of the database setting for row-level security: `*`, or campus ids, each between commas."""
        return "*" if self.campuses is None else "," + ",".join(sorted(self.campuses)) + ","

    def covers(self, campus: str) -> bool:
        return self.campuses is None or campus in self.campuses


EVERYTHING = Scope(None)


@dataclass(frozen=True)
class Actor:
    """A person or client who acts. `name`: their name in the record. `scope`: the campuses whose rows they see."""

    name: str
    scope: Scope
