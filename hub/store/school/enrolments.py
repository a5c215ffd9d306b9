"""The list of enrolments, with search and pages; changes of an enrolment, and the rows by which it is found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, Select, collate, func, select, union

from hub.errors import AlreadyEnrolled
from hub.model.contract.contract import ContractState
from hub.model.school.course import Enrolment
from hub.model.school.enrolment_list import EnrolmentFilter, EnrolmentLine, EnrolmentPage, EnrolmentState
from hub.model.staff.scope import Scope
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Connection, Row
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.tables.contract import CONTRACT
from hub.store.tables.school import ENROLMENT, ENROLMENT_PHONE as PHONE

PEOPLE = EncryptedColumn.of(ENROLMENT.c.people_sealed)
# Greater than every character of a name.
LAST_CHARACTER = "\U0010ffff"
PHONE_COLUMNS = ("phone_hash", "enrolment", "campus")
ADD_PHONES = insert_many(PHONE, PHONE_COLUMNS, "ON CONFLICT DO NOTHING")
_READ = tuple(name for name in Enrolment.__dataclass_fields__ if name != "people")


def phone_rows(cipher: Cipher, enrolments: Iterable[Enrolment]) -> list[dict[str, Any]]:
    """Return the rows by which these enrolments are found under the phone numbers of those who sign."""
    return [
        {"phone_hash": cipher.found_by("phone", phone), "enrolment": enrolment.id, "campus": enrolment.campus}
        for enrolment in enrolments
        for phone in sorted({str(signer["phone"]) for signer in enrolment.people["signers"]})
    ]


def enrolment_of_row(cipher: Cipher, row: Row) -> Enrolment:
    values = {name: row[name] for name in _READ}
    return Enrolment(**values, people=cipher.decrypt_json(row["people_sealed"], PEOPLE.at(row["id"])))


class Enrolments:
    def __init__(self, connection: Connection, cipher: Cipher, scope: Scope) -> None:
        self._connection = connection
        self._cipher = cipher
        self._scope = scope

    # ---- the list

    async def list_page(self, wanted: EnrolmentFilter, page: EnrolmentPage) -> list[EnrolmentLine]:
        """Return a page of the matching enrolments, each with its contract."""
        place = ENROLMENT.c.place
        statement = self._fitting(wanted)
        if page.after is not None:
            statement = statement.where(place < page.after if page.newest else place > page.after)
        found = statement.order_by(place.desc() if page.newest else place).limit(page.limit).subquery("found")
        contract = select(found, CONTRACT.c.number, CONTRACT.c.state).outerjoin(
            CONTRACT, CONTRACT.c.id == found.c.contract
        )
        rows = await self._connection.execute(contract.order_by(found.c.place.desc() if page.newest else found.c.place))
        return [self._line(row) for row in rows]

    async def list_fitting(self, wanted: EnrolmentFilter, limit: int) -> list[Enrolment]:
        """Return the matching enrolments, in the order in which they were added."""
        rows = await self._connection.execute(self._fitting(wanted).order_by(ENROLMENT.c.place).limit(limit))
        return [enrolment_of_row(self._cipher, row) for row in rows]

    async def list_chosen(self, enrolments: Sequence[UUID]) -> list[Enrolment]:
        """Return these enrolments in the order in which they were added. Those outside the scope are left out."""
        chosen = select(ENROLMENT).where(ENROLMENT.c.id.in_(enrolments)).order_by(ENROLMENT.c.place)
        return [enrolment_of_row(self._cipher, row) for row in await self._connection.execute(chosen)]

    async def list_of_student(self, campus: str, name: str, person: str) -> list[Enrolment]:
        """Return all enrolments of a student at a campus. `person`: as `Cipher.person` returns it."""
        mine = (ENROLMENT.c.campus == campus) & (collate(ENROLMENT.c.student_name, "C") == name)
        mine &= ENROLMENT.c.student_hash == self._cipher.found_by("enrolment", person)
        rows = await self._connection.execute(select(ENROLMENT).where(mine).order_by(ENROLMENT.c.place))
        return [enrolment_of_row(self._cipher, row) for row in rows]

    async def count(self, wanted: EnrolmentFilter, most: int) -> int:
        """Return how many match, counted up to `most`: nobody needs a larger number, and counting further is slow."""
        found = self._fitting(wanted).with_only_columns(ENROLMENT.c.id).limit(most).subquery()
        return await self._connection.count(found)

    async def get_last_place(self) -> int:
        """Return the place of the newest enrolment, 0 if there is none."""
        return int(await self._connection.scalar(select(func.max(ENROLMENT.c.place))) or 0)

    def _fitting(self, wanted: EnrolmentFilter) -> Select[Any]:
        return select(ENROLMENT).where(*self._conditions(wanted))

    def _conditions(self, wanted: EnrolmentFilter) -> Iterable[ColumnElement[bool]]:
        if self._scope.campuses is not None:  # row-level security checks the same, but cannot use the index
            yield ENROLMENT.c.campus.in_(sorted(self._scope.campuses))
        match wanted.state:
            case EnrolmentState.WAITING:
                yield ENROLMENT.c.contract.is_(None)
            case EnrolmentState.ISSUED:
                yield ENROLMENT.c.contract.is_not(None)
            case EnrolmentState.CHANGED:
                yield ENROLMENT.c.changed_at.is_not(None)
        if wanted.course:
            campus, course = wanted.course
            yield (ENROLMENT.c.campus == campus) & (ENROLMENT.c.course == course)
        if wanted.roster_import:
            yield ENROLMENT.c.roster_import == wanted.roster_import
        if wanted.until is not None:
            yield ENROLMENT.c.place <= wanted.until
        if wanted.search:
            yield ENROLMENT.c.id.in_(self._found_by(wanted))

    def _found_by(self, wanted: EnrolmentFilter) -> Select[Any]:
        """Return a query for the enrolments that a search finds. Each part uses an index of its own. Under row-level
        security, only leakproof operators can use an index."""
        text, name = wanted.search, collate(ENROLMENT.c.student_name, "C")
        ways = [
            select(ENROLMENT.c.id).where(name >= text, name < text + LAST_CHARACTER),
            select(ENROLMENT.c.id).where(ENROLMENT.c.external_id == text),
        ]
        if wanted.phone:
            phone = self._cipher.found_by("phone", wanted.phone)
            ways.append(select(PHONE.c.enrolment).where(PHONE.c.phone_hash == phone))
        return select(union(*ways).subquery("ways").c.id)

    def _line(self, row: Row) -> EnrolmentLine:
        state = ContractState(row["state"]) if row["state"] else None
        return EnrolmentLine(enrolment_of_row(self._cipher, row), row["place"], row["number"], state)

    # ---- one enrolment

    async def change(self, enrolment: Enrolment, person: str, by: str, at: datetime) -> None:
        """Write the present values of an enrolment. `person`: the student, as `Cipher.person` returns it.

        Raises AlreadyEnrolled if this student has another enrolment in this course.
        """
        values: dict[str, Any] = {
            name: getattr(enrolment, name) for name in ("campus", "course", "student_name", "external_id")
        }
        encrypted = self._cipher.encrypt_json(enrolment.people, PEOPLE.at(enrolment.id))
        values |= {"people_sealed": encrypted, "changed_at": at, "changed_by": by}
        values |= {"student_hash": self._cipher.found_by("enrolment", person)}
        try:
            await self._connection.execute(ENROLMENT.update().where(ENROLMENT.c.id == enrolment.id).values(values))
        except asyncpg.UniqueViolationError as error:
            raise AlreadyEnrolled from error
        await self._connection.execute(PHONE.delete().where(PHONE.c.enrolment == enrolment.id))
        await self._connection.execute(ADD_PHONES, arrays_of(PHONE_COLUMNS, phone_rows(self._cipher, [enrolment])))

    async def delete(self, enrolment: UUID) -> None:
        await self._connection.execute(ENROLMENT.delete().where(ENROLMENT.c.id == enrolment))
