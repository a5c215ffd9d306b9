"""Staff accounts and staff tasks, and which campuses somebody may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Scope:
    """The campuses whose rows a piece of work may touch. `None` = all: the hub itself, headquarters, a verified
    signer's session."""

    campuses: frozenset[str] | None

    @property
    def setting(self) -> str:
        """As row-level security reads it: `*` or ids between commas."""
        return "*" if self.campuses is None else "," + ",".join(sorted(self.campuses)) + ","

    def covers(self, campus: str) -> bool:
        return self.campuses is None or campus in self.campuses


EVERYTHING = Scope(None)


@dataclass(frozen=True)
class Staff:
    id: UUID
    login: str
    name: str
    campus: str
    role: str = "clerk"


@dataclass(frozen=True)
class ApiKey:
    """`campus` bounds what the key may touch, like an account of staff."""

    id: UUID
    name: str
    campus: str


# The kind of a staff task: no way has led to this signer. It is settled by itself when the signer comes.
UNREACHED = "unreached"
# The kind of a staff task: this number wants to hear nothing more from us. It is settled by itself when it says start,
# or when nothing is left to sign.
OPTED_OUT = "opted-out"


@dataclass(frozen=True)
class StaffTask:
    """Something that only a person can settle: a question, a locked signer, an unreachable one, a job that keeps
    failing.

    `owner` is the member of staff who has to see to it until `due_at`; one who has not taken it by `climbs_at` loses
    it to the campus's manager. All but `created_at` and `done_at` are on the planning clock.
    """

    id: UUID
    kind: str
    text: str
    campus: str
    created_at: datetime
    contract: UUID | None = None
    signer: UUID | None = None
    done_at: datetime | None = None
    done_by: str | None = None
    owner: UUID | None = None
    owned_at: datetime | None = None
    due_at: datetime | None = None
    taken_at: datetime | None = None
    climbs_at: datetime | None = None
    climbed_at: datetime | None = None
