"""Refusals about seals: their life, and their use."""

from hub.errors.kinds import BadInput, Conflict, NotFound


class SealNotFound(NotFound):
    code = "seal-not-found"
    sentence = "There is no such seal."


class SealNameTaken(BadInput):
    code = "seal-name-taken"
    sentence = "Another seal has this name already."


class SealMoveNotAllowed(Conflict):
    """The detail is the state that the seal is in."""

    code = "seal-move-not-allowed"
    sentence = "This is not possible in the seal's present state."


class SealApprovalTwice(Conflict):
    code = "seal-approval-twice"
    sentence = "A seal is approved by two people, and neither may be the one who applied for it."


class SealWithoutSm2(Conflict):
    """The detail is the seal's name."""

    code = "seal-not-for-ofd"
    sentence = "The seal of this contract has no SM2 side, which an OFD needs."


class SealUseRefused(Conflict):
    """The detail is the reason, a word of `hub.model.sealing.seal_grant.UseRefusal`."""

    code = "seal-use-refused"
    sentence = "The seal may not be used for this."
