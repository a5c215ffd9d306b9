"""The kinds of errors at the root of the tree: why something is refused, and whether trying again helps."""

from __future__ import annotations

from datetime import timedelta


class QiandaError(Exception):
    """Base of all errors. `detail` tells the caller more, in plain words; it has no secrets or personal data."""

    code = "error"
    sentence = "Something went wrong. Nothing was lost."
    retry = False

    def __init__(self, detail: str = "", *, retry_after: timedelta | None = None) -> None:
        super().__init__(detail or self.sentence)
        self.detail = detail
        self.retry_after = retry_after


class BadInput(QiandaError):
    """The request is wrong. `field` names the wrong part, as a path like `signers[0].phone`."""

    code = "bad-input"
    sentence = "Something that was entered is not valid."

    def __init__(self, detail: str = "", *, field: str = "") -> None:
        super().__init__(detail)
        self.field = field


class NotFound(QiandaError):
    code = "not-found"
    sentence = "There is nothing here."


class NotAllowed(QiandaError):
    code = "not-allowed"
    sentence = "You may not do this."


class Refused(QiandaError):
    code = "refused"
    sentence = "This could not be accepted."


class Conflict(QiandaError):
    code = "conflict"
    sentence = "The contract has changed meanwhile."


class TooMany(QiandaError):
    code = "too-many"
    sentence = "Too many requests. Please wait."
    retry = True

    def __init__(self, detail: str = "", *, retry_after: timedelta | None = None, zone: str = "") -> None:
        """Create the error. `zone`: time zone of the person, if known, in which they are told when they can ask
        again."""
        super().__init__(detail, retry_after=retry_after)
        self.zone = zone


class Unavailable(QiandaError):
    code = "unavailable"
    sentence = "A part that we need is not available right now. Nothing was lost; we will try again automatically."
    retry = True
