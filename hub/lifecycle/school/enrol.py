"""Enrol a student by a poster: student, course, and a signer with a verified phone. Create a contract or a staff task.

An enrolment gives no access to existing data: if the student is already enrolled, a link is sent to the phone on file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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
from hub.lifecycle.contract.issue import issue_prepared, prepare_contract
from hub.lifecycle.contract.new_contract import NewContract, NewSigner, NewStudent
from hub.lifecycle.contract.template_in_force import needs_approval
from hub.lifecycle.contract.terms import DrawnSigner, DrawnStudent, check_age, check_new_student, check_student
from hub.lifecycle.messaging.resend_link import resend
from hub.lifecycle.school.guests import POSTER_DOOR, PosterVisit, count_wrong, visitor_of
from hub.lifecycle.school.posters import is_on_list, student_hash
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.identity_provider_check import BY_POSTER
from hub.lifecycle.signing.entry.open_link import new_secret
from hub.lifecycle.signing.entry.otp_limits import refuse_persons
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.person import (
    normalise_id_number,
    normalise_name,
    normalise_phone,
    parse_id_document,
    same_name,
)
from hub.model.contract.signer import Role, SigningTask
from hub.model.school.course import Enrolment
from hub.model.school.guest import Visitor
from hub.model.school.poster import Poster, PosterMode, PosterScan, ScanStep
from hub.model.signing.link import DoorKind
from hub.model.signing.session import SigningSession, begin_session
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

ENDED_UNSIGNED = (ContractState.DECLINED, ContractState.EXPIRED, ContractState.VOIDED)
ASKED, ALREADY = "enrolment-asked", "already-enrolled"
ENROLLED = "Enrolled by a poster. Look at it, and issue the contract. Poster and course:"
ENROLLED_ALREADY = "Somebody came by a poster for a student who is enrolled already. Poster and course:"


@dataclass(frozen=True)
class EnrolmentRequest:
    """The visitor's input, not validated."""

    course: str
    student: NewStudent
    signers: Sequence[NewSigner]


@dataclass(frozen=True)
class EnrolmentResult:
    """The result of an enrolment. `session` and its contract are set if the poster creates contracts at once; otherwise
    staff have a task."""

    secret: str
    expires_at: datetime
    session: SigningSession | None = None
    contracts: tuple[tuple[Contract, SigningTask], ...] = ()


@dataclass(frozen=True)
class _People:
    """The validated people of a request."""

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
            signer.role,
            signer.name,
            signer.phone,
            signer.document.number,
            signer.document.id_type.value,
            relation=signer.relation,
            language=signer.language,
            channels=signer.channels,
        )

    def json(self) -> dict[str, Any]:
        """Return the people in the form of a roster line."""
        born = self.student.birth_date
        signer = asdict(self.new_signer())
        return {
            "student": asdict(self.new_student()) | {"birth_date": born.isoformat() if born else None},
            "signers": [signer | {"role": self.signer.role.value, "channels": list(self.signer.channels)}],
        }


