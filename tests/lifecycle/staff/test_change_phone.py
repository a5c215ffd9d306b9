"""A person has another phone number: who may ask for the change, who has to approve it, and when staff have to look at
it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from hub.errors import (
    BadInput,
    ContractNotFound,
    IdentityNotChecked,
    NotFound,
    OwnApproval,
    PhoneChangeEnded,
    PhoneChangeWaiting,
    SessionNotValid,
)
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.lifecycle.school.replace_signer import list_adults_on_file
from hub.lifecycle.staff.api_keys import add_key, list_keys, rotate_key
from hub.lifecycle.staff.change_phone import PhoneRequest, approve, ask, ask_with_old_phone, list_waiting, turn_down
from hub.model.contract.signer import Role
from hub.model.school.course import Enrolment
from hub.model.staff.phone_change import PhoneChangeState
from hub.model.staff.scope import EVERYTHING, Scope
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.enrolling import came
from tests.lifecycle.people import father
from tests.lifecycle.phone_changes import HEFEI, NEW, ONE, OTHER, asked, changed, now, refusal
from tests.lifecycle.signer import person, record_of, staff_tasks
from tests.poster_visits import Family, cn_id, make_poster
from tests.running import GUARDIAN_PHONE, MINOR_ID, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_CHILD = cn_id("20120901", 77)


# ---- two approvals


async def test_whoever_made_the_key_that_asks_cannot_approve_and_somebody_else_does() -> None:
    """A person with the secret of a key is both. Whoever gave it a later secret has seen that one."""
    async with quiet_hub(StandingClock()) as running:
        services = running.hub.services
        guardian = await person(running, await running.issue_minor())
        await add_key(services, "crm-of-one", "hefei", ONE)
        await rotate_key(services, "crm-of-one", timedelta(days=1), "staff:third")
        actors = {}
        for each in await list_keys(services):
            if each.key.name == "crm-of-one":
                actors["staff:third" if each.expires_at is None else ONE] = f"api:{each.key.id}"
        for maker, key in actors.items():
            change = await asked(running, guardian, by=key)
            assert await refusal(approve(services, HEFEI, change.id, maker)) is OwnApproval
            assert (await now(running, guardian.signer)).phone == GUARDIAN_PHONE
            await turn_down(services, HEFEI, change.id, maker)
        change = await asked(running, guardian, by=actors[ONE])
        done = await approve(services, HEFEI, change.id, OTHER)
        assert done.state is PhoneChangeState.CHANGED and set(done.approvals) == {actors[ONE], OTHER}


async def test_whoever_asks_cannot_approve_and_somebody_else_does() -> None:
    async with quiet_hub(StandingClock()) as running:
        services = running.hub.services
        guardian = await person(running, await running.issue_minor())
        change = await asked(running, guardian)
        assert await refusal(approve(services, HEFEI, change.id, ONE)) is OwnApproval
        assert (await now(running, guardian.signer)).phone == GUARDIAN_PHONE
        assert [each.change.id for each in await list_waiting(services, HEFEI)] == [change.id]
        assert await staff_tasks(running, guardian.contract.id) == ["phone-change"]
        done = await approve(services, HEFEI, change.id, OTHER)
        assert done.state is PhoneChangeState.CHANGED and set(done.approvals) == {ONE, OTHER}
        assert (await now(running, guardian.signer)).phone == NEW
        assert await staff_tasks(running) == [] and await list_waiting(services, HEFEI) == []
        assert await refusal(approve(services, HEFEI, change.id, "staff:third")) is PhoneChangeEnded


async def test_somebody_in_the_roster_is_offered_with_the_present_number() -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await person(running, await running.issue_minor())
        known = guardian.contract.data["asked"]
        line = Enrolment(uuid4(), "hefei", "math-a", known["student"]["name"], known)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.school.add_enrolment(line, tx.cipher.person("cn-id", MINOR_ID), tx.now)
        await changed(running, guardian)
        signed_by_nobody = replace(guardian.contract, data={"asked": dict(known) | {"signers": []}})
        async with running.hub.database.transaction(HEFEI) as tx:
            adults = await list_adults_on_file(tx, signed_by_nobody)
        assert [each.phone for each in adults.values()] == [NEW]


async def test_two_who_approve_at_once_change_it_once() -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await person(running, await running.issue_minor())
        change = await asked(running, guardian)
        both = [approve(running.hub.services, HEFEI, change.id, each) for each in (OTHER, "staff:third")]
        results = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(type(each).__name__ for each in results) == ["PhoneChange", "PhoneChangeEnded"]
        assert (await record_of(running, guardian.contract)).count("phone-changed") == 1


async def test_only_staff_of_the_campus_ask_and_approve() -> None:
    elsewhere = Scope(frozenset({"beijing"}))
    async with quiet_hub(StandingClock()) as running:
        services = running.hub.services
        guardian = await person(running, await running.issue_minor())
        wanted = PhoneRequest(guardian.contract.id, guardian.signer.id, NEW, "why")
        assert await refusal(ask(services, elsewhere, wanted, ONE)) is ContractNotFound
        change = await asked(running, guardian)
        assert await list_waiting(services, elsewhere) == []
        assert await refusal(approve(services, elsewhere, change.id, OTHER)) is NotFound
        assert await refusal(turn_down(services, elsewhere, change.id, OTHER)) is NotFound


async def test_what_cannot_be_asked_for() -> None:
    async with quiet_hub(StandingClock()) as running:
        services = running.hub.services
        guardian = await person(running, await running.issue_minor())
        for phone, field in (("12345", "phone"), ("0551-62345678", "phone"), (GUARDIAN_PHONE, "phone")):
            with pytest.raises(BadInput) as refused:
                await asked(running, guardian, phone)
            assert refused.value.field == field
        with pytest.raises(BadInput) as refused:
            await ask(services, HEFEI, PhoneRequest(guardian.contract.id, guardian.signer.id, NEW, "  "), ONE)
        assert refused.value.field == "reason"
        await void(services, EVERYTHING, guardian.contract.id, "no longer wanted", ONE)
        assert (await refusal(asked(running, guardian))).code == "illegal-move"


async def test_one_open_wish_for_each_person_taken_back_rejected_or_too_old() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services = running.hub.services
        guardian = await person(running, await running.issue_minor())
        second = await person(running, await running.issue_minor(course="english-b"))
        change = await asked(running, guardian)
        assert await refusal(asked(running, second, by=OTHER)) is PhoneChangeWaiting
        assert (await turn_down(services, HEFEI, change.id, ONE)).state is PhoneChangeState.CANCELLED
        change = await asked(running, second)
        assert (await turn_down(services, HEFEI, change.id, OTHER)).state is PhoneChangeState.REJECTED
        assert await refusal(approve(services, HEFEI, change.id, "staff:third")) is PhoneChangeEnded
        change = await asked(running, guardian)
        clock.advance(timedelta(days=7))
        assert await list_waiting(services, HEFEI) == []
        assert await refusal(approve(services, HEFEI, change.id, OTHER)) is PhoneChangeEnded
        await asked(running, second)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            old = await tx.phone_changes.get(change.id)
        assert old and old.state is PhoneChangeState.EXPIRED
        assert (await now(running, guardian.signer)).phone == GUARDIAN_PHONE


async def test_the_old_phones_code_is_the_second_approval() -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await person(running, await running.issue_minor())
        await asked(running, guardian)
        await guardian.enter()
        secret = guardian.secret
        elsewhere = ask_with_old_phone(running.hub.services, secret, None, "+8619000000198")
        assert await refusal(elsewhere) is PhoneChangeWaiting
        done = await ask_with_old_phone(running.hub.services, secret, None, NEW)
        assert done.state is PhoneChangeState.CHANGED
        assert (await now(running, guardian.signer)).phone == NEW
        assert await refusal(ask_with_old_phone(running.hub.services, secret, None, NEW)) is SessionNotValid


async def test_the_person_asks_and_staff_approve() -> None:
    async with quiet_hub(StandingClock()) as running:
        services = running.hub.services
        guardian = await person(running, await running.issue_minor())
        await guardian.land()
        assert (await refusal(ask_with_old_phone(services, guardian.secret, None, NEW))).code == "not-verified"
        await guardian.verify(await guardian.ask_code())
        change = await ask_with_old_phone(services, guardian.secret, guardian.contract.id, NEW)
        again = await ask_with_old_phone(services, guardian.secret, None, NEW)
        assert change.id == again.id and again.state is PhoneChangeState.OPEN
        assert set(change.approvals) == {"old-phone"}
        assert (await approve(services, HEFEI, change.id, ONE)).state is PhoneChangeState.CHANGED


async def test_another_phone_of_the_same_person_is_not_the_old_one() -> None:
    """The holder of one of a person's phones cannot confirm a change of the other one, even for the same new number."""
    async with quiet_hub(StandingClock()) as running:
        services = running.hub.services
        guardian = await person(running, await running.issue_minor())
        elsewhere = (replace(father(), phone="+8619000000197"),)
        other = await person(running, await running.issue_minor(signers=elsewhere, course="english-b"))
        change = await asked(running, guardian)
        await other.enter()
        assert await refusal(ask_with_old_phone(services, other.secret, None, NEW)) is PhoneChangeWaiting
        assert (await now(running, guardian.signer)).phone == GUARDIAN_PHONE
        assert (await approve(services, HEFEI, change.id, OTHER)).state is PhoneChangeState.CHANGED
        assert (await now(running, other.signer)).phone == "+8619000000197"


