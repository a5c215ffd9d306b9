"""How a staff task ends: what its person says about it, or that there is nothing left to settle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hub.errors import BadInput
from hub.model.staff.accounts import OPTED_OUT, UNREACHED

MAX_NOTE_LENGTH = 500


class TaskOutcome(StrEnum):
    """The values are stored in the database and must not change. `MOOT`: it settled itself, which only the hub says."""

    DONE = "done"
    REACHED = "reached"
    CORRECTED = "corrected"
    NO_ANSWER = "no-answer"
    NEEDLESS = "needless"
    MOOT = "moot"


# What a person may choose.
CHOSEN_OUTCOMES = tuple(outcome for outcome in TaskOutcome if outcome is not TaskOutcome.MOOT)


@dataclass(frozen=True)
class TaskEnd:
    """How a task ended. `note`: what somebody wrote about it; it stands in the contract's record and can be erased."""

    outcome: TaskOutcome = TaskOutcome.DONE
    note: str = ""


SETTLED = TaskEnd()


def read_end(outcome: str, note: str) -> TaskEnd:
    """Return what somebody entered. Without an outcome it is done. Raises BadInput."""
    if outcome and outcome not in {each.value for each in CHOSEN_OUTCOMES}:
        raise BadInput("choose an outcome", field="outcome")
    if len(note.strip()) > MAX_NOTE_LENGTH:
        raise BadInput(f"a note of up to {MAX_NOTE_LENGTH} characters", field="note")
    return TaskEnd(TaskOutcome(outcome or TaskOutcome.DONE), note.strip())


class MootWhen(StrEnum):
    """What makes tasks of a kind needless, if it happens after they came up.

    `SIGNER_DONE`: the signer has nothing to sign any more. `CONTRACT_OVER`: the contract is completed or has ended
    otherwise. `REPLACED`: another contract took its place.
    """

    SIGNER_DONE = "signer-done"
    CONTRACT_OVER = "contract-over"
    REPLACED = "replaced"


# By kind. Kinds that are missing always need a person, such as "not-me", which keeps reminders to a number back; that
# of a phone change is settled with it.
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
