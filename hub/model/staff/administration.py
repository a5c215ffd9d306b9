"""Decide who may manage which account."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from hub.errors import AccountNotFound, BadInput, LastOwner, OwnAccount, RoleAboveOwn
from hub.model.staff.accounts import Staff
from hub.model.staff.roles import ROLES_OF_HEADQUARTERS, StaffRole, may_grant
from hub.model.staff.scope import EVERYTHING, Scope


@dataclass(frozen=True)
class Administrator:
    """A person who manages accounts. `actor`: their name in the record. `account`: their own; None for a command."""

    actor: str
    role: StaffRole
    scope: Scope
    account: UUID | None = None


# A person who may run commands on the server may do everything.
COMMAND_LINE = Administrator("command-line", StaffRole.OWNER, EVERYTHING)


def check_may_manage(by: Administrator, staff: Staff) -> None:
    """Raise unless `by` may change this account.

    Raises AccountNotFound for an account outside the scope of `by`, OwnAccount, RoleAboveOwn.
    """
    if not by.scope.covers(staff.campus):
        raise AccountNotFound
    if staff.id == by.account:
        raise OwnAccount
    if not may_grant(by.role, staff.role):
        raise RoleAboveOwn


def check_may_give(by: Administrator, role: StaffRole, campus: str, *, at_headquarters: bool) -> None:
    """Raise unless `by` may give this role to an account at this campus.

    Raises BadInput (with the field) for a campus outside the scope of `by`, and for a role of headquarters at another
    campus; RoleAboveOwn.
    """
    if not by.scope.covers(campus):
        raise BadInput(f"there is no campus {campus}", field="campus")
    if role in ROLES_OF_HEADQUARTERS and not at_headquarters:
        raise BadInput("only accounts of headquarters have this role", field="role")
    if not may_grant(by.role, role):
        raise RoleAboveOwn


def check_owner_remains(staff: Staff, owners: Collection[UUID]) -> None:
    """Raise LastOwner if this account is the only owner. `owners`: the owners that are not disabled."""
    if set(owners) == {staff.id}:
        raise LastOwner
