"""People who enrol through a poster say who they are. They count only as the holder of the phone that they proved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from hub.errors import IdentityNotChecked, NotFound
from hub.lifecycle.contract.reissue import reissue
from hub.lifecycle.signing.device_keys import list_devices, revoke
from hub.lifecycle.staff.change_phone import ask_with_old_phone
from hub.model.contract.contract import Contract
from hub.model.signing.device_key import AppKey, Attestation
from hub.model.staff.scope import EVERYTHING, Scope
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.enrolling import came
from tests.lifecycle.people import father
from tests.lifecycle.phone_changes import NEW, ONE, refusal
from tests.lifecycle.signer import Person, person
from tests.poster_visits import Family, cn_id, make_poster
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

# After this time the next code may be asked for.
MINUTE = timedelta(minutes=1)
# The guardian of the contracts that the school issues, with another child.
PARENT = Family(phone=GUARDIAN_PHONE, parent_id=GUARDIAN_ID, child_id=cn_id("20120901", 500))


def as_the_parent() -> Family:
    """Return a stranger's family that claims to have the parent's name and document."""
    return replace(Family(), parent=PARENT.parent, parent_id=PARENT.parent_id)


async def _device_of(running: Running, somebody: Person) -> AppKey:
    signer = somebody.signer
    at, spki = running.clock(), somebody.key.spki
    key = AppKey(uuid4(), spki, signer.person, signer.contract, signer.id, "Phone", Attestation.NONE, at, used_at=at)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.app_keys.add(key)
    return key


async def _results(running: Running, contract: Contract) -> list[tuple[str, str]]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.record.list_entries(contract.id)
    return [(each.facts["provider"], each.facts["result"]) for each in entries if each.kind == "identity-checked"]


async def test_somebody_elses_document_gives_none_of_that_persons_powers() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services = running.hub.services
        parent = await person(running, await running.issue_minor())
        await parent.enter()
        device = await _device_of(running, parent)
        clock.advance(MINUTE)
        code = await _live_code(running, parent)
        _, ticket = await make_poster(running)
        stranger = await came(running, ticket, as_the_parent())
        assert stranger.signer.person != parent.signer.person
        assert (await list_devices(services, stranger.secret))[0] == []
        assert await refusal(revoke(services, stranger.secret, device.id)) is NotFound
        for _ in range(10):
            await _wrong(running, stranger)
        await parent.verify(code)  # neither invalidated by the other's code nor locked by their wrong answers


async def _live_code(running: Running, somebody: Person) -> str:
    await somebody.land()
    return await somebody.ask_code()


async def _wrong(running: Running, somebody: Person) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.sessions.add_wrong_answer(somebody.signer.person, tx.now)


async def test_what_was_only_declared_stays_so_when_its_signer_comes_back() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        _, ticket = await make_poster(running)
        visitor = await came(running, ticket, Family())
        await visitor.enter()
        assert await _results(running, visitor.contract) == [("poster", "declared"), ("poster", "declared")]
        asking = ask_with_old_phone(running.hub.services, visitor.secret, None, NEW)
        assert await refusal(asking) is IdentityNotChecked
        again = await reissue(running.hub.services, Scope(frozenset({"hefei"})), visitor.contract.id, ONE)
        renewed = await person(running, again)
        clock.advance(MINUTE)
        assert renewed.signer.person == visitor.signer.person
        await renewed.enter()
        assert await _results(running, again) == [("poster", "declared")]


async def test_one_parent_of_two_children_who_came_by_posters_is_one_person() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        _, ticket = await make_poster(running)
        family = Family()
        first = await came(running, ticket, family)
        clock.advance(MINUTE)
        second = await came(running, ticket, replace(family, child="陈小明", child_id=Family().child_id))
        assert first.signer.person == second.signer.person
        found = (await first.enter()).contracts
        assert {contract.id for contract, _ in found} == {first.contract.id, second.contract.id}


async def test_the_parent_on_file_who_comes_by_a_poster_is_that_parent() -> None:
    """With the document, name and phone that are on file, the visitor counts as the parent; nothing else is known of
    them."""
    async with quiet_hub(StandingClock()) as running:
        parent = await person(running, await running.issue_minor())
        _, ticket = await make_poster(running)
        again = await came(running, ticket, PARENT)
        assert again.signer.person == parent.signer.person
        assert await refusal(ask_with_old_phone(running.hub.services, again.secret, None, NEW)) is IdentityNotChecked
        found = (await again.enter()).contracts
        assert {contract.id for contract, _ in found} == {again.contract.id, parent.contract.id}
        assert await _results(running, again.contract) == [("poster", "declared"), ("roster", "matched")]


async def test_a_phone_that_is_one_of_several_on_file_does_not_make_anybody_that_person() -> None:
    async with quiet_hub(StandingClock()) as running:
        await running.issue_minor()
        await running.issue_minor(signers=(replace(father(), phone=NEW),), course="english-b")
        _, ticket = await make_poster(running)
        assert (await came(running, ticket, PARENT)).signer.declared
