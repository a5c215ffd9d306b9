"""What each role may do in the console. The account's campus decides on which rows: see `Scope`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class StaffRole(StrEnum):
    """The function of a member of staff."""

    OWNER = "owner"
    HEADQUARTERS = "headquarters"
    CAMPUS_MANAGER = "campus-manager"
    CLERK = "clerk"
    SEAL_KEEPER = "seal-keeper"
    LEGAL = "legal"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """One kind of act. Each route of the console asks for exactly one."""

    OWN_ACCOUNT = "own-account"
    """One's own password, sessions and second factor."""
    READ_CONTRACT = "read-contract"
    """Contracts with their records, enrolments, tasks, posters and policies: everything that is only shown."""
    READ_RECORD = "read-record"
    """The school's own record: who changed accounts, keys, campuses and the seal."""
    READ_REPORTS = "read-reports"
    """Figures of many contracts together: how many, how fast, at what cost. They name no signer."""
    REVEAL_NUMBER = "reveal-number"
    HAND_OUT_LINK = "hand-out-link"
    """A signer's link or code, with which a visit begins."""
    ISSUE = "issue"
    """Issue a contract, and withdraw one to issue a corrected one in its place."""
    APPROVE_ISSUE = "approve-issue"
    """Approve the issue of contracts that somebody else asked for, where a course or template demands it."""
    IMPORT = "import"
    REMIND = "remind"
    EXTEND = "extend"
    VOID = "void"
    """End a contract: withdrawn, or signed on paper."""
    EXPORT = "export"
    """Download many contracts at once: a table of them, and their completed files."""
    CHANGE_PHONE = "change-phone"
    REVOKE_DEVICE = "revoke-device"
    SETTLE_TASK = "settle-task"
    """Take, hand on and finish staff tasks, and answer questions."""
    MAKE_POSTER = "make-poster"
    EDIT_POLICIES = "edit-policies"
    EDIT_TEMPLATES = "edit-templates"
    """Write contract templates and messages, and submit them."""
    APPROVE_TEMPLATES = "approve-templates"
    """Put into force what somebody else wrote, or send it back."""
    EDIT_CHATS = "edit-chats"
    MANAGE_ACCOUNTS = "manage-accounts"
    MANAGE_KEYS = "manage-keys"
    ANSWER_PERSONS = "answer-persons"
    """Look up and give out the data kept about a person who asked for it, and plan its erasure."""
    HOLD_CONTRACT = "hold-contract"
    """Place and lift legal holds, which keep a contract from every erasure."""
    SET_UP = "set-up"
    """The school, its campuses and courses, and what `qianda doctor` says."""
    READ_SEALS = "read-seals"
    """Seals, their grants, and the register of their uses."""
    APPROVE_SEAL = "approve-seal"
    """Apply for a seal, approve or reject somebody else's application, suspend a seal."""
    USE_SEAL = "use-seal"
    """Make, grant, resume and revoke seals: their certificates and keys."""


_EVERYBODY = frozenset({Permission.OWN_ACCOUNT, Permission.READ_CONTRACT})
_CLERK = _EVERYBODY | {
    Permission.REVEAL_NUMBER,
    Permission.HAND_OUT_LINK,
    Permission.ISSUE,
    Permission.IMPORT,
    Permission.REMIND,
    Permission.EXTEND,
    Permission.VOID,
    Permission.EXPORT,
    Permission.CHANGE_PHONE,
    Permission.REVOKE_DEVICE,
    Permission.SETTLE_TASK,
    Permission.MAKE_POSTER,
}
_CAMPUS_MANAGER = _CLERK | {
    Permission.APPROVE_ISSUE,
    Permission.EDIT_POLICIES,
    Permission.MANAGE_ACCOUNTS,
    Permission.READ_RECORD,
    Permission.READ_REPORTS,
    Permission.READ_SEALS,
}
_ALL = frozenset(Permission)

PERMISSIONS: Mapping[StaffRole, frozenset[Permission]] = {
    StaffRole.OWNER: _ALL,
    StaffRole.HEADQUARTERS: _ALL - {Permission.USE_SEAL},
    StaffRole.CAMPUS_MANAGER: _CAMPUS_MANAGER,
    StaffRole.CLERK: _CLERK,
    StaffRole.SEAL_KEEPER: _EVERYBODY
    | {Permission.READ_RECORD, Permission.READ_SEALS, Permission.APPROVE_SEAL, Permission.USE_SEAL},
    StaffRole.LEGAL: _EVERYBODY
    | {Permission.READ_RECORD, Permission.READ_SEALS, Permission.EXPORT, Permission.ANSWER_PERSONS}
    | {Permission.EXTEND, Permission.VOID, Permission.HOLD_CONTRACT}
    | {Permission.EDIT_TEMPLATES, Permission.APPROVE_TEMPLATES},
    StaffRole.AUDITOR: _EVERYBODY
    | {Permission.READ_RECORD, Permission.READ_REPORTS, Permission.READ_SEALS, Permission.EXPORT},
}
# If the owner of a task does not take it, it passes to an account with the first of these roles that the campus has.
LEADING_ROLES = (StaffRole.CAMPUS_MANAGER, StaffRole.HEADQUARTERS, StaffRole.OWNER)
# Roles that concern the whole school. Only accounts at headquarters have them.
ROLES_OF_HEADQUARTERS = frozenset({StaffRole.OWNER, StaffRole.HEADQUARTERS})
# Roles that can do the most harm in the wrong hands. They need a second factor, unless a setting says otherwise.
SECOND_FACTOR_ROLES = frozenset({StaffRole.OWNER, StaffRole.HEADQUARTERS, StaffRole.SEAL_KEEPER})


def may(role: StaffRole, permission: Permission) -> bool:
    """Return whether this role may do such an act."""
    return permission in PERMISSIONS[role]


def may_grant(own: StaffRole, role: StaffRole) -> bool:
    """Return whether an account with the role `own` may give `role` to others, and manage accounts that have it.

    Nobody may give permissions that they do not have. Otherwise a campus manager could set the password of a
    headquarters account and log in with it.
    """
    return may(own, Permission.MANAGE_ACCOUNTS) and PERMISSIONS[role] <= PERMISSIONS[own]


def list_grantable_roles(own: StaffRole, *, at_headquarters: bool) -> tuple[StaffRole, ...]:
    """Return the roles that a person with the role `own` may give to an account. `at_headquarters`: whether the account
    is at headquarters."""
    there = (role for role in StaffRole if at_headquarters or role not in ROLES_OF_HEADQUARTERS)
    return tuple(role for role in there if may_grant(own, role))
