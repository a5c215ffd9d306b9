"""Refusals about enrolments and their imports."""

from __future__ import annotations

from hub.errors.kinds import Conflict


class EnrolmentIssued(Conflict):
    code = "enrolment-issued"
    sentence = "This enrolment has its contract already. To change something, reissue the contract."


class ImportUndone(Conflict):
    code = "import-undone"
    sentence = "This import was undone meanwhile."