async def enrol(services: Services, secret: str, asked: EnrolmentRequest) -> EnrolmentResult:
    """Enrol a student by the visitor's session.

    Raises NotVerified, BadInput with the field, GuardianRequired; NotOnList, AlreadyEnrolled, OneEach, PosterFull;
    SessionNotValid, LinkNotValid, Locked.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        visitor, poster = await visitor_of(tx, secret)
        if visitor.verified_at is None:
            raise NotVerified
        campus = await tx.school.get_campus(poster.campus)
        await tx.sessions.lock_persons(visitor.person)
        await refuse_persons(tx, [visitor.person], ZoneInfo(campus.zone), code=False)
        if asked.course not in poster.courses:
            raise BadInput("this course is not offered here", field="course")
        on = tx.planning_now.astimezone(ZoneInfo(campus.zone)).date()
        people = _checked(tx, visitor, asked, on)
        signer = people.signer
        is_known = await tx.contracts.is_known_by(people.signer_person, signer.name, signer.phone)
        refusal = await _refusal(services, tx, PosterVisit(visitor, poster, campus), asked.course, people)
        if isinstance(refusal, NotOnList | AlreadyEnrolled | OneEach):
            await count_wrong(tx, visitor, campus)  # otherwise a visitor could find out who is enrolled
        waits = await needs_approval(services, tx, await tx.school.get_course(poster.campus, asked.course))
    if refusal:
        raise refusal
    claim = _Claim(services, visitor, poster, asked.course, people, is_known)
    # Where somebody has to approve each contract, staff issue it, whatever the poster says.
    at_once = poster.mode is PosterMode.CONTRACT and not waits
    return await (claim.draw() if at_once else claim.ask())


# ---- checking the people


def _checked(tx: Transaction, visitor: Visitor, asked: EnrolmentRequest, on: date) -> _People:
    student = check_new_student(asked.student)
    if len(asked.signers) != 1:
        raise BadInput("exactly one signer is required: the one whose phone received the code", field="signers")
    signer = _signer(visitor, asked.signers[0])
    check_student(student, [signer])
    check_age(student, [signer], on)
    person = tx.cipher.person
    return _People(
        student,
        signer,
        person(student.document.id_type, student.document.number),
        person(signer.document.id_type, signer.document.number),
    )


def _signer(visitor: Visitor, asked: NewSigner) -> DrawnSigner:
    if asked.email or asked.role is Role.REPRESENTATIVE:
        raise BadInput("must be a student or guardian, without an e-mail address", field="signers[0].role")
    phone = normalise_phone(asked.phone, field="signers[0].phone")
    if phone != visitor.phone:
        raise BadInput("the signer must have the phone that received the code", field="signers[0].phone")
    name = normalise_name(asked.name, field="signers[0].name")
    if not same_name(name, visitor.name):
        raise BadInput("the signer must be the person who requested the code", field="signers[0].name")
    document = parse_id_document(asked.id_type, asked.id_number, field="signers[0].id_number")
    return DrawnSigner(
        role=asked.role,
        name=name,
        phone=phone,
        document=document,
        order=1,
        language=asked.language,
        channels=("sms",),
        field=f"{asked.role.value}-1",
        relation=asked.relation,
    )


# ---- refusals


async def _refusal(
    services: Services, tx: Transaction, came: PosterVisit, course: str, people: _People
) -> QiandaError | None:
    visitor, poster = came.visitor, came.poster
    number = people.student.document.number
    if not is_on_list(tx.cipher, poster, visitor.phone, number):
        return NotOnList()
    if await _known_already(services, tx, poster, course, people):
        return AlreadyEnrolled()
    if await tx.posters.has_student(poster.id, student_hash(tx.cipher, number)):
        return OneEach()
    return PosterFull() if poster.full(await tx.posters.count_enrolled(poster.id)) else None


async def _known_already(services: Services, tx: Transaction, poster: Poster, course: str, people: _People) -> bool:
    """Return whether the student is already enrolled. If so, send the link to the signers on file, or tell staff."""
    enrolment = await tx.school.find_enrolment(poster.campus, course, people.student_person)
    contracts = await _contracts(tx, poster, course, people)
    if enrolment and enrolment.contract:
        contracts.add(enrolment.contract)
    if enrolment is None and not contracts:
        return False
    told = [signer for contract in sorted(contracts) for signer in await tx.contracts.list_signers(contract)]
    if not await resend(services, tx, told):
        text = f"{ENROLLED_ALREADY}\n{poster.title}\n{await _course_in_words(tx, poster, course)}"
        known = next(iter(sorted(contracts)), None)
        await tx.staff_tasks.add_task_once(StaffTask(uuid4(), ALREADY, text, poster.campus, tx.now, known))
    return True


async def _course_in_words(tx: Transaction, poster: Poster, course: str) -> str:
    """Return the course's name in both languages, since staff of either language read it."""
    found = await tx.school.get_course(poster.campus, course)
    return found.name if found.name == found.name_en else f"{found.name} · {found.name_en}"


async def _contracts(tx: Transaction, poster: Poster, course: str, people: _People) -> set[UUID]:
    """Return the student's contracts for this course that have one of these people, even those without an enrolment."""
    signers = await tx.contracts.list_signers_of([people.student_person, people.signer_person])
    signers += await tx.contracts.list_signers_at(people.signer.phone)
    found = set()
    for contract in {signer.contract for signer in signers if signer.campus == poster.campus}:
        known = await tx.contracts.get(contract)
        asked = known.data.get("asked", {}).get("student", {})
        same = normalise_id_number(str(asked.get("id_number", ""))) == people.student.document.number
        if same and known.course == course and known.state not in ENDED_UNSIGNED:
            found.add(contract)
    return found


