"""Refusals about the versions of contract templates and messages."""

from __future__ import annotations

from hub.errors.kinds import Conflict, NotFound


class TextVersionNotFound(NotFound):
    code = "text-version-not-found"
    sentence = "There is no such text."


class TextChangedMeanwhile(Conflict):
    code = "text-changed-meanwhile"
    sentence = "Somebody changed this text after you opened it. Nothing of theirs was overwritten: open it again."


class TextMoveNotAllowed(Conflict):
    """The detail is the state of the version."""

    code = "text-move-not-allowed"
    sentence = "This version of the text is in a state in which this cannot be done."


class TextAlreadyOpen(Conflict):
    """The detail is the label of the version that is open."""

    code = "text-already-open"
    sentence = "Somebody has begun to change this text already: go on with that version, or discard it."


class SecondReaderNeeded(Conflict):
    code = "second-reader-needed"
    sentence = "A text is approved by somebody who wrote none of it."
