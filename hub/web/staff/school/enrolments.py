"""List enrolments with search, filters and pages; change or delete one before its contract is issued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from aiohttp import web

from hub.errors import BadInput, QiandaError
from hub.lifecycle.school.change_enrolment import change_enrolment, delete_enrolment
from hub.model.school.enrolment_change import EnrolmentChange, PersonChange
from hub.model.school.enrolment_list import MAX_SEARCH_LENGTH, EnrolmentFilter, EnrolmentPage, EnrolmentState
from hub.model.school.issue_many import MAX_AT_ONCE
from hub.web.http.ids import read_id
from hub.web.staff.actors import names_of
from hub.web.staff.forms import Entered, link_to, printable, read_number, read_texts
from hub.web.staff.render import carry_out, show
from hub.web.staff.staff.access import StaffVisit

PAGE = 50
# Enrolments are counted up to this. For more, the page says "more than 10,000".
MAX_COUNTED = 10_000
# How long the progress of an act is shown above the list.
RECENT = timedelta(days=1)
# The most digits of a place in the list.
MAX_DIGITS = 15
FILTERS = ("campus", "state", "course", "import", "order", "q")
EVERY_STATE = "all"
NEWEST = "newest"
PATH = "/staff/enrolments"


@dataclass(frozen=True)
class EnrolmentQuery:
    """The filters in a URL. `kept`: the filters as the URL contains them."""

    wanted: EnrolmentFilter
    kept: Entered

    @property
    def newest(self) -> bool:
        return self.kept["order"] == NEWEST

    def link(self, path: str = PATH, **changes: object) -> str:
        return link_to(path, self.kept, changes)


def read_query(visit: StaffVisit) -> EnrolmentQuery:
    """Return the filters of this request, by default enrolments that wait for a contract. Raises BadInput."""
    entered = Entered({name: printable(visit.request.query.get(name, "")) for name in FILTERS})
    state, (campus, _, course) = entered["state"], entered["course"].partition("/")
    if state not in ("", EVERY_STATE, *EnrolmentState):
        raise BadInput("unknown state", field="state")
    wanted = EnrolmentFilter(
        state=None if state == EVERY_STATE else EnrolmentState(state or EnrolmentState.WAITING),
        course=(campus, course) if course else None,
        search=entered["q"][:MAX_SEARCH_LENGTH],
        roster_import=_import(entered["import"]),
    )
    return EnrolmentQuery(wanted, Entered({name: value for name, value in entered.items() if value}))


async def enrolments(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    query = read_query(visit)
    page = EnrolmentPage(_after(visit), query.newest, PAGE + 1)
    async with visit.services.database.transaction(visit.shown) as tx:
        lines = await tx.enrolments.list_page(query.wanted, page)
        count = await tx.enrolments.count(query.wanted, MAX_COUNTED + 1)
        courses = [course for course in await tx.school.list_courses() if visit.shown.covers(course.campus)]
        imported = await tx.roster_imports.find(query.wanted.roster_import) if query.wanted.roster_import else None
        acts = await tx.issue_acts.list_recent(tx.now - RECENT)
        names = await names_of(tx, [each.enrolment.changed_by for each in lines])
    return await show(
        visit,
        "staff/school/enrolments.html",
        lines=lines[:PAGE],
        count=count,
        most=MAX_COUNTED,
        courses=courses,
        courses_by_id={(course.campus, course.id): course for course in courses},
        query=query,
        acts=acts,
        at_once=MAX_AT_ONCE,
        states=list(EnrolmentState),
        next_page=query.link(after=lines[PAGE - 1].place) if len(lines) > PAGE else None,
        imported=imported,
        names=names,
        problem=problem,
    )


def _after(visit: StaffVisit) -> int | None:
    text = visit.request.query.get("after", "")
    place = read_number(text, MAX_DIGITS)
    if text and place is None:
        raise BadInput("invalid cursor", field="cursor")
    return place


# ---- one enrolment


async def form(visit: StaffVisit, problem: QiandaError | None = None, entered: Entered | None = None) -> web.Response:
    """Show an enrolment with masked numbers, and the acts that are possible."""
    async with visit.services.database.transaction(visit.scope) as tx:
        enrolment = await tx.school.get_enrolment(visit.read_id("enrolment"))
        contract = await tx.contracts.get(enrolment.contract) if enrolment.contract else None
        courses = await tx.school.list_courses(enrolment.campus)
        campus = await tx.school.get_campus(enrolment.campus)
    return await show(
        visit,
        "staff/school/enrolment.html",
        enrolment=enrolment,
        contract=contract,
        courses=courses,
        campus=campus,
        no_texts=not visit.services.messaging.router.providers.channels & {"sms", "voice"},
        entered=entered or Entered(),
        problem=problem,
    )


async def change(visit: StaffVisit) -> web.StreamResponse:
    sent, enrolment = await visit.request.post(), visit.read_id("enrolment")

    async def act() -> None:
        async with visit.services.database.transaction(visit.scope) as tx:
            await change_enrolment(tx, enrolment, _entered_change(sent), visit.actor)

    there = f"{PATH}/{enrolment}?said=enrolment-changed"
    return await carry_out(act(), there, partial(form, visit, entered=read_texts(sent)))


async def delete(visit: StaffVisit) -> web.StreamResponse:
    async def act() -> None:
        async with visit.services.database.transaction(visit.scope) as tx:
            await delete_enrolment(tx, visit.read_id("enrolment"), visit.actor)

    return await carry_out(act(), f"{PATH}?said=enrolment-deleted", partial(form, visit))


def _entered_change(sent: Mapping[str, object]) -> EnrolmentChange:
    def value(name: str) -> str | None:
        found = sent.get(name)
        return printable(found) if isinstance(found, str) else None

    def person(who: str) -> PersonChange:
        return PersonChange(
            name=value(f"{who}_name"),
            id_type=value(f"{who}_id_type"),
            id_number=value(f"{who}_id_number") or "",
            phone=value(f"{who}_phone") or "",
            email=value(f"{who}_email") or "",
            without_email=value(f"{who}_without_email") == "yes",
            relation=value(f"{who}_relation"),
            language=value(f"{who}_language"),
        )

    signers = 0
    while f"signer{signers}_phone" in sent:
        signers += 1
    return EnrolmentChange(
        course=value("course"),
        external_id=value("external_id"),
        birth_date=value("birth_date"),
        student=person("student"),
        signers=tuple(person(f"signer{number}") for number in range(signers)),
    )


def _import(text: str) -> UUID | None:
    return read_id(text, BadInput("invalid id", field="import")) if text else None
