"""Refusals about enrolments, their imports, and the school's file."""

from hub.errors.kinds import Conflict


class EnrolmentIssued(Conflict):
    code = "enrolment-issued"
    sentence = "This enrolment has its contract already. To change something, reissue the contract."


class ImportUndone(Conflict):
    code = "import-undone"
    sentence = "This import was undone meanwhile."


class ApprovalNeeded(Conflict):
    """The course or a template of it asks that somebody else approves before a contract is issued; also one in the
    place of another, for other people or by another text."""

    code = "approval-needed"
    sentence = (
        "Somebody else has to approve contracts of this kind, and a PDF of your own in their place: issue them from the"
        " list of enrolments, and replace a signer on the contract's page."
    )


class ActDecided(Conflict):
    code = "act-decided"
    sentence = "This is no longer waiting for approval."


class EnrolmentsChanged(Conflict):
    """What was looked at before approving is not what is there now."""

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
        " Do not issue these contracts, and have them asked for again."
    )


class SchoolChanged(Conflict):
    """The changes that were looked at are not those that the file would make now."""

    code = "school-changed"
    sentence = (
        "Somebody else has changed campuses or courses meanwhile, so nothing was changed yet."
        " Below is what your file would change now."
    )
