"""Refusals about the versions of contract templates and messages."""

from hub.errors.kinds import Conflict, NotFound


class TextVersionNotFound(NotFound):
    code = "text-version-not-found"
    sentence = "There is no such text."


class TextChangedMeanwhile(Conflict):
    code = "text-changed-meanwhile"
    sentence = "Somebody changed this text after you opened it. Their changes were not overwritten: open it again."


class TextMoveNotAllowed(Conflict):
    """The detail is the state of the version."""

    code = "text-move-not-allowed"
    sentence = "This is not possible in the present state of this version."


class TextAlreadyOpen(Conflict):
    """The detail is the label of the version that is open."""

    code = "text-already-open"
    sentence = "Somebody has begun to change this text already: go on with that version, or discard it."


class SecondReaderNeeded(Conflict):
    code = "second-reader-needed"
    sentence = "A text has to be approved by somebody who wrote no part of it."
