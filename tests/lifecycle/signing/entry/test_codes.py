"""One-time codes, wrong answers and new links, each with its budget."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from hub.errors import LinkNotValid, Locked, SessionNotValid, TooSoon, WrongAnswer
from hub.lifecycle.messaging.resend_link import relink
from hub.lifecycle.signing.entry import open_link, verify_identity
from hub.lifecycle.signing.entry.verify_identity import send_code
from hub.model.signing.link import DoorKind
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import MORNING, SHANGHAI, StandingClock, quiet_hub, round_of_work, sent
from tests.lifecycle.people import mother, two_guardians
from tests.lifecycle.signer import Person, deliver, person, record_of, signed, staff_tasks, wrong_code
from tests.running import GUARDIAN_PHONE, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE = timedelta(minutes=1)


async def landed(running: Running) -> Person:
    guardian = await person(running, await running.issue_minor())
    await guardian.land()
    return guardian


async def refused_for(guardian: Person) -> timedelta | None:
    with pytest.raises(TooSoon) as refused:
        await guardian.ask_code()
    return refused.value.retry_after


async def test_one_code_a_minute_five_an_hour_ten_a_day() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        guardian = await landed(running)
        await guardian.ask_code()
        clock.advance(timedelta(seconds=59))
        assert await refused_for(guardian) == timedelta(seconds=1)
        clock.advance(timedelta(seconds=1))
        for _ in range(4):
            await guardian.ask_code()
            clock.advance(MINUTE)
        assert await refused_for(guardian) == timedelta(minutes=55)
        clock.go_to(MORNING + timedelta(hours=1))
        for _ in range(5):
            await guardian.ask_code()
            clock.advance(MINUTE)
        clock.advance(timedelta(hours=2))
        await guardian.land()  # another session does not get around the limit
        wait = await refused_for(guardian)
        assert wait and clock() + wait == MORNING + timedelta(days=1)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)].count("code") == 10


async def test_a_burst_of_requests_gets_one_code() -> None:
    async with quiet_hub() as running:
        guardian = await landed(running)
        results = await asyncio.gather(
            *(send_code(running.hub.services, guardian.secret) for _ in range(6)), return_exceptions=True
        )
        assert [type(each).__name__ for each in results].count("TooSoon") == 5
        await deliver(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["code"]


async def test_a_new_code_kills_the_old_and_each_serves_once() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        guardian = await landed(running)
        old = new = await guardian.ask_code()
        while new == old:  # once in a million times
            clock.advance(MINUTE)
            new = await guardian.ask_code()
        with pytest.raises(WrongAnswer):
            await guardian.verify(old)
        before = guardian.secret
        await guardian.verify(new)
        with pytest.raises(SessionNotValid):  # the secret was rotated
            await open_link.resume_session(running.hub.services, before)
        with pytest.raises(WrongAnswer):
            await guardian.verify(new)


async def test_a_code_is_worth_nothing_after_ten_minutes_or_in_another_session() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        guardian = await landed(running)
        code = await guardian.ask_code()
        elsewhere = Person(running, guardian.contract, guardian.signer)
        await elsewhere.land()
        with pytest.raises(WrongAnswer):
            await elsewhere.verify(code)
        clock.advance(timedelta(minutes=10))
        with pytest.raises(WrongAnswer):
            await guardian.verify(code)


@pytest.mark.parametrize(
    "answers", [("wrong-code", None, None), ("right", "陈建军", None), ("right", None, "0018"), ("right", None, "")]
)
async def test_code_name_and_document_all_have_to_fit(answers: tuple[str, str | None, str | None]) -> None:
    async with quiet_hub() as running:
        guardian = await landed(running)
        code = await guardian.ask_code()
        given, name, tail = answers
        text = wrong_code(code) if given == "wrong-code" else code
        signer = guardian.signer
        services = running.hub.services
        with pytest.raises(WrongAnswer):
            await verify_identity.verify(
                services, guardian.secret, text, name or signer.name, signer.id_number[-4:] if tail is None else tail
            )
        await guardian.verify(code)  # a wrong answer leaves the code alive


async def test_ten_wrong_answers_lock_until_tomorrow_and_tell_staff() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        guardian = await landed(running)
        code = await guardian.ask_code()
        for _ in range(10):
            with pytest.raises(WrongAnswer):
                await guardian.verify(wrong_code(code))
        with pytest.raises(Locked) as locked:
            await guardian.verify(code)
        midnight = datetime(2026, 11, 26, tzinfo=SHANGHAI).astimezone(UTC)
        assert locked.value.retry_after == midnight - clock()
        clock.advance(timedelta(hours=1))
        with pytest.raises(Locked):
            await guardian.ask_code()
        other = await landed(running)  # another contract of the same person
        with pytest.raises(Locked):
            await other.ask_code()
        assert await staff_tasks(running, guardian.contract.id) == ["locked"]
        assert (await record_of(running, guardian.contract)).count("identity-refused") == 10
        clock.go_to(midnight)
        await guardian.land()
        await guardian.verify(await guardian.ask_code())


async def test_a_burst_of_guesses_is_counted_one_by_one() -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await landed(running)
        code = await guardian.ask_code()
        signer = guardian.signer
        results = await asyncio.gather(
            *(
                verify_identity.verify(
                    running.hub.services, guardian.secret, wrong_code(code), signer.name, signer.id_number[-4:]
                )
                for _ in range(15)
            ),
            return_exceptions=True,
        )
        names = [type(each).__name__ for each in results]
        assert (names.count("WrongAnswer"), names.count("Locked")) == (10, 5)


async def test_two_people_verify_at_once_over_the_same_contracts() -> None:
    """Both parents of two children: they do not deadlock."""
    async with quiet_hub() as running:
        contracts = [await running.issue_minor(signers=two_guardians(1, 1)) for _ in range(2)]
        people = [await person(running, contracts[0], 0), await person(running, contracts[1], 1)]
        codes = []
        for each in people:
            await each.land()
            codes.append(await each.ask_code())
        verified = await asyncio.gather(*(each.verify(code) for each, code in zip(people, codes, strict=True)))
        assert [len(each.contracts) for each in verified] == [2, 2]


async def test_the_door_of_the_first_correct_code_counts() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await person(running, contract)
        await guardian.land(DoorKind.COPY)  # landing alone does not count as opened
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert (await tx.tasks.get_of_signer(guardian.signer.id)).opened_at is None
        await guardian.enter(DoorKind.QR)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            task = await tx.tasks.get_of_signer(guardian.signer.id)
        assert task.opened_through == "qr"


async def test_unknown_expired_and_revoked_tickets_are_all_alike() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services = running.hub.services
        guardian = await landed(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            copied = await tx.links.get_for_door(guardian.signer, DoorKind.COPY, tx.now)
            later = await tx.links.add(guardian.signer, DoorKind.DESK, tx.now, tx.now + 9 * MINUTE)
            renewed, revoked = tx.links.ticket(copied), tx.links.ticket(later)
            await tx.links.renew([guardian.signer.id], tx.now)
            expired = tx.links.ticket(await tx.links.add(guardian.signer, DoorKind.DESK, tx.now, tx.now + MINUTE))
            fresh = tx.links.ticket(await tx.links.get_for_door(guardian.signer, DoorKind.COPY, tx.now))
        clock.advance(MINUTE)
        refusals = set()
        for ticket in (expired, renewed, revoked, "0123456789ABC", "nonsense", "", fresh[:-1]):
            with pytest.raises(LinkNotValid) as refused:
                await open_link.open_ticket(services, ticket)
            refusals.add(str(refused.value))
        assert len(refusals) == 1
        assert fresh != renewed
        await open_link.open_ticket(services, fresh.lower())


async def test_a_new_link_comes_every_ten_minutes_three_times_a_day_and_only_while_there_is_something_to_sign() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services = running.hub.services
        contract = await running.issue_minor()
        ticket = await running.ticket(contract)
        for _ in range(3):
            for _ in range(2):  # the second request sends nothing
                await relink(services, ticket=ticket)
                await relink(services, phone=GUARDIAN_PHONE)
            clock.advance(timedelta(minutes=10))
        await relink(services, ticket=ticket)
        await relink(services, phone="+8619000000199")
        await deliver(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["new-link"] * 3
        clock.advance(timedelta(days=2))
        await signed(running, contract)
        await relink(services, ticket=ticket)
        await deliver(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["new-link"] * 3 + ["code"]


async def test_a_link_asked_for_at_night_comes_at_once() -> None:
    clock = StandingClock(moment=MORNING + timedelta(hours=13))
    async with quiet_hub(clock) as running:
        await running.issue_minor(send="policy", signers=(mother(),))
        await round_of_work(running)
        await relink(running.hub.services, phone=mother().phone)
        await deliver(running)
        assert await sent(running, mother().phone) == [("new-link", "11-25 23:00")]
