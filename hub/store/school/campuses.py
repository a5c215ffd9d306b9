"""Campuses, courses and enrolments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from hub.errors import BadInput, NotFound
from hub.model.school.course import Campus, Course, Enrolment
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.contract.tasks import PLAN_CHANGED
from hub.store.kernel.opening import Opening
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.kernel.statement import SqlStatement
from hub.store.school.enrolments import ADD_PHONES, PEOPLE, PHONE_COLUMNS, enrolment_of_row, phone_rows
from hub.store.tables.school import CAMPUS, COURSE, ENROLMENT
from hub.store.tables.server import DEMO_CLOCK, INSTALLATION

_CAMPUSES = SqlStatement(select(CAMPUS).order_by(CAMPUS.c.id))
_CAMPUS = SqlStatement(select(CAMPUS).where(CAMPUS.c.id == bindparam("campus")))
_COURSE = SqlStatement(select(COURSE).where(COURSE.c.campus == bindparam("campus"), COURSE.c.id == bindparam("course")))


_CAMPUS_AND_COURSE = SqlStatement(
    select(CAMPUS, *(column.label(f"course_{column.name}") for column in COURSE.c))
    .select_from(CAMPUS.outerjoin(COURSE, (COURSE.c.campus == CAMPUS.c.id) & (COURSE.c.id == bindparam("course"))))
    .where(CAMPUS.c.id == bindparam("campus"))
)


def opening_of_campus(campus: str, course: str | None) -> Opening:
    """Return what `School.get_campus_and_course` reads."""
    return Opening(_CAMPUS_AND_COURSE, {"campus": campus, "course": course})


class School(EncryptedRepository):
    # ---- the installation

    async def find_installation(self) -> UUID | None:
        """Return the id of this installation; None before `qianda init`."""
        found: UUID | None = await self._connection.scalar(select(INSTALLATION.c.installation_id))
        return found

    async def lock_changes(self) -> None:
        """Lock changes of campuses, courses and API keys until this transaction ends, so that they do not overlap."""
        await self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('school', 3))"))

    async def advance_clock(self, step: timedelta) -> None:
        """Move the planning clock of a demo ahead, and wake the workers."""
        await self._connection.execute(DEMO_CLOCK.update().values(clock_offset=DEMO_CLOCK.c.clock_offset + step))
        await self._connection.execute(text(f"NOTIFY {PLAN_CHANGED}"))

    # ---- campuses

    async def put_campus(self, campus: Campus) -> None:
        values = {name: getattr(campus, name) for name in Campus.__dataclass_fields__}
        statement = insert(CAMPUS).values(values)
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))

    async def list_campuses(self) -> list[Campus]:
        rows = await self._connection.execute(_CAMPUSES)
        return [Campus(**row) for row in rows]

    async def get_campus(self, campus: str) -> Campus:
        row = (await self._connection.execute(_CAMPUS, {"campus": campus})).first()
        if row is None:
            raise BadInput(f"there is no campus {campus}", field="campus")
        return Campus(**{name: row[name] for name in Campus.__dataclass_fields__})

    async def get_campus_and_course(self, campus: str, course: str | None) -> tuple[Campus, Course | None]:
        """Return a campus and one of its courses, if one is named. Raises BadInput for an unknown campus or course."""
        row = (await self._connection.execute(_CAMPUS_AND_COURSE, {"campus": campus, "course": course})).first()
        if row is None:
            raise BadInput(f"there is no campus {campus}", field="campus")
        found = Campus(**{name: row[name] for name in Campus.__dataclass_fields__})
        if not course:
            return found, None
        if row["course_id"] is None:
            raise BadInput(f"there is no course {course} at {campus}", field="course")
        return found, Course(**{column.name: row[f"course_{column.name}"] for column in COURSE.c})

    async def find_headquarters(self) -> Campus | None:
        """Return the root of the campus tree; None before a school was loaded."""
        return next((campus for campus in await self.list_campuses() if campus.parent is None), None)

    async def list_campuses_above(self, campus: str) -> list[str]:
        """Return the ids of the campus and of all campuses above it, headquarters last."""
        parents = {each.id: each.parent for each in await self.list_campuses()}
        found = [campus]
        while (parent := parents.pop(found[-1], None)) is not None:  # each once, so that even a cycle ends
            found.append(parent)
        return found

    async def get_scope_below(self, campus: str) -> Scope:
        """Return the scope of a campus and all below it; headquarters covers everything."""
        campuses = {each.id: each.parent for each in await self.list_campuses()}
        if campuses.get(campus, campus) is None:
            return EVERYTHING
        inside = {campus}
        while grown := {each for each, parent in campuses.items() if parent in inside} - inside:
            inside |= grown
        return Scope(frozenset(inside))

    # ---- courses

    async def put_course(self, course: Course) -> None:
        values = {name: getattr(course, name) for name in Course.__dataclass_fields__} | {
            "details": dict(course.details)
        }
        statement = insert(COURSE).values(values)
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["campus", "id"], set_=values))

    async def get_course(self, campus: str, course: str) -> Course:
        row = (await self._connection.execute(_COURSE, {"campus": campus, "course": course})).first()
        if row is None:
            raise BadInput(f"there is no course {course} at {campus}", field="course")
        return Course(**row)

    async def list_courses(self, campus: str | None = None) -> list[Course]:
        statement = select(COURSE).order_by(COURSE.c.campus, COURSE.c.id)
        rows = await self._connection.execute(statement.where(COURSE.c.campus == campus) if campus else statement)
        return [Course(**row) for row in rows]

    # ---- enrolments

    async def add_enrolment(self, enrolment: Enrolment, person: str, at: datetime) -> bool:
        """Add an enrolment. Return False if this student is already enrolled in this course, so that importing a roster
        twice adds nothing."""
        return await self.add_enrolments([(enrolment, person)], at) == 1

    async def add_enrolments(self, lines: Sequence[tuple[Enrolment, str]], at: datetime) -> int:
        """Add the enrolments that do not exist yet. Return how many. Each comes with the student's `Cipher.person`."""
        if not lines:
            return 0
        rows = [
            {name: getattr(enrolment, name) for name in _PLAIN}
            | {"people_sealed": self._cipher.encrypt_json(enrolment.people, PEOPLE.at(enrolment.id)), "created_at": at}
            | {"student_hash": self._cipher.found_by("enrolment", person)}
            for enrolment, person in lines
        ]
        added = set(await self._connection.scalars(_ADD_MANY, arrays_of(_COLUMNS, rows)))
        phones = phone_rows(self._cipher, [enrolment for enrolment, _ in lines if enrolment.id in added])
        if phones:
            await self._connection.execute(ADD_PHONES, arrays_of(PHONE_COLUMNS, phones))
        return len(added)

    async def count_new_enrolments(self, lines: Sequence[tuple[Enrolment, str]]) -> int:
        """Return how many of these `add_enrolments` would add."""
        keys = [(each.campus, each.course, self._cipher.found_by("enrolment", person)) for each, person in lines]
        same = tuple_(ENROLMENT.c.campus, ENROLMENT.c.course, ENROLMENT.c.student_hash).in_(keys)
        there = await self._connection.scalar(select(func.count()).select_from(ENROLMENT).where(same))
        return len(set(keys)) - int(there or 0)

    async def get_enrolment(self, enrolment: UUID, *, lock: bool = False) -> Enrolment:
        statement = select(ENROLMENT).where(ENROLMENT.c.id == enrolment)
        row = (await self._connection.execute(statement.with_for_update() if lock else statement)).first()
        if row is None:
            raise NotFound(f"there is no enrolment {enrolment}")
        return enrolment_of_row(self._cipher, row)

    async def find_enrolment(self, campus: str, course: str, person: str) -> Enrolment | None:
        """Return this student's enrolment in this course, or None. `person` is as `Cipher.person` returns it."""
        same = (ENROLMENT.c.campus == campus) & (ENROLMENT.c.course == course)
        found = same & (ENROLMENT.c.student_hash == self._cipher.found_by("enrolment", person))
        row = (await self._connection.execute(select(ENROLMENT).where(found))).first()
        return enrolment_of_row(self._cipher, row) if row else None

    async def count_open_enrolments(self) -> int:
        return await self._connection.count(ENROLMENT, ENROLMENT.c.contract.is_(None))

    async def note_contract(self, enrolment: UUID, contract: UUID) -> None:
        await self._connection.execute(ENROLMENT.update().where(ENROLMENT.c.id == enrolment).values(contract=contract))


_PLAIN = set(Enrolment.__dataclass_fields__) - {"people", "created_at", "changed_at", "changed_by"}
_COLUMNS = (*sorted(_PLAIN), "people_sealed", "created_at", "student_hash")
_ADD_MANY = insert_many(ENROLMENT, _COLUMNS, "ON CONFLICT (campus, course, student_hash) DO NOTHING RETURNING id")
