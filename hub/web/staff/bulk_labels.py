"""Labels of acts on many contracts: what the act would do, or did, with each contract."""

MANY = {
    "sent": "will be sent now",
    "morning": "to be sent when messages may go out again",
    "too-soon": "got a message a short while ago",
    "cap": "got enough messages today",
    "bad-number": "with a number or address that does not work",
    "paused": "paused because of a question",
    "nobody": "contract(s) with nothing to sign any more",
    "too-late": "with a deadline that comes before messages may go out again",
}
MANY_DONE = {
    "sent": "sent",
    "morning": "to go out when messages may go out again",
    "too-soon": "left out: a message a short while ago",
    "cap": "left out: enough messages today",
    "bad-number": "left out: the number or address does not work",
    "paused": "left out: paused because of a question",
    "nobody": "left out: nothing to sign any more",
    "too-late": "left out: the deadline comes before messages may go out again",
    "budget": "left out: a message limit is reached",
    "failed": "failed, to be reminded as planned",
}
BULK_KINDS = {"extend": "Extend the deadline", "reissue": "Withdraw and reissue", "void": "Withdraw contracts"}
_LEFT_OUT = {
    "needs-issue": "left out: expired, and your role may not issue it again",
    "later": "left out: has this deadline or a later one already",
    "bound": "left out: everybody has signed",
    "ended": "left out: ended already",
    "replaced": "left out: replaced by another contract",
}
BULK = _LEFT_OUT | {
    "extend-done": "to get the new deadline",
    "reissue-done": "to be withdrawn and reissued for the same people, who all sign again",
    "void-done": "to be withdrawn; people who got a message are notified",
    "reissued": "expired: to be replaced by a new contract with this deadline",
}
BULK_DONE = _LEFT_OUT | {
    "extend-done": "with the new deadline",
    "reissue-done": "issued anew",
    "void-done": "withdrawn now",
    "reissued": "had expired: reissued",
    "failed": "could not be changed",
}
# How a staff task ended. The last outcome is set only by the hub.
TASK_OUTCOMES = {
    "done": "settled",
    "reached": "spoke with them",
    "corrected": "corrected",
    "no-answer": "could not reach them",
    "needless": "nothing to do",
    "moot": "settled itself",
}
TASK_FIELDS = {"outcome": "outcome", "note": "note", "task": "task"}
# Why no code is printed for a contract, and why its file is not in a download.
NO_CODE = {"signed": "left out: nobody has to sign any more", "ended": "left out: ended already"}
NO_FILE = {
    "unfinished": "left out: not completed yet",
    "ended": "left out: ended without being completed",
    "erased": "left out: the file was erased",
}
