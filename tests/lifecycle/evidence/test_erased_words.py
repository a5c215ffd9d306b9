"""What others wrote about an erased person is erased too, and their enrolment by a poster still counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.doctor.records import examine_records
from hub.errors import FilesUnavailable, IllegalMove, LinkNotValid, SessionNotValid
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.issue import issue_prepared
from hub.lifecycle.contract.reissue import prepare_again, reissue
from hub.lifecycle.evidence.person import erase_person
from hub.lifecycle.signing.entry.hand_out_link import WantedLink, hand_out_link
from hub.lifecycle.signing.entry.open_link import open_ticket
from hub.lifecycle.signing.questions import ask
from hub.lifecycle.staff import change_phone
from hub.lifecycle.staff.change_phone import PhoneRequest
from hub.model.signing.link import DoorKind
from hub.model.staff.scope import EVERYTHING
from hub.store.tables.columns import metadata
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.evidence.test_person import CHILD, FATHER, RETENTION, about, family, owner_of, stands
from tests.lifecycle.people import father, mother
from tests.lifecycle.phone_changes import NEW, ONE
from tests.lifecycle.signer import person
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, MINOR_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_nothing_of_a_student_who_signs_nothing_is_left_where_others_wrote_about_them() -> None:
    """The reason of a withdrawal or phone change, a guardian's question, the title of the school's own PDF."""
    async with quiet_hub() as running, owner_of(running) as owner:
        services = running.hub.services
        contract = await running.issue_minor(signers=(father(), mother()))
        somebody = await person(running, contract)
        running.clock.advance(timedelta(minutes=2))
        await somebody.enter()
        await ask(services, somebody.secret, "question", f"Is {CHILD} in the right class?")
        wanted = PhoneRequest(contract.id, somebody.signer.id, NEW, f"the father of {CHILD} called")
        await change_phone.ask(services, EVERYTHING, wanted, ONE)
        async with owner.transaction(EVERYTHING) as tx:
            title = metadata.tables["contract"].update().values(title=f"Agreement about {CHILD}")
            await tx.connection.execute(title)
        moved = "the family has moved away"
        await void(services, EVERYTHING, contract.id, moved, "staff:x")
        assert {"contract", "phone_change", "personal_value.value_sealed"} <= await stands(running, CHILD)
        await erase_person(services, owner, about(MINOR_ID))
        assert await stands(running, CHILD, MINOR_ID, moved) == set()
        assert {"signer", "signer.phone_sealed"} <= await stands(running, FATHER, GUARDIAN_PHONE)
        findings = [each async for each in examine_records(running.hub, lambda _: None)]
        assert all(each.well for each in findings), findings


async def test_nobody_enters_any_more_as_an_erased_signer() -> None:
    """Through a session that was open, or a link in an old message, new texts would be kept about nobody."""
    async with quiet_hub() as running, owner_of(running) as owner:
        services = running.hub.services
        contract = await running.issue_minor(signers=(father(), mother()))
        (somebody, other) = [await person(running, contract, number) for number in range(2)]
        running.clock.advance(timedelta(minutes=2))
        for each in (somebody, other):
            await each.enter()
        await void(services, EVERYTHING, contract.id, "a mistake", "staff:x")
        ticket = await running.ticket(contract)
        await erase_person(services, owner, about(GUARDIAN_ID))
        with pytest.raises(SessionNotValid):
            await ask(services, somebody.secret, "question", f"I am {FATHER}")
        with pytest.raises(LinkNotValid):
            await open_ticket(services, ticket)
        assert await stands(running, FATHER) == set()
        await ask(services, other.secret, "question", "Why was it withdrawn?")


@pytest.mark.parametrize("door", [DoorKind.QR, DoorKind.DESK])
async def test_no_link_of_an_erased_signer_is_handed_out(door: DoorKind) -> None:
    """A completed contract has links for reading it: after an erasure, a new one would lead to nobody's data."""
    async with quiet_hub() as running, owner_of(running) as owner:
        done, _ = await family(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            signers = [signer.id for signer in await tx.contracts.list_signers(done.id)]
        running.clock.advance(RETENTION)
        await erase_person(running.hub.services, owner, about(GUARDIAN_ID))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            with pytest.raises(IllegalMove, match="erased"):
                await hand_out_link(running.hub.services, tx, WantedLink(done.id, signers[0], door), "staff:x")
            await hand_out_link(running.hub.services, tx, WantedLink(done.id, signers[1], door), "staff:x")


async def test_nobody_is_erased_whose_file_cannot_be_deleted() -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        done, _ = await family(running)
        running.clock.advance(RETENTION)
        assert done.document
        file = running.hub.settings.data / "files" / done.document[:2] / done.document
        content = file.read_bytes()
        file.unlink()
        file.mkdir()  # which no deletion of a file removes
        with pytest.raises(FilesUnavailable):
            await erase_person(running.hub.services, owner, about(GUARDIAN_ID))
        assert "signer" in await stands(running, FATHER)
        file.rmdir()
        file.write_bytes(content)
        await erase_person(running.hub.services, owner, about(GUARDIAN_ID))
        assert await stands(running, FATHER) == set() and not file.exists()


async def test_a_contract_of_an_erased_person_is_not_issued_again() -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        services = running.hub.services
        contract = await running.issue_minor(signers=(father(), mother()))
        await void(services, EVERYTHING, contract.id, "mistyped", "staff:x")
        drawn = await prepare_again(services, EVERYTHING, contract.id)
        await erase_person(services, owner, about(GUARDIAN_ID))
        with pytest.raises(IllegalMove, match="erased"):
            async with services.database.transaction(EVERYTHING) as tx:
                await issue_prepared(services, tx, drawn, "staff:x")
        with pytest.raises(IllegalMove, match="erased"):
            await reissue(services, EVERYTHING, contract.id, "staff:x")
        assert not await stands(running, FATHER, GUARDIAN_PHONE, GUARDIAN_ID)
