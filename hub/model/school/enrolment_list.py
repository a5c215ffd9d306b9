"""What staff look for among enrolments, and what they find."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from hub.errors import BadInput
from hub.model.contract.contract import ContractState
from hub.model.contract.person import normalise_phone
from hub.model.school.course import Enrolment

# Characters of a search; a name or a number is never longer.
MAX_SEARCH_LENGTH = 64


class EnrolmentState(StrEnum):
    """The values stand in addresses."""

    WAITING = "waiting"
    ISSUED = "issued"
    CHANGED = "changed"


@dataclass(frozen=True)
class EnrolmentFilter:
    """What is looked for; all of it has to be true.

    `course`: campus and id. `search`: the beginning of the student's name, a whole phone number of somebody who signs,
    or the school's own number of the student. `until`: the last place, for a list that must not grow meanwhile.
    """

    state: EnrolmentState | None = None
    course: tuple[str, str] | None = None
    search: str = ""
    roster_import: UUID | None = None
    until: int | None = None

    @property
    def phone(self) -> str | None:
        """The search as a phone number (E.164); None if it is none."""
        if not any(character.isdecimal() for character in self.search):
            return None
        try:
            return normalise_phone(self.search)
        except BadInput:
            return None


@dataclass(frozen=True)
class EnrolmentPage:
    """A part of the list, in the order in which the enrolments came or the opposite one. `after`: the place of the last
    one on the page before."""

    after: int | None = None
    newest: bool = False
    limit: int = 50


@dataclass(frozen=True)
class EnrolmentLine:
    """An enrolment in a list. `number`, `contract_state`: of its contract."""

    enrolment: Enrolment
    place: int
    number: str | None = None
    contract_state: ContractState | None = None

    @property
    def state(self) -> EnrolmentState:
        return EnrolmentState.WAITING if self.enrolment.contract is None else EnrolmentState.ISSUED
