"""Who may manage which account."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from hub.errors import AccountNotFound, BadInput, LastOwner, OwnAccount, RoleAboveOwn
from hub.model.staff.accounts import EVERYTHING, Scope, Staff
from hub.model.staff.roles import ROLES_OF_HEADQUARTERS, StaffRole, may_grant


@dataclass(frozen=True)
class Administrator:
    """Whoever manages accounts. `actor`: as the record names them. `account`: their own; None for a command."""

    actor: str
    role: StaffRole
    scope: Scope
    account: UUID | None = None


# Whoever may run commands on the machine may do everything.
COMMAND_LINE = Administrator("command-line", StaffRole.OWNER, EVERYTHING)


def check_may_manage(by: Administrator, staff: Staff) -> None:
    """Raise unless this account may be changed.

    Raises AccountNotFound for one of a campus that is not theirs, OwnAccount, RoleAboveOwn.
    """
    if not by.scope.covers(staff.campus):
        raise AccountNotFound
    if staff.id == by.account:
        raise OwnAccount
    if not may_grant(by.role, staff.role):
        raise RoleAboveOwn


def check_may_give(by: Administrator, role: StaffRole, campus: str, *, at_headquarters: bool) -> None:
    """Raise unless an account at this campus may get this role.

    Raises BadInput (with the field) for a campus that is not theirs, or a role of headquarters elsewhere; RoleAboveOwn.
    """
    if not by.scope.covers(campus):
        raise BadInput(f"there is no campus {campus}", field="campus")
    if role in ROLES_OF_HEADQUARTERS and not at_headquarters:
        raise BadInput("only accounts of headquarters have this role", field="role")
    if not may_grant(by.role, role):
        raise RoleAboveOwn


def check_owner_remains(staff: Staff, owners: Collection[UUID]) -> None:
    """Raise LastOwner if nobody but this account is an owner. `owners`: those that are not disabled."""
    if set(owners) == {staff.id}:
        raise LastOwner
