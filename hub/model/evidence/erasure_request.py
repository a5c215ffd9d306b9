"""The request of a member of staff to erase a person, which another one has to confirm. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hub.errors import NotFound, SecondPersonNeeded
from hub.model.contract.person import mask_id, mask_name, mask_phone
from hub.model.evidence.person_data import SoughtPerson

# A request that nobody confirms within this time lapses.
REQUEST_LIFE = timedelta(days=30)


@dataclass(frozen=True)
class ErasureRequest:
    """A request to erase a person, at this campus and those below it, with its reason. It is deleted when it has been
    carried out."""

    id: UUID
    campus: str
    sought: SoughtPerson
    reason: str
    asked_by: str
    asked_at: datetime
    confirmed_by: str | None = None

    @property
    def masked(self) -> str:
        """Name and numbers of the person, masked for display."""
        sought = self.sought
        parts = (mask_name(sought.name), mask_phone(sought.phone) if sought.phone else "", mask_id(sought.id_number))
        return " · ".join(each for each in parts if each)


def check_may_confirm(request: ErasureRequest, actor: str, now: datetime) -> None:
    """Raise NotFound if the request has lapsed or is already confirmed, SecondPersonNeeded for the person who asked."""
    if request.confirmed_by is not None or now > request.asked_at + REQUEST_LIFE:
        raise NotFound("this request has lapsed or is already confirmed")
    if request.asked_by == actor:
        raise SecondPersonNeeded
