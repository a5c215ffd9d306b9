"""How a staff task ends: with an outcome that a person chooses, or because it has become unnecessary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hub.errors import BadInput
from hub.model.staff.accounts import OPTED_OUT, UNREACHED

MAX_NOTE_LENGTH = 500


class TaskOutcome(StrEnum):
    """How a task ended. The values are stored in the database and must not change. `MOOT`: the task became unnecessary;
    only the hub sets this."""

    DONE = "done"
    REACHED = "reached"
    CORRECTED = "corrected"
    NO_ANSWER = "no-answer"
    NEEDLESS = "needless"
    MOOT = "moot"


# The outcomes that a person may choose.
CHOSEN_OUTCOMES = tuple(outcome for outcome in TaskOutcome if outcome is not TaskOutcome.MOOT)


@dataclass(frozen=True)
class TaskEnd:
    """The end of a task. `note`: a person's words about it, kept with the contract's record until they are erased."""

    outcome: TaskOutcome = TaskOutcome.DONE
    note: str = ""


SETTLED, MOOT = TaskEnd(), TaskEnd(TaskOutcome.MOOT)


def read_end(outcome: str, note: str) -> TaskEnd:
    """Return the entered outcome and note, DONE if no outcome was entered. Raises BadInput."""
    if outcome and outcome not in {each.value for each in CHOSEN_OUTCOMES}:
        raise BadInput("choose an outcome", field="outcome")
    if len(note.strip()) > MAX_NOTE_LENGTH:
        raise BadInput(f"a note of up to {MAX_NOTE_LENGTH} characters", field="note")
    return TaskEnd(TaskOutcome(outcome or TaskOutcome.DONE), note.strip())


class MootWhen(StrEnum):
    """The event that makes tasks of a kind unnecessary, if it happens after they were created.

    `SIGNER_DONE`: the signer has nothing to sign any more. `CONTRACT_OVER`: the contract was completed or has ended in
    another way. `REPLACED`: another contract has replaced it.
    """

    SIGNER_DONE = "signer-done"
    CONTRACT_OVER = "contract-over"
    REPLACED = "replaced"


# By kind of task. Tasks of all other kinds need a person, for example "not-me", which pauses reminders to a number. The
# task about a phone change is finished together with the change.
MOOT_WHEN: Mapping[str, MootWhen] = {
    "unanswered": MootWhen.SIGNER_DONE,
    OPTED_OUT: MootWhen.SIGNER_DONE,
    "unreachable": MootWhen.SIGNER_DONE,
    UNREACHED: MootWhen.SIGNER_DONE,
    "failed": MootWhen.SIGNER_DONE,
    "locked": MootWhen.SIGNER_DONE,
    "identity-refused": MootWhen.SIGNER_DONE,
    "question": MootWhen.CONTRACT_OVER,
    "wrong": MootWhen.CONTRACT_OVER,
    "stuck": MootWhen.CONTRACT_OVER,
    "refused-by-client": MootWhen.CONTRACT_OVER,
    "declined": MootWhen.REPLACED,
}
