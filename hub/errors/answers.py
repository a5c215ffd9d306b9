"""Refusals about what a signer has to fill in."""

from hub.errors.kinds import Conflict, TooMany


class AnswersMissing(Conflict):
    code = "answers-missing"
    sentence = "Please fill in first what the contract asks you for."


class AnswersFixed(Conflict):
    """Somebody has signed the contract with these answers."""

    code = "answers-fixed"
    sentence = "The contract has been signed with these answers. They cannot be changed any more."


class ManyAttachments(TooMany):
    code = "many-attachments"
    sentence = "Too many files were uploaded for this contract. Please ask the school."
    retry = False
