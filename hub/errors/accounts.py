"""What is refused about accounts of staff, and why."""

from __future__ import annotations

from hub.errors.kinds import Conflict, NotAllowed, NotFound


class LoginRequired(NotAllowed):
    code = "login-required"
    sentence = "Please log in."


class AccessDenied(NotAllowed):
    code = "access-denied"
    sentence = "This account is not allowed to do this."


class AccountNotFound(NotFound):
    """The account is unknown, or of a campus that the person may not see: the answer must not reveal which."""

    code = "account-not-found"
    sentence = "There is no such account."


class RoleNotAllowed(NotAllowed):
    """The route asks for a permission that this role does not have."""

    code = "role-not-allowed"
    sentence = "Your role is not allowed to do this. If you need it, ask whoever manages the accounts of your campus."


class RoleAboveOwn(NotAllowed):
    code = "role-above-own"
    sentence = "This role may do things that yours may not. Ask somebody whose role includes it."


class OwnAccount(NotAllowed):
    code = "own-account"
    sentence = "Nobody manages their own account. Ask a colleague who may manage accounts."


class LastOwner(Conflict):
    code = "last-owner"
    sentence = "This is the last owner. Make somebody else an owner first."
