"""The phone number has changed: nothing that belonged to the old number works any more, and the new number is told at
once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from hub.errors import LinkNotValid, QiandaError, SessionNotValid, WrongAnswer
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.reissue import Replacement, reissue, replace_person
from hub.lifecycle.reminders.run_due import run_step
from hub.lifecycle.signing.entry import open_link, verify_identity
from hub.lifecycle.signing.questions import ask as question
from hub.lifecycle.staff.change_phone import approve
from hub.model.contract.signer import Signer
from hub.model.signing.link import DoorKind
from hub.model.staff.phone_change import PhoneChange
from hub.model.staff.scope import EVERYTHING, Scope
from tests.database import LOCK_WAITS
from tests.lifecycle.clockwork import NIGHT, StandingClock, quiet_hub, round_of_work, sent
from tests.lifecycle.people import MOTHER_PHONE, father, mother
from tests.lifecycle.phone_changes import HEFEI, NEW, ONE, OTHER, asked, changed, messages, now, refusal, ticket
from tests.lifecycle.signer import Person, person, record_of, tasks_of
from tests.poster_visits import cn_id
from tests.running import GUARDIAN_PHONE, Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE = timedelta(minutes=1)


async def test_the_number_was_given_to_another_person() -> None:
    """Messages are withdrawn, tickets, session and code are invalid, and the new number is told at once, at night
    too."""
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services = running.hub.services
        guardian = await person(running, await running.issue_minor())
        await round_of_work(running)
        old = await ticket(running, guardian.signer, DoorKind.SMS)
        desk = await _desk_code(running, guardian.signer)
        await guardian.enter()
        verified = guardian.secret
        clock.advance(timedelta(minutes=1))
        await guardian.land()
        await verify_identity.send_code(services, guardian.secret)  # waiting to be sent, no provider was called yet
        (waiting_code,) = [each for each in await messages(running, guardian.contract) if each.state == "sending"]
        clock.go_to(NIGHT)
        await changed(running, guardian)
        kept = {each.id: each for each in await messages(running, guardian.contract)}
        assert (kept[waiting_code.id].state, kept[waiting_code.id].failure) == ("withdrawn", "phone-changed")
        assert await services.messaging.router.send_delivery(waiting_code.id, fresh=True) == "withdrawn"
        for text in (old, desk):
            assert await refusal(open_link.open_ticket(services, text)) is LinkNotValid
        for secret in (verified, guardian.secret):
            assert await refusal(open_link.resume_session(services, secret)) is SessionNotValid
            assert await refusal(verify_identity.send_code(services, secret)) is SessionNotValid
        before = await sent(running, GUARDIAN_PHONE)
        await round_of_work(running)
        assert await sent(running, NEW) == [("invitation", "11-25 23:00")]
        fresh = await ticket(running, guardian.signer, DoorKind.SMS)
        assert fresh != old and fresh in (await running.messages(NEW))[0]["text"]
        assert old in (await running.messages(GUARDIAN_PHONE))[0]["text"]  # the pretend phone shows what was sent to it
        moved = Person(running, guardian.contract, await now(running, guardian.signer))
        await moved.enter()
        assert await sent(running, GUARDIAN_PHONE) == before


async def _desk_code(running: Running, signer: Signer) -> str:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        link = await tx.links.add(signer, DoorKind.DESK, tx.now, tx.now + timedelta(days=2))
        return tx.links.ticket(link)


async def test_it_changes_in_every_contract_of_this_person_that_has_not_ended() -> None:
    async with quiet_hub(StandingClock()) as running:
        first = await person(running, await running.issue_minor())
        other = await person(running, await running.issue_minor(course="english-b"))
        ended = await person(running, await running.issue_minor(campus="beijing"))
        await ended.enter()
        both = await running.issue_minor(
            course="calligraphy", signers=(replace(father(), phone="+8619000000150"), mother(2))
        )
        elsewhere, woman = await person(running, both), await person(running, both, 1)
        await void(running.hub.services, EVERYTHING, ended.contract.id, "no longer wanted", ONE)
        old = await ticket(running, ended.signer, DoorKind.COPY)
        await changed(running, first)
        for each, phone in (
            (first, NEW),
            (other, NEW),
            (ended, GUARDIAN_PHONE),
            (elsewhere, "+8619000000150"),
            (woman, MOTHER_PHONE),
        ):
            assert (await now(running, each.signer)).phone == phone
        assert "phone-changed" in await record_of(running, other.contract)
        assert "phone-changed" not in await record_of(running, ended.contract)
        assert await refusal(open_link.open_ticket(running.hub.services, old)) is LinkNotValid
        assert await refusal(open_link.resume_session(running.hub.services, ended.secret)) is SessionNotValid


async def test_the_record_holds_commitments_and_never_numbers() -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await person(running, await running.issue_minor())
        await changed(running, guardian)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            entries = await tx.record.list_entries(guardian.contract.id)
            values = await tx.record.get_values(guardian.contract.id)
        (entry,) = [each for each in entries if each.kind == "phone-changed"]
        assert values[entry.facts["before"]] == ("phone", GUARDIAN_PHONE)
        assert values[entry.facts["after"]] == ("phone", NEW)
        assert entry.facts["approved_by"] == [ONE, OTHER] and entry.actor == OTHER
        assert "phone-change-asked" in [each.kind for each in entries]
        told = " ".join(str(each.facts) for each in entries)
        assert not any(number[3:] in told for number in (GUARDIAN_PHONE, NEW)) and "called" not in told


async def test_the_wrong_answers_of_today_still_count() -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await person(running, await running.issue_minor())
        await guardian.land()
        for _ in range(10):
            assert await refusal(guardian.verify("000000")) is WrongAnswer
        await changed(running, guardian)
        await guardian.land()
        assert (await refusal(verify_identity.send_code(running.hub.services, guardian.secret))).code == "locked"


async def test_who_wants_no_messages_is_known_by_number() -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await person(running, await running.issue_minor())
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.opt_outs.add(GUARDIAN_PHONE, "sms", tx.now, "inbound")
        await changed(running, guardian)
        await round_of_work(running)
        assert [purpose for purpose, _ in await sent(running, NEW)] == ["invitation"]


async def test_a_question_from_the_old_number_does_not_silence_the_new_one() -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await person(running, await running.issue_minor())
        await guardian.land()
        await question(running.hub.services, guardian.secret, "not-me", "I have this number since May.")
        assert (await tasks_of(running, guardian.contract))[0].paused
        await changed(running, guardian)
        assert not (await tasks_of(running, guardian.contract))[0].paused
        await round_of_work(running)
        assert [purpose for purpose, _ in await sent(running, NEW)] == ["invitation"]


async def test_others_at_the_old_number_hear_again_once_who_asked_has_another() -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await person(running, await running.issue_minor())
        wife = await running.issue_minor(course="english-b", signers=(replace(mother(), phone=GUARDIAN_PHONE),))
        await guardian.land()
        await question(running.hub.services, guardian.secret, "not-me", "My husband's number is another one.")
        assert (await tasks_of(running, wife))[0].paused
        await changed(running, guardian)
        assert not (await tasks_of(running, wife))[0].paused


async def test_a_new_number_that_asked_for_silence_stays_silent() -> None:
    async with quiet_hub(StandingClock()) as running:
        woman = await person(running, await running.issue_minor(course="english-b", signers=(mother(),)))
        await woman.land()
        await question(running.hub.services, woman.secret, "not-me", "")
        guardian = await person(running, await running.issue_minor())
        await changed(running, guardian, MOTHER_PHONE)
        await round_of_work(running)
        assert await sent(running, MOTHER_PHONE) == []


async def test_issued_anew_it_goes_to_the_number_of_today() -> None:
    async with quiet_hub(StandingClock()) as running:
        guardian = await person(running, await running.issue_minor())
        await changed(running, guardian)
        fresh = await person(running, await reissue(running.hub.services, EVERYTHING, guardian.contract.id, ONE))
        assert fresh.signer.phone == NEW


async def test_what_had_ended_before_the_change_goes_to_the_number_of_today_as_well() -> None:
    async with quiet_hub(StandingClock()) as running:
        services = running.hub.services
        ended = await running.issue_minor(campus="beijing", signers=(father(), mother(2)))
        await void(services, EVERYTHING, ended.id, "too early", ONE)
        await changed(running, await person(running, await running.issue_minor()))
        assert (await person(running, ended)).signer.phone == GUARDIAN_PHONE
        moved = await reissue(services, Scope(frozenset({"beijing"})), ended.id, ONE, (replace(father(), phone=NEW),))
        assert (await person(running, moved)).signer.phone == NEW
        await void(services, EVERYTHING, moved.id, "too early", ONE)
        fresh = await person(running, await reissue(services, EVERYTHING, moved.id, ONE))
        assert fresh.signer.phone == NEW


async def test_a_wife_is_replaced_and_the_husband_keeps_the_number_of_today() -> None:
    async with quiet_hub(StandingClock()) as running:
        ended = await running.issue_minor(campus="beijing", signers=(father(), mother(2)))
        await void(running.hub.services, EVERYTHING, ended.id, "too early", ONE)
        await changed(running, await person(running, await running.issue_minor()))
        wife = (await person(running, ended, 1)).signer
        by = replace(mother(2), name="周文华", id_number=cn_id("19870303", 900))
        fresh = await replace_person(running.hub.services, EVERYTHING, ended.id, Replacement(wife.id, by), ONE)
        assert (await person(running, fresh)).signer.phone == NEW


# ---- a message that is being sent at this moment


async def test_a_message_in_hands_goes_out_only_if_it_was_committed_before() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        database, router = running.hub.database, running.hub.services.messaging.router
        guardian = await person(running, await running.issue_minor())
        change = await asked(running, guardian)
        async with database.transaction(EVERYTHING) as tx:
            (claimed,) = await tx.tasks.claim_due(tx.planning_now, timedelta(minutes=1), 10)
        held = await run_step(running.hub.services, claimed)  # a worker has claimed it, and has called no provider
        assert held
        await approve(running.hub.services, HEFEI, change.id, OTHER)
        assert await router.send_delivery(held, fresh=True) == "withdrawn"
        assert await sent(running, GUARDIAN_PHONE) == []


async def test_a_call_that_is_being_committed_goes_first() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        database, router = running.hub.database, running.hub.services.messaging.router
        provider = router.providers.list_able("sms", GUARDIAN_PHONE)[0].name
        guardian = await person(running, await running.issue_minor())
        await guardian.land()
        await verify_identity.send_code(running.hub.services, guardian.secret)
        change = await asked(running, guardian)
        (delivery,) = await messages(running, guardian.contract)
        async with database.transaction(EVERYTHING) as tx:
            assert await tx.deliveries.claim(delivery.id, tx.now, held=None)
            approving = asyncio.create_task(approve(running.hub.services, HEFEI, change.id, OTHER))
            await _waits_for_a_lock(running)
            await tx.deliveries.write_call(replace(delivery, provider=provider, state_at=tx.now, called_at=tx.now))
        await approving
        (called, *_) = await messages(running, guardian.contract)
        assert (called.id, called.provider, called.state) == (delivery.id, provider, "sending")
        # Its worker died after the commit: the provider has nothing, and is not called a second time.
        clock.advance(MINUTE)
        assert await router.send_delivery(delivery.id, fresh=False) == "withdrawn"
        assert await sent(running, GUARDIAN_PHONE) == []


async def _waits_for_a_lock(running: Running) -> None:
    async def waits() -> bool:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            return bool(await tx.connection.scalar(text(LOCK_WAITS)))

    await until(waits)


async def test_whoever_is_being_verified_or_asks_for_a_code_comes_before_or_after() -> None:
    """At the same moment, either the signer comes first and the change ends their session, or they find it ended."""
    async with quiet_hub(StandingClock()) as running:
        services = running.hub.services
        guardian = await person(running, await running.issue_minor())
        await guardian.land()
        code = await guardian.ask_code()
        change = await asked(running, guardian)
        tail = guardian.signer.id_number[-4:]
        verified, asked_for, moved = await asyncio.gather(
            verify_identity.verify(services, guardian.secret, code, guardian.signer.name, tail),
            verify_identity.send_code(services, guardian.secret),
            approve(services, HEFEI, change.id, OTHER),
            return_exceptions=True,
        )
        assert isinstance(moved, PhoneChange)
        secret = verified.secret if isinstance(verified, verify_identity.VerifiedSession) else guardian.secret
        assert await refusal(open_link.resume_session(services, secret)) is SessionNotValid
        assert isinstance(asked_for, QiandaError)
