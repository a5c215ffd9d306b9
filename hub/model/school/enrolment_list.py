"""Filters for the list of enrolments, and its pages and lines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from hub.errors import BadInput
from hub.model.contract.contract import ContractState
from hub.model.contract.person import normalise_phone
from hub.model.school.course import Enrolment

# Maximum length of a search in characters. No name or number is longer.
MAX_SEARCH_LENGTH = 64


class EnrolmentState(StrEnum):
    """The state of an enrolment in a filter. The values appear in URLs and must not change."""

    WAITING = "waiting"
    ISSUED = "issued"
    CHANGED = "changed"


@dataclass(frozen=True)
class EnrolmentFilter:
    """The conditions of a search, all of which must hold.

    `course`: campus and id. `search`: the beginning of the student's name, a signer's full phone number, or the
    school's own number for the student. `until`: the last place in the list, so that it does not grow between pages.
    """

    state: EnrolmentState | None = None
    course: tuple[str, str] | None = None
    search: str = ""
    roster_import: UUID | None = None
    until: int | None = None

    @property
    def phone(self) -> str | None:
        """The search as a phone number (E.164); None if it is not a phone number."""
        if not any(character.isdecimal() for character in self.search):
            return None
        try:
            return normalise_phone(self.search)
        except BadInput:
            return None


@dataclass(frozen=True)
class EnrolmentPage:
    """A page of the list, in the order in which the enrolments were added, or in reverse. `after`: the place of the
    last enrolment on the previous page."""

    after: int | None = None
    newest: bool = False
    limit: int = 50


@dataclass(frozen=True)
class EnrolmentLine:
    """An enrolment in a list. `number`, `contract_state`: the number and state of its contract, if it has one."""

    enrolment: Enrolment
    place: int
    number: str | None = None
    contract_state: ContractState | None = None

    @property
    def state(self) -> EnrolmentState:
        return EnrolmentState.WAITING if self.enrolment.contract is None else EnrolmentState.ISSUED
