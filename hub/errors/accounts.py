"""What is refused about accounts of staff, and why."""

from hub.errors.kinds import Conflict, NotAllowed, NotFound, Refused, Unavailable


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
    sentence = "Your role is not allowed to do this. If you need it, ask the person who manages your campus's accounts."


class RoleAboveOwn(NotAllowed):
    code = "role-above-own"
    sentence = "This role may do things that yours may not. Ask somebody whose role may do them too."


class OwnAccount(NotAllowed):
    code = "own-account"
    sentence = "You cannot manage your own account. Ask a colleague who may manage accounts."


class SecondPersonNeeded(NotAllowed):
    """Two people have to agree, and this is the first of them."""

    code = "second-person-needed"
    sentence = "Somebody else has to confirm this: you asked for it yourself."


class LastOwner(Conflict):
    code = "last-owner"
    sentence = "This is the last owner. Make somebody else an owner first."


class WrongPassword(Refused):
    code = "wrong-password"
    sentence = "The password is wrong."


class WrongSecondFactor(Refused):
    """The code is wrong, of another time, or was used before."""

    code = "wrong-second-factor"
    sentence = "This code is wrong, or was used already. Please wait for the next one in the app."


class SecondFactorThere(Conflict):
    code = "second-factor-there"
    sentence = "This account has a second factor already. Remove it first."


class NoSecondFactor(Conflict):
    code = "no-second-factor"
    sentence = "This account has no second factor. Set one up first."


class AccountNotReady(NotAllowed):
    """A one-time password has to be changed, or a second factor set up, before anything else is done."""

    code = "account-not-ready"
    sentence = "Please finish setting up your account first, on the page of your account."


class LoginProviderAway(Unavailable):
    code = "login-provider-away"
    sentence = "The school's login service does not answer. Please try again, or log in with your password."


class ProviderLoginRefused(Refused):
    """The login service refused, or what it said is not accepted."""

    code = "provider-login-refused"
    sentence = "Logging in through the school's login service failed. Please try again."


class NoAccountForLogin(Refused):
    """The login service let somebody in who has no account here that may log in."""

    code = "no-account-for-login"
    sentence = "No account here belongs to this login. Ask the person who manages your campus's accounts to link yours."
