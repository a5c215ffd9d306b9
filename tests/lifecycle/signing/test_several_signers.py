"""Guardians, student and the school's representative: the order in which they sign, and a person in another's place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.errors import BadInput, Conflict, ContractNotFound, IllegalMove
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.contract.reissue import Replacement, reissue, replace_person
from hub.lifecycle.sealing.finalise import advance
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import Role, Signer
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.people import HEAD_ID, HEAD_PHONE, MOTHER_ID, MOTHER_PHONE, father, head, mother
from tests.lifecycle.signer import completed, contract_now, record_of, signed
from tests.running import MINOR_ID, Running, demanding_templates, running_hub

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEAD = {"campus": "hq", "name": "顾远舟", "phone": HEAD_PHONE, "id_number": HEAD_ID}
DEPUTY = {"campus": "hefei", "name": "周文静", "phone": MOTHER_PHONE, "id_number": MOTHER_ID}
CHILD = NewSigner(Role.STUDENT, "陈小满", "+8619000000105", MINOR_ID, order=2)


@asynccontextmanager
async def hub_with(*representatives: dict[str, str], templates: Path | None = None) -> AsyncIterator[Running]:
    configured = {"representatives": list(representatives)}
    async with running_hub(with_web=False, with_worker=False, configured=configured, templates=templates) as running:
        yield running


async def signers_of(running: Running, contract: Contract) -> list[Signer]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.contracts.list_signers(contract.id)


async def test_student_and_both_guardians_in_order_and_the_relation_is_recorded() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=(father(1), mother(1), CHILD))
        assert contract.fields == ("guardian-1", "guardian-2", "student-1")
        for number in range(3):
            await signed(running, contract, number)
            await advance(running.hub.services, contract.id)
        await completed(running, contract)
        paper = "".join(cell for block in contract.data["text"] for row in block.get("rows", ()) for cell in row)
        assert "学员的父亲" in paper and "学员的母亲" in paper
        async with running.hub.database.transaction(EVERYTHING) as tx:
            drawn = next(each for each in await tx.record.list_entries(contract.id) if each.kind == "drawn")
            values = await tx.record.get_values(contract.id)
        relations = [values[each["relation"]] for each in drawn.facts["signers"] if "relation" in each]
        assert relations == [("relation", "父亲"), ("relation", "母亲")]


async def test_whoever_signs_first_certifies_and_everybody_has_a_certificate_of_their_own() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=(father(1), mother(1)))
        await signed(running, contract, 1)
        await advance(running.hub.services, contract.id)
        await signed(running, contract, 0)
        final = await completed(running, contract)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            requests = [each for each in await tx.signatures.list_of_contract(contract.id) if not each.is_seal]
        assert [each.field for each in requests] == ["guardian-2", "guardian-1"]
        assert len({each.chain[0] for each in requests}) == 2
        assert final.count(b"/TransformMethod /DocMDP") == 1 and final.count(b"/DocMDP") >= 2
        prepared = [await running.hub.services.files.get(each.prepared) for each in requests]
        assert b"/DocMDP" in prepared[0][len(await running.hub.services.files.get(requests[0].base)) :]


@pytest.mark.parametrize("demanded", [False, True], ids=["asked for", "demanded by the template"])
async def test_the_representative_of_the_campus_signs_last(tmp_path: Path, demanded: bool) -> None:
    templates = demanding_templates(tmp_path / "t", "representative = true") if demanded else None
    async with hub_with(HEAD, DEPUTY, templates=templates) as running:
        contract = await running.issue_minor(signers=(father(3),), representative=not demanded)
        people = await signers_of(running, contract)
        assert [(each.role, each.name, each.order) for each in people] == [
            (Role.GUARDIAN, "陈建国", 3),
            (Role.REPRESENTATIVE, "周文静", 4),
        ]
        named = await running.issue_minor(signers=(father(), head()), representative=True)
        assert [each.name for each in await signers_of(running, named)] == ["陈建国", "顾远舟"]
        again = await reissue(running.hub.services, EVERYTHING, contract.id, "test")
        assert [each.name for each in await signers_of(running, again)] == ["陈建国", "周文静"]


async def test_the_nearest_campus_above_has_the_representative_and_none_is_an_error() -> None:
    async with hub_with(HEAD) as running:
        contract = await running.issue_minor(representative=True)
        assert (await signers_of(running, contract))[-1].name == "顾远舟"
    async with quiet_hub() as running:
        with pytest.raises(BadInput) as refused:
            await running.issue_minor(representative=True)
        assert refused.value.field == "representative"


async def test_a_representative_who_reads_english_does_not_make_the_contract_english() -> None:
    async with hub_with(HEAD | {"language": "en"}) as running:
        assert (await running.issue_minor(representative=True)).language == "zh"
        guardian = replace(father(), language="en")
        assert (await running.issue_minor(signers=(guardian,), representative=True)).language == "en"


async def test_somebody_else_signs_in_a_signers_place_by_a_new_contract() -> None:
    async with hub_with(HEAD) as running:
        services = running.hub.services
        old = await running.issue_minor(
            signers=(father(1), replace(mother(2), channels=("voice",))), representative=True
        )
        await signed(running, old, 0)
        await advance(services, old.id)
        leaving = (await signers_of(running, old))[1]
        uncle = NewSigner(Role.STUDENT, "陈建军", "+8619000000106", "340104199001010017", relation="叔父", order=9)
        new = await replace_person(services, EVERYTHING, old.id, Replacement(leaving.id, uncle), "staff:test")
        ended = await contract_now(running, old)
        assert (ended.state, ended.replaced_by, new.replaces) == (ContractState.VOIDED, new.id, old.id)
        people = await signers_of(running, new)
        assert [(each.role, each.name, each.order, each.channels) for each in people] == [
            (Role.GUARDIAN, "陈建国", 1, ("sms",)),
            (Role.GUARDIAN, "陈建军", 2, ("voice",)),
            (Role.REPRESENTATIVE, "顾远舟", 3, ("sms",)),
        ]
        assert people[1].relation == "叔父"
        assert (await record_of(running, old))[-2:] == ["voided", "replaced"]
        running.clock.advance(timedelta(minutes=2))  # until he may ask for a code again
        for number in range(3):
            await signed(running, new, number)
            await advance(services, new.id)
        await completed(running, new)
        with pytest.raises(IllegalMove):
            await replace_person(services, EVERYTHING, new.id, Replacement(people[1].id, uncle), "staff:test")


async def test_nobody_gets_another_phone_by_a_new_contract() -> None:
    """A change of number takes two approvals, and has to end the sessions and links of the old phone."""
    async with quiet_hub() as running:
        services, contract = running.hub.services, await running.issue_minor(signers=(father(1), mother(2)))
        guardian, _ = await signers_of(running, contract)
        moved = replace(father(1), phone="+8619000000106", id_number=father().id_number.lower())
        with pytest.raises(BadInput) as refused:
            await reissue(services, EVERYTHING, contract.id, "test", (mother(1), moved))
        assert refused.value.field == "signers[1].phone"
        with pytest.raises(BadInput):
            await replace_person(services, EVERYTHING, contract.id, Replacement(guardian.id, moved), "staff:test")
        assert (await contract_now(running, contract)).state is ContractState.ISSUED
        renamed = replace(father(1), name="陈建邦")
        new = await replace_person(services, EVERYTHING, contract.id, Replacement(guardian.id, renamed), "staff:test")
        assert [each.name for each in await signers_of(running, new)] == ["陈建邦", "周文静"]


async def test_neither_the_student_nor_a_stranger_can_be_replaced() -> None:
    async with quiet_hub() as running:
        services, contract = running.hub.services, await running.issue_minor(signers=(father(1), CHILD))
        guardian, student = await signers_of(running, contract)
        with pytest.raises(BadInput) as refused:
            await replace_person(services, EVERYTHING, contract.id, Replacement(student.id, mother()), "staff:test")
        assert refused.value.field == "signer"
        with pytest.raises(ContractNotFound):
            await replace_person(services, EVERYTHING, contract.id, Replacement(contract.id, mother()), "staff:test")
        with pytest.raises(BadInput):
            await replace_person(
                services, EVERYTHING, contract.id, Replacement(guardian.id, replace(mother(), name="")), "staff:test"
            )
        assert (await contract_now(running, contract)).state is ContractState.ISSUED
        await replace_person(services, EVERYTHING, contract.id, Replacement(guardian.id, mother()), "staff:test")
        with pytest.raises(Conflict):
            await replace_person(services, EVERYTHING, contract.id, Replacement(guardian.id, father()), "staff:test")
