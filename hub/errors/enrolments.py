"""Refusals about enrolments, their imports, and the school's file."""

from hub.errors.kinds import Conflict


class EnrolmentIssued(Conflict):
    code = "enrolment-issued"
    sentence = "This enrolment has its contract already. To change something, reissue the contract."


class ImportUndone(Conflict):
    code = "import-undone"
    sentence = "This import was undone meanwhile."


class ApprovalNeeded(Conflict):
    """The course, or a template of it, demands that somebody else approves its contracts before they are issued. This
    includes a contract that replaces another one, if its people or its text are different."""

    code = "approval-needed"
    sentence = (
        "Somebody else has to approve contracts of this kind, including a PDF of your own in place of one."
        " Issue them from the list of enrolments; replace a signer on the contract's page."
    )


class ActDecided(Conflict):
    code = "act-decided"
    sentence = "This is no longer waiting for approval."


class EnrolmentsChanged(Conflict):
    """What would be issued now is not what the approver looked at."""

    code = "enrolments-changed"
    sentence = (
        "The enrolment, its course or a template was changed after it was looked at."
        " Look at it again, then approve it or ask again."
    )


class ChangedSinceAsked(Conflict):
    """What would be approved is not what was asked for."""

    code = "changed-since-asked"
    sentence = (
        "An enrolment, its course or a template was changed after this was asked for."
        " Do not issue these contracts; whoever asked for them has to ask again."
    )


class SchoolChanged(Conflict):
    """The changes that were looked at are not those that the file would make now."""

    code = "school-changed"
    sentence = (
        "Somebody else has changed campuses or courses meanwhile, so nothing was changed yet."
        " Below is what your file would change now."
    )
