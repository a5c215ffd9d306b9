"""Show what issuing many contracts would do, before it begins. Nothing is stored or sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from hub.lifecycle.contract.preview import ContractPreview, preview_contract
from hub.lifecycle.school.import_roster import new_contract
from hub.lifecycle.school.issue_enrolments import plan_act
from hub.lifecycle.services import Services
from hub.model.reminders.schedule import into_window
from hub.model.school.course import Enrolment
from hub.model.school.entered_day import end_of_day
from hub.model.school.issue_many import IssueAct
from hub.model.staff.scope import Scope
from hub.router.policy import get_policy_at


@dataclass(frozen=True)
class IssueForecast:
    """What would happen. `seen`: the first contract with its messages. `waits`: for each campus that is outside its
    daily window now, when first messages "in the daytime" go out; those "at once" do not wait."""

    seen: ContractPreview
    messages: int
    waits: Mapping[str, datetime]


async def forecast_issuing(
    services: Services, scope: Scope, enrolments: Sequence[Enrolment], act: IssueAct
) -> IssueForecast:
    """Draw the first of these contracts, and count the first messages. Raises as `preview_contract` does."""
    first = enrolments[0]
    async with services.database.transaction(scope) as tx:
        campuses = {campus: await tx.school.get_campus(campus) for campus in {each.campus for each in enrolments}}
        opened = {
            campus.id: into_window(
                await get_policy_at(tx, services.messaging.policy, campus.id, None),
                tx.planning_now,
                ZoneInfo(campus.zone),
                0.0,
            )
            for campus in campuses.values()
        }
        now = tx.planning_now
    deadline = end_of_day(act.deadline, campuses[first.campus].zone)
    planned = await plan_act(services, scope, act.id)
    seen = await preview_contract(services, scope, planned or new_contract(first, deadline=deadline, send=act.send))
    messages = 0 if act.send == "none" else count_first_messages(enrolments)
    waits = {campus: at for campus, at in opened.items() if at > now} if act.send != "none" else {}
    return IssueForecast(seen, messages, waits)


def count_first_messages(enrolments: Sequence[Enrolment]) -> int:
    """Return how many signers get a first message: those whose turn is first. Families may share messages."""
    orders = [[int(signer.get("order", 1)) for signer in each.people["signers"]] for each in enrolments]
    return sum(order.count(min(order)) for order in orders if order)


def count_by_course(enrolments: Sequence[Enrolment]) -> Counter[tuple[str, str]]:
    """Return the number of enrolments by campus and course."""
    return Counter((each.campus, each.course) for each in enrolments)
