"""Staff accounts with their sessions, API keys, and staff tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hub.model.staff.key_scopes import ALL_SCOPES, KeyScope
from hub.model.staff.roles import StaffRole


@dataclass(frozen=True)
class Staff:
    id: UUID
    login: str
    name: str
    campus: str
    role: StaffRole = StaffRole.CLERK

    @property
    def actor(self) -> str:
        """The name of this member of staff in records."""
        return f"staff:{self.id}"


@dataclass(frozen=True)
class StaffAccount:
    """An account as its administrator sees it.

    `sessions`: the number of open sessions. `second_factor`: whether it has one. `password_expires_at`: when a one-time
    password that was not changed yet expires. `login_subject`: the person's id at the school's own login service.
    """

    staff: Staff
    created_at: datetime
    disabled_at: datetime | None
    sessions: int
    second_factor: bool = False
    password_expires_at: datetime | None = None
    login_subject: str | None = None


@dataclass(frozen=True)
class StaffLogin:
    """The facts that decide whether a person may log in. `one_time`: the password has to be changed first. `subject`:
    the person at the school's own login service to whom the account is linked."""

    staff: Staff
    password_hash: str
    one_time: bool
    second_factor: bool
    subject: str | None


@dataclass(frozen=True)
class StaffSession:
    """An open session of a member of staff. `browser`: a short name of the browser. `seen_at`: to the minute."""

    id: UUID
    created_at: datetime
    expires_at: datetime
    seen_at: datetime
    browser: str


@dataclass(frozen=True)
class NewStaffSession:
    """A session to begin. `known`: the account as it was read for the login. `pending`: the second factor was not
    entered yet, so nothing else may be done. `by_provider`: the person logged in at the school's own login service."""

    known: StaffLogin
    secret: str
    life: timedelta
    browser: str = ""
    pending: bool = False
    by_provider: bool = False


@dataclass(frozen=True)
class CurrentSession:
    """The session of a request. `one_time`: the password has to be changed. `second_factor`: the account has one.
    `by_provider`: the person logged in at the school's own login service."""

    id: UUID
    staff: Staff
    pending: bool
    one_time: bool
    second_factor: bool
    by_provider: bool = False


@dataclass(frozen=True)
class ApiKey:
    """An API key. `campus`: limits what the key may see, as for a staff account; `scopes`: what it may do there."""

    id: UUID
    name: str
    campus: str
    scopes: frozenset[KeyScope] = ALL_SCOPES


@dataclass(frozen=True)
class ApiKeyEntry:
    """An API key as its administrator sees it, without the secret, which was shown only once."""

    key: ApiKey
    created_at: datetime
    revoked_at: datetime | None
    expires_at: datetime | None = None

    def counts_at(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


# Kind of staff task: no channel has reached this signer. It is closed automatically when the signer opens the link.
UNREACHED = "unreached"
# Kind of staff task: this number has opted out of messages. It is closed automatically when the number opts in again,
# or when nothing is left to sign.
OPTED_OUT = "opted-out"
# Kind of staff task: this person wrote to us by SMS, in their own words. Reminders go on meanwhile.
WROTE = "wrote"


@dataclass(frozen=True)
class StaffTask:
    """A problem that needs a person: a question, a locked or unreachable signer, a job that keeps failing.

    `owner`: the member of staff who has to finish it by `due_at`. If they have not taken it by `climbs_at`, it passes
    to the manager of the campus. `outcome`, `note`: how it was finished. All times except `created_at` and `done_at`
    are on the planning clock.
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
    outcome: str | None = None
    note: str | None = None