async def test_whoever_only_said_who_they_are_approves_nothing() -> None:
    async with quiet_hub(StandingClock()) as running:
        _, ticket = await make_poster(running)
        visitor = await came(running, ticket, Family())
        assert await refusal(ask_with_old_phone(running.hub.services, visitor.secret, None, NEW)) is IdentityNotChecked
        change = await asked(running, visitor)
        asking = ask_with_old_phone(running.hub.services, visitor.secret, None, NEW)
        assert await refusal(asking) is IdentityNotChecked
        assert (await approve(running.hub.services, HEFEI, change.id, OTHER)).state is PhoneChangeState.CHANGED


# ---- a number that strangers share


def parent(name: str, document: str, phone: str) -> NewSigner:
    return NewSigner(Role.GUARDIAN, name, phone, document, "passport", relation="父亲")


def child(name: str, document: str) -> NewStudent:
    return NewStudent(name, "cn-id", document)


async def _at_the_new_number(running: Running, *families: tuple[str, str, str]) -> None:
    for name, document, student in families:
        await running.issue_minor(
            signers=(parent(name, document, NEW),), student=child("陈小满", student), campus="beijing"
        )


async def _alerts(running: Running) -> list[str]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [each.kind for each in await tx.alerts.list_recent(EVERYTHING, tx.now)]


@pytest.mark.parametrize(
    ("families", "alarms"),
    [
        ((), 0),
        ((("王大山", "E10000001", OTHER_CHILD),), 0),
        ((("王大山", "E10000001", MINOR_ID), ("王小山", "E10000002", MINOR_ID)), 0),
        ((("王大山", "E10000001", MINOR_ID), ("李四海", "E10000002", OTHER_CHILD)), 2),
    ],
    ids=["free", "one-other", "one-family", "strangers"],
)
async def test_an_alarm_when_strangers_share_the_number(
    families: tuple[tuple[str, str, str], ...], alarms: int
) -> None:
    async with quiet_hub(StandingClock()) as running:
        await _at_the_new_number(running, *families)
        guardian = await person(running, await running.issue_minor())
        change = await asked(running, guardian)
        assert [each.shared for each in await list_waiting(running.hub.services, HEFEI)] == [bool(alarms)]
        await approve(running.hub.services, HEFEI, change.id, OTHER)
        assert await _alerts(running) == ["shared-phone"] * alarms
        assert await staff_tasks(running) == ["shared-phone"] * bool(alarms)
