"""Drawing and issuing: what is refused, naming the field, and what may look unusual and is accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from hub.errors import BadInput, ContractNotFound, GuardianRequired, UndrawableText
from hub.lifecycle.contract import draw
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.contract.new_contract import NewStudent
from hub.lifecycle.contract.reissue import Replacement, plan_replacement, reissue
from hub.lifecycle.contract.terms import DrawnStudent
from hub.lifecycle.reminders.extend_deadline import extend
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.person import parse_id_document
from hub.model.contract.signer import Role
from hub.model.school.entered_day import default_deadline
from hub.model.staff.scope import EVERYTHING, Scope
from tests.lifecycle.clockwork import SHANGHAI, StandingClock, quiet_hub, sent
from tests.lifecycle.people import ADULT, adult, father, head, mother
from tests.lifecycle.signer import completed, contract_now, deliver, person, record_of, signed
from tests.poster_visits import cn_id
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, MINOR_ID, minor_with_guardian

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINOR = minor_with_guardian()
FATHER = father()
REFUSED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "a minor alone": ({"signers": (replace(adult(), name="陈小满", id_number=MINOR_ID),)}, "signers"),
    "nobody": ({"signers": ()}, "signers"),
    "only the school": ({"student": ADULT, "signers": (head(),)}, "signers"),
    "a student who is somebody else": (
        {"student": ADULT, "signers": (replace(adult(), id_number=GUARDIAN_ID),)},
        "signers[0].id_number",
    ),
    "a student by another kind of document": (
        {"student": ADULT, "signers": (FATHER, replace(adult(), id_type="passport", id_number="P1234567"))},
        "signers[1].id_number",
    ),
    "a student of another name": ({"student": ADULT, "signers": (replace(adult(), name="林知秋"),)}, "signers[0].name"),
    "a minor as their own guardian": ({"signers": (replace(FATHER, id_number=MINOR_ID),)}, "signers[0].id_number"),
    "a guardian under 18": (
        {"signers": (FATHER, replace(FATHER, id_number=cn_id(f"{datetime.now(UTC).year - 17}1201", 7)))},
        "signers[1].id_number",
    ),
    "twice the same": ({"signers": (FATHER, replace(FATHER, phone="+8619000000109"))}, "signers"),
    "a wrong check digit": ({"signers": (replace(FATHER, id_number="340104198501010018"),)}, "signers[0].id_number"),
    "no phone": ({"signers": (replace(FATHER, phone="12"),)}, "signers[0].phone"),
    "no name": ({"signers": (replace(FATHER, name="  "),)}, "signers[0].name"),
    "an unknown language": ({"signers": (replace(FATHER, language="fr"),)}, "signers[0].language"),
    "an unknown channel": ({"signers": (replace(FATHER, channels=("pigeon",)),)}, "signers[0].channels"),
    "mail without address": ({"signers": (replace(FATHER, channels=("email",)),)}, "signers[0].email"),
    "an address that is none": ({"signers": (replace(FATHER, email="father at home"),)}, "signers[0].email"),
    "an address of two lines": (
        {"signers": (replace(FATHER, email="a@home.example\u2028Bcc: b"),)},
        "signers[0].email",
    ),
    "an unknown campus": ({"campus": "atlantis"}, "campus"),
    "an unknown course": ({"course": "alchemy"}, "course"),
    "an unknown template": ({"template": "lease"}, "template"),
    "a passport without a birth date": (
        {
            "student": NewStudent("Anna Lind", "passport", "P1234567"),
            "signers": (replace(adult(), name="Anna Lind", id_type="passport", id_number="P1234567"),),
        },
        "student.birth_date",
    ),
    "a birth date in the future": (
        {"student": NewStudent("Anna Lind", "passport", "P1234567", date(2099, 1, 1))},
        "student.birth_date",
    ),
    "a birth date of two hundred years ago": (
        {"student": NewStudent("Anna Lind", "passport", "P1234567", date(1826, 1, 1))},
        "student.birth_date",
    ),
    "an ID number of somebody not born yet": (
        {"student": NewStudent("陈小满", "cn-id", cn_id("20991201", 7))},
        "student.id_number",
    ),
    "a representative who is the student": (
        {"signers": (FATHER, replace(head(), id_number=MINOR_ID))},
        "signers[1].id_number",
    ),
    "a representative under 18": (
        {"signers": (FATHER, replace(head(), id_number=cn_id(f"{datetime.now(UTC).year - 17}1201", 7)))},
        "signers[1].id_number",
    ),
    "a deadline that has passed": ({"deadline": datetime(2020, 1, 1).astimezone()}, "deadline"),
    "a deadline without a zone": ({"deadline": datetime(2027, 1, 1)}, "deadline"),  # noqa: DTZ001 - that is the point
}


async def test_what_is_wrong_is_named_by_its_field_and_nothing_is_issued() -> None:
    async with quiet_hub() as running:
        for what, (changes, field) in REFUSED.items():
            with pytest.raises(BadInput) as refused:
                await running.issue_minor(**changes)
            assert refused.value.field == field, what
        with pytest.raises(GuardianRequired):
            await running.issue_minor(**REFUSED["a minor alone"][0])
        with pytest.raises(BadInput):
            await running.issue_minor(course=None)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.contracts.list_page() == []


async def test_a_name_that_the_font_cannot_draw_is_refused_naming_the_characters() -> None:
    async with quiet_hub() as running:
        with pytest.raises(UndrawableText) as refused:
            await running.issue_minor(student=NewStudent("陈\U0001f600满", "cn-id", MINOR_ID))
        assert "\U0001f600" in str(refused.value)


@pytest.mark.parametrize("name", ["陈㛃", "𠮷小满", "周䶮"])
async def test_rare_characters_of_real_names_are_signed_as_any_others(name: str) -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=(replace(FATHER, name=name),))
        await signed(running, contract)
        await completed(running, contract)


async def test_a_passport_holder_signs_an_english_contract() -> None:
    async with quiet_hub() as running:
        signer = replace(
            adult(), name="Anna Lind", id_type="passport", id_number="P1234567", language="en", phone="+46701740605"
        )
        student = NewStudent("Anna Lind", "passport", "p1234567", date(2000, 5, 4))
        contract = await running.issue_minor(student=student, signers=(signer,))
        assert contract.language == "en"
        anna = await person(running, contract)
        await anna.land()
        await anna.verify(await anna.ask_code(), "anna lind", "4567")
        await anna.sign()
        await completed(running, contract)
        assert "signing code" in (await running.messages("+46701740605"))[0]["text"]


async def test_an_english_contract_has_the_english_address_where_there_is_one() -> None:
    async with quiet_hub() as running:
        english = replace(FATHER, language="en")
        assert "1 Example Road, Shushan" in paper(await running.issue_minor(signers=(english,)))
        assert "示范路 1 号" in paper(await running.issue_minor())
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.school.put_campus(replace(await tx.school.get_campus("hefei"), address_en=""))
        assert "示范路 1 号" in paper(await running.issue_minor(signers=(english,)))


def paper(contract: Contract) -> str:
    return "".join(cell for block in contract.data["text"] for row in block.get("rows", ()) for cell in row)


async def test_an_adult_signs_alone_and_grown_up_is_who_is_eighteen_today() -> None:
    async with quiet_hub(StandingClock()) as running:  # 25 November 2026
        grown_up = NewStudent("林知夏", "passport", "P1234567", date(2008, 11, 25))
        signer = replace(adult(), id_type="passport", id_number="P1234567")
        assert (await running.issue_minor(student=grown_up, signers=(signer,))).state is ContractState.ISSUED
        with pytest.raises(GuardianRequired):
            await running.issue_minor(student=replace(grown_up, birth_date=date(2008, 11, 26)), signers=(signer,))


async def test_a_students_name_may_be_typed_in_another_way() -> None:
    async with quiet_hub() as running:
        typed = replace(adult(), name="Ａnna　lind")
        contract = await running.issue_minor(student=replace(ADULT, name="Anna Lind"), signers=(typed,))
        assert contract.state is ContractState.ISSUED


async def test_issued_anew_the_student_stays_the_student() -> None:
    async with quiet_hub() as running:
        old = await running.issue_minor(student=ADULT, signers=(adult(),))
        another = (replace(adult(), id_number=GUARDIAN_ID),)
        with pytest.raises(BadInput) as refused:
            await reissue(running.hub.services, EVERYTHING, old.id, "staff:test", another)
        assert refused.value.field == "signers[0].id_number"
        assert (await contract_now(running, old)).state is ContractState.ISSUED


async def test_staff_of_one_campus_issue_for_no_other() -> None:
    async with quiet_hub() as running:
        hefei = Scope(frozenset({"hefei"}))
        contract = await issue(running.hub.services, hefei, MINOR, "staff:test")
        with pytest.raises(BadInput):
            await issue(running.hub.services, hefei, replace(MINOR, campus="beijing"), "staff:test")
        with pytest.raises(ContractNotFound):
            await reissue(running.hub.services, Scope(frozenset({"beijing"})), contract.id, "staff:test")


async def test_concurrent_issues_get_numbers_of_their_own() -> None:
    async with quiet_hub() as running:
        contracts = await asyncio.gather(*(running.issue_minor() for _ in range(6)))
        assert len({contract.number for contract in contracts}) == 6


async def test_issuing_anew_ends_the_old_one_without_telling_the_signer_twice() -> None:
    async with quiet_hub() as running:
        old = await running.issue_minor()
        while await running.worker.due_steps.sweep():
            pass
        new = await reissue(running.hub.services, EVERYTHING, old.id, "staff:test")
        while await running.worker.due_steps.sweep():
            pass
        await deliver(running)
        ended = await contract_now(running, old)
        assert (ended.state, ended.replaced_by, new.replaces) == (ContractState.VOIDED, new.id, old.id)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation"] * 2
        assert (await record_of(running, old))[-2:] == ["voided", "replaced"]


async def test_an_address_that_was_not_checked_before_stops_no_reissue(monkeypatch: pytest.MonkeyPatch) -> None:
    async with quiet_hub() as running:
        parents = (
            replace(FATHER, email="father at home", channels=("email",)),
            replace(mother(), email="mother at home", channels=("email", "sms")),
        )
        with monkeypatch.context() as as_before:
            as_before.setattr(draw, "check_address", lambda text, field: text)
            old = await running.issue_minor(signers=parents)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            leaving, _ = await tx.contracts.list_signers(old.id)
        by = Replacement(leaving.id, replace(adult(), role=Role.GUARDIAN))
        wanted = await plan_replacement(running.hub.services, EVERYTHING, old.id, by)
        new = await reissue(running.hub.services, EVERYTHING, old.id, "staff:test")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            signers = await tx.contracts.list_signers(new.id)
        assert [(each.email, each.channels) for each in wanted.signers] == [(None, ("sms",))] * 2
        assert [(each.email, each.channels) for each in signers] == [(None, ("sms",))] * 2


async def test_a_birth_date_that_was_not_compared_before_stops_no_reissue(monkeypatch: pytest.MonkeyPatch) -> None:
    async with quiet_hub() as running:
        child = minor_with_guardian().student
        document = parse_id_document(child.id_type, child.id_number)
        with monkeypatch.context() as as_before:
            drawn = DrawnStudent(child.name, document, document.birth_date)
            as_before.setattr(draw, "check_new_student", lambda asked: drawn)
            old = await running.issue_minor(student=replace(child, birth_date=date(2013, 1, 1)))
        new = await reissue(running.hub.services, EVERYTHING, old.id, "staff:test")
        assert old.data["asked"]["student"]["birth_date"] == "2013-01-01"
        assert new.data["asked"]["student"]["birth_date"] == str(document.birth_date)


async def test_a_deadline_moves_only_to_where_one_may_be() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        without_zone = (clock() + timedelta(days=9)).replace(tzinfo=None)
        for wrong in (clock(), clock() - timedelta(days=1), clock() + timedelta(days=400), without_zone):
            with pytest.raises(BadInput) as refused:
                await extend(running.hub.services, EVERYTHING, contract.id, wrong, "staff:test")
            assert refused.value.field == "deadline"


def thirtieth_day(now: datetime) -> datetime:
    return default_deadline(now.astimezone(SHANGHAI).date(), SHANGHAI.key)


@pytest.mark.parametrize("asked_for", [None, timedelta(days=10)], ids=["by default", "as asked for"])
async def test_a_contract_issued_anew_keeps_a_deadline_that_staff_moved(asked_for: timedelta | None) -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services, began = running.hub.services, clock()
        old = await running.issue_minor(deadline=began + asked_for if asked_for else None)
        clock.advance(timedelta(days=1))
        new = await reissue(services, EVERYTHING, old.id, "staff:test")
        assert new.deadline == (began + asked_for if asked_for else thirtieth_day(clock()))
        later = clock() + timedelta(days=60)
        await extend(services, EVERYTHING, new.id, later, "staff:test")
        third = await reissue(services, EVERYTHING, new.id, "staff:test")
        assert third.deadline == later
        fourth = await reissue(services, EVERYTHING, third.id, "staff:test")
        assert fourth.deadline == later


async def test_a_moved_deadline_that_has_passed_and_one_that_the_hub_moved_do_not_hold_again() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services = running.hub.services
        passed, saved = [await running.issue_minor() for _ in range(2)]
        await extend(services, EVERYTHING, passed.id, clock() + timedelta(days=2), "staff:test")
        await extend(services, EVERYTHING, saved.id, clock() + timedelta(days=40), "hub")
        clock.advance(timedelta(days=3))
        for old in (passed, saved):
            new = await reissue(services, EVERYTHING, old.id, "staff:test")
            assert new.deadline == thirtieth_day(clock())
