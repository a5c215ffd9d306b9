"""An enrolment by a poster: student, course and the one who signs, whose phone was proved. A contract comes of it at
once, or a task for staff, as the poster says.

It opens nothing that exists: a student who is on file already gets a link to the phone on file, and no more is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hub.errors import (
    AlreadyEnrolled,
    BadInput,
    LinkNotValid,
    NotOnList,
    NotVerified,
    OneEach,
    PosterFull,
    QiandaError,
    SessionNotValid,
)
from hub.lifecycle.contract.issue import NewContract, NewSigner, NewStudent, issue
from hub.lifecycle.contract.terms import DrawnSigner, DrawnStudent, check_age, check_student
from hub.lifecycle.messaging.resend_link import resend
from hub.lifecycle.school.guests import POSTER_DOOR, count_wrong, refuse_locked, visitor_of
from hub.lifecycle.school.posters import on_list, student_hash
from hub.lifecycle.services import Parts
from hub.lifecycle.signing.identity_provider_check import BY_POSTER
from hub.lifecycle.signing.open_link import new_secret
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.person import id_document, is_minor, person_name, phone_number, same_name, squeezed
from hub.model.contract.signer import Role, SigningTask
from hub.model.school.course import Enrolment
from hub.model.school.guest import Visitor
from hub.model.school.poster import Poster, PosterMode, ScanStep
from hub.model.signing.link import DoorKind
from hub.model.signing.session import SESSION_LIFE, SigningSession
from hub.model.staff.accounts import EVERYTHING, StaffTask
from hub.store.unit import Unit

NOT_ANY_MORE = (ContractState.DECLINED, ContractState.EXPIRED, ContractState.VOIDED)
ASKED, ALREADY = "enrolment-asked", "already-enrolled"
ENROLLED = "Enrolled by a poster. Look at it, and issue the contract. Poster and course:"
ENROLLED_ALREADY = "Somebody came by a poster for a student who is enrolled already. Poster and course:"


@dataclass(frozen=True)
class Wish:
    """What the visitor entered; unchecked."""

    course: str
    student: NewStudent
    signers: Sequence[NewSigner]


@dataclass(frozen=True)
class Enrolled:
    """`session` and its contract are there when the poster draws at once; otherwise staff have been asked."""

    secret: str
    expires_at: datetime
    session: SigningSession | None = None
    contracts: tuple[tuple[Contract, SigningTask], ...] = ()


@dataclass(frozen=True)
class _People:
    """The wish, checked: who is who, by their documents."""

    student: DrawnStudent
    signer: DrawnSigner
    student_person: str
    signer_person: str

    def new_student(self) -> NewStudent:
        document = self.student.document
        return NewStudent(self.student.name, document.id_type.value, document.number, self.student.birth_date)

    def new_signer(self) -> NewSigner:
        signer = self.signer
        return NewSigner(
            signer.role, signer.name, signer.phone, signer.document.number, signer.document.id_type.value,
            relation=signer.relation, language=signer.language, channels=signer.channels,
        )  # fmt: skip

    def json(self) -> dict[str, Any]:
        """As a line of the roster has them."""
        born = self.student.birth_date
        signer = asdict(self.new_signer())
        return {
            "student": asdict(self.new_student()) | {"birth_date": born.isoformat() if born else None},
            "signers": [signer | {"role": self.signer.role.value, "channels": list(self.signer.channels)}],
        }


async def enrol(parts: Parts, secret: str, wish: Wish) -> Enrolled:
    """Raises NotVerified, BadInput with the field, GuardianRequired; NotOnList, AlreadyEnrolled, OneEach, PosterFull;
    SessionNotValid, LinkNotValid, Locked."""
    async with parts.database.unit(EVERYTHING) as unit:
        visitor, poster = await visitor_of(unit, secret)
        if visitor.verified_at is None:
            raise NotVerified
        campus = await unit.school.campus(poster.campus)
        await unit.sessions.one_at_a_time(visitor.person)
        await refuse_locked(unit, visitor, campus)
        if wish.course not in poster.courses:
            raise BadInput("this course is not offered here", field="course")
        on = (await unit.planning_now()).astimezone(ZoneInfo(campus.zone)).date()
        people = _checked(unit, visitor, wish, on)
        signer = people.signer
        is_known = await unit.contracts.is_known_by(people.signer_person, signer.name, signer.phone)
        refusal = await _refusal(parts, unit, visitor, poster, wish.course, people)
        if isinstance(refusal, NotOnList | AlreadyEnrolled | OneEach):
            await count_wrong(unit, visitor, campus)  # or one could find out who is enrolled where
    if refusal:
        raise refusal
    claim = _Claim(parts, visitor, poster, wish.course, people, is_known)
    return await (claim.draw() if poster.mode is PosterMode.CONTRACT else claim.ask())


# ---- who is who


def _checked(unit: Unit, visitor: Visitor, wish: Wish, on: date) -> _People:
    document = id_document(wish.student.id_type, wish.student.id_number, field="student.id_number")
    birth_date = document.birth_date or wish.student.birth_date
    student = DrawnStudent(person_name(wish.student.name, field="student.name"), document, birth_date)
    if len(wish.signers) != 1:
        raise BadInput("exactly one signer: the one whose phone got the code", field="signers")
    signer = _signer(visitor, wish.signers[0], on)
    check_student(student, [signer])
    check_age(student, [signer], on)
    person = unit.cipher.person
    return _People(
        student, signer, person(document.id_type, document.number),
        person(signer.document.id_type, signer.document.number),
    )  # fmt: skip


def _signer(visitor: Visitor, asked: NewSigner, on: date) -> DrawnSigner:
    if asked.email or asked.role is Role.REPRESENTATIVE:
        raise BadInput("a student or guardian, without a mailbox", field="signers[0].role")
    phone = phone_number(asked.phone, field="signers[0].phone")
    if phone != visitor.phone:
        raise BadInput("the one who signs has the phone that got the code", field="signers[0].phone")
    name = person_name(asked.name, field="signers[0].name")
    if not same_name(name, visitor.name):
        raise BadInput("the one who signs is the one who asked for the code", field="signers[0].name")
    document = id_document(asked.id_type, asked.id_number, field="signers[0].id_number")
    if asked.role is Role.GUARDIAN and document.birth_date and is_minor(document.birth_date, on):
        raise BadInput("a guardian is of age", field="signers[0].id_number")
    return DrawnSigner(
        role=asked.role, name=name, phone=phone, document=document, order=1, language=asked.language,
        channels=("sms",), field=f"{asked.role.value}-1", relation=asked.relation,
    )  # fmt: skip


# ---- whether it may be


async def _refusal(
    parts: Parts, unit: Unit, visitor: Visitor, poster: Poster, course: str, people: _People
) -> QiandaError | None:
    number = people.student.document.number
    if not on_list(unit.cipher, poster, visitor.phone, number):
        return NotOnList()
    if await _known_already(parts, unit, poster, course, people):
        return AlreadyEnrolled()
    if await unit.posters.has_student(poster.id, student_hash(unit.cipher, number)):
        return OneEach()
    return PosterFull() if poster.full(await unit.posters.enrolled(poster.id)) else None


async def _known_already(parts: Parts, unit: Unit, poster: Poster, course: str, people: _People) -> bool:
    """Then whoever has to sign gets the link once more, by the phone on file; staff hear of it when that is nobody."""
    enrolment = await unit.school.enrolment_of(poster.campus, course, people.student_person)
    contracts = await _contracts(unit, poster, course, people)
    if enrolment and enrolment.contract:
        contracts.add(enrolment.contract)
    if enrolment is None and not contracts:
        return False
    told = [signer for contract in sorted(contracts) for signer in await unit.contracts.signers(contract)]
    if not await resend(parts, unit, told):
        text = f"{ENROLLED_ALREADY}\n{poster.title}\n{course}"
        known = next(iter(sorted(contracts)), None)
        await unit.desk.add_task_once(StaffTask(uuid4(), ALREADY, text, poster.campus, unit.now, known))
    return True


async def _contracts(unit: Unit, poster: Poster, course: str, people: _People) -> set[UUID]:
    """This student's contracts for this course, as far as one of their people is on file; also those that came
    without an enrolment."""
    signers = await unit.contracts.signers_called([people.student_person, people.signer_person])
    signers += await unit.contracts.signers_at(people.signer.phone)
    found = set()
    for contract in {signer.contract for signer in signers if signer.campus == poster.campus}:
        known = await unit.contracts.get(contract)
        asked = known.data.get("asked", {}).get("student", {})
        same = squeezed(str(asked.get("id_number", ""))).upper() == people.student.document.number
        if same and known.course == course and known.state not in NOT_ANY_MORE:
            found.add(contract)
    return found


# ---- what comes of it


@dataclass
class _Claim:
    """A place of the poster, taken in the transaction that makes what it is for."""

    parts: Parts
    visitor: Visitor
    poster: Poster
    course: str
    people: _People
    is_known: bool
    """Whether document, name and phone of the one who signs are what is on file about them, and all that is."""

    def __post_init__(self) -> None:
        self.enrolment = Enrolment(
            uuid4(), self.poster.campus, self.course, self.people.student.name, self.people.json()
        )

    async def draw(self) -> Enrolled:
        """The first message would only tell the visitor what they are looking at: reminders come if they leave."""
        asked = NewContract(
            campus=self.poster.campus, course=self.course, student=self.people.new_student(),
            signers=(self.people.new_signer(),), send="none", enrolment=self.enrolment.id,
            declared=() if self.is_known else (self.people.signer.document.number,),
        )  # fmt: skip
        secret, session, task = new_secret(), None, None

        async def also(unit: Unit, contract: Contract) -> None:
            nonlocal session, task
            await self._came(unit, contract.id)
            session, task = await self._become_signer(unit, contract, secret)

        contract = await issue(self.parts, EVERYTHING, asked, f"poster:{self.poster.id}", also=also, first=self._take)
        assert session and task
        return Enrolled(secret, session.expires_at, session, ((contract, task),))

    async def ask(self) -> Enrolled:
        secret = new_secret()
        async with self.parts.database.unit(EVERYTHING) as unit:
            await self._take(unit)
            await self._came(unit, None)
            assert self.visitor.verified_at
            await unit.visitors.verified(self.visitor.id, secret, self.visitor.verified_at)
            text = f"{ENROLLED}\n{self.poster.title}\n{self.course}"
            await unit.desk.add_task(StaffTask(uuid4(), ASKED, text, self.poster.campus, unit.now))
        return Enrolled(secret, self.visitor.expires_at)

    async def _take(self, unit: Unit) -> None:
        """The poster's row is held: places are taken one after the other, and a second tap finds the first one's."""
        poster = await unit.posters.get(self.poster.id, lock=True)
        if not poster.valid(unit.now):
            raise LinkNotValid
        visitor = await unit.visitors.get(self.visitor.id)
        if visitor is None or not visitor.live(unit.now):
            raise SessionNotValid
        if poster.full(await unit.posters.enrolled(poster.id)):
            raise PosterFull
        if not await unit.school.add_enrolment(self.enrolment, self.people.student_person, unit.now):
            raise AlreadyEnrolled

    async def _came(self, unit: Unit, contract: UUID | None) -> None:
        once = await unit.posters.add_scan(
            self.poster, ScanStep.ENROLLED, unit.now, visitor=self.visitor.id, enrolment=self.enrolment.id,
            contract=contract, student_hash=student_hash(unit.cipher, self.people.student.document.number),
        )  # fmt: skip
        if not once:
            raise OneEach

    async def _become_signer(self, unit: Unit, contract: Contract, secret: str) -> tuple[SigningSession, SigningTask]:
        """The visitor's session ends, and the signer's begins: with the same challenge, by a link of the poster's
        door."""
        signer = (await unit.contracts.signers(contract.id))[0]
        link = await unit.links.for_door(signer, DoorKind.POSTER, unit.now)
        session = SigningSession(
            id=uuid4(), link=link.id, contract=contract.id, signer=signer.id, created_at=unit.now,
            expires_at=unit.now + SESSION_LIFE, key_challenge=self.visitor.key_challenge, contracts=(contract.id,),
            verified_at=unit.now,
        )  # fmt: skip
        await unit.sessions.add(session, secret)
        await unit.visitors.end(self.visitor.id)
        task = await unit.tasks.of_signer(signer.id)
        await unit.tasks.opened(task.id, POSTER_DOOR, await unit.planning_now())
        await unit.sessions.add_identity_check(
            session, contract.id, signer.id, BY_POSTER.provider, BY_POSTER.method, unit.now, BY_POSTER.result
        )
        await unit.record.append(contract.id, contract.campus, "identity-checked", f"signer:{signer.id}", {
            **BY_POSTER.facts, "result": BY_POSTER.result, "door": POSTER_DOOR, "first_opening": True,
            "poster": str(self.poster.id),
        })  # fmt: skip
        return session, task


__all__ = ["Enrolled", "Wish", "enrol"]
