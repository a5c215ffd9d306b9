"""Labels of enrolments, of imports, and of the outcomes when many contracts are issued."""

ENROLMENTS = {"waiting": "not issued", "issued": "issued", "changed": "changed in the console"}
# Why an enrolment stays when its import is undone.
KEPT = {
    "issued": "its contract was issued",
    "changed": "it was changed in the console",
    "being-issued": "its contract is being issued",
}
# The outcome for an enrolment when many contracts are issued.
ISSUED = {
    "issued": "issued now",
    "already": "with a contract already",
    "gone": "deleted meanwhile",
    "failed": "could not be issued",
}
NOT_ISSUED = {"already": "has a contract already", "gone": "was deleted meanwhile"}