# ---- the enrolment


@dataclass
class _Claim:
    """One enrolment, counted against the poster's limit in the transaction that stores it."""

    services: Services
    visitor: Visitor
    poster: Poster
    course: str
    people: _People
    is_known: bool
    """Whether the signer's document, name and phone are exactly what is on file about them."""

    def __post_init__(self) -> None:
        self.enrolment = Enrolment(
            uuid4(), self.poster.campus, self.course, self.people.student.name, self.people.json()
        )

    async def draw(self) -> EnrolmentResult:
        """Issue the contract, without an invitation since the visitor is looking at it; reminders follow."""
        asked = NewContract(
            campus=self.poster.campus,
            course=self.course,
            student=self.people.new_student(),
            signers=(self.people.new_signer(),),
            send="none",
            enrolment=self.enrolment.id,
            declared=() if self.is_known else (self.people.signer.document.number,),
        )
        secret, prepared = new_secret(), await prepare_contract(self.services, EVERYTHING, asked)
        async with self.services.database.transaction(EVERYTHING) as tx:
            await self._take(tx)
            contract = (await issue_prepared(self.services, tx, prepared, f"poster:{self.poster.id}")).contract
            await self._note_enrolled(tx, contract.id)
            session, task = await self._become_signer(tx, contract, secret)
        return EnrolmentResult(secret, session.expires_at, session, ((contract, task),))

    async def ask(self) -> EnrolmentResult:
        secret = new_secret()
        async with self.services.database.transaction(EVERYTHING) as tx:
            await self._take(tx)
            await self._note_enrolled(tx, None)
            assert self.visitor.verified_at
            await tx.visitors.mark_verified(self.visitor.id, secret, self.visitor.verified_at)
            text = f"{ENROLLED}\n{self.poster.title}\n{await _course_in_words(tx, self.poster, self.course)}"
            await tx.staff_tasks.add_task(StaffTask(uuid4(), ASKED, text, self.poster.campus, tx.now))
        return EnrolmentResult(secret, self.visitor.expires_at)

    async def _take(self, tx: Transaction) -> None:
        """Count the enrolment. The poster's row is locked, so that a second tap finds the first enrolment."""
        poster = await tx.posters.get(self.poster.id, lock=True)
        if not poster.valid(tx.now):
            raise LinkNotValid
        visitor = await tx.visitors.get(self.visitor.id)
        if visitor is None or not visitor.live(tx.now):
            raise SessionNotValid
        if poster.full(await tx.posters.count_enrolled(poster.id)):
            raise PosterFull
        if not await tx.school.add_enrolment(self.enrolment, self.people.student_person, tx.now):
            raise AlreadyEnrolled

    async def _note_enrolled(self, tx: Transaction, contract: UUID | None) -> None:
        hashed = student_hash(tx.cipher, self.people.student.document.number)
        scan = PosterScan(self.poster, ScanStep.ENROLLED, self.visitor.id, self.enrolment.id, contract, hashed)
        if not await tx.posters.add_scan(scan, tx.now):
            raise OneEach

    async def _become_signer(
        self, tx: Transaction, contract: Contract, secret: str
    ) -> tuple[SigningSession, SigningTask]:
        """Replace the visitor's session by a signer's, with the same key challenge and a link of the poster door."""
        signer = (await tx.contracts.list_signers(contract.id))[0]
        link = await tx.links.get_for_door(signer, DoorKind.POSTER, tx.now)
        session = begin_session(link, self.visitor.key_challenge, tx.now)
        session = replace(session, contracts=(contract.id,), verified_at=tx.now)
        await tx.sessions.add(session, secret)
        await tx.visitors.end(self.visitor.id)
        task = await tx.tasks.get_of_signer(signer.id)
        await tx.tasks.note_opened(task.id, POSTER_DOOR, tx.planning_now)
        await tx.sessions.add_identity_check(session, contract.id, signer.id, BY_POSTER, tx.now)
        facts = {**BY_POSTER.facts, "result": BY_POSTER.result, "door": POSTER_DOOR, "first_opening": True}
        facts |= {"poster": str(self.poster.id)}
        await tx.record.append(contract.id, contract.campus, "identity-checked", f"signer:{signer.id}", facts)
        return session, task
