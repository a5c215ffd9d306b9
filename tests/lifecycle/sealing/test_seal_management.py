"""A seal from its application to the archive, and the contracts that are sealed with it."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.x509 import load_der_x509_certificate
from PIL import Image, ImageDraw

from hub.errors import BadInput, QiandaError, SealApprovalTwice, SealMoveNotAllowed, SealNameTaken
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.sealing.seals.grant_seal import MAX_TEMPLATES, MAX_USES, NewGrant, grant_seal, revoke_grant
from hub.lifecycle.sealing.seals.make_seal import make_seal, renew_seal
from hub.lifecycle.sealing.seals.manage_seals import (
    NewSealRequest,
    apply_for_seal,
    approve_seal,
    find_seal,
    list_seals,
    move_seal,
    reject_seal,
)
from hub.lifecycle.staff.api_keys import add_key, list_keys
from hub.model.contract.contract import Contract, ContractState
from hub.model.sealing.seal import KeyPlace, Seal, SealAct, SealState
from hub.model.sealing.seal_use import SealUse, UseOutcome
from hub.model.signing.signature_request import SignatureRequest
from hub.model.staff.key_scopes import ALL_SCOPES, KeyTerms
from hub.model.staff.scope import EVERYTHING, Actor, Scope
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.signer import contract_now, signed, staff_tasks
from tests.lifecycle.trouble import Overtaken
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANN, BEN, CAI = (Actor(f"staff:{name}", EVERYTHING) for name in ("ann", "ben", "cai"))
ASKED = NewSealRequest(
    name="合肥合同章",
    kind="contract",
    campus="hefei",
    registered_name="新航线教育集团",
    registered_code="91340100MA0000000G",
    inscription="",
    reason="contracts of Hefei",
)


def red_ring(mode: str = "RGBA", side: int = 400) -> bytes:
    picture = Image.new(mode, (side, side), (255, 255, 255, 0)[: len(mode)])
    ImageDraw.Draw(picture).ellipse((20, 20, side - 20, side - 20), outline=(200, 16, 46, 255)[: len(mode)], width=24)
    output = io.BytesIO()
    picture.save(output, "PNG")
    return output.getvalue()


async def active_seal(running: Running, asked: NewSealRequest = ASKED) -> Seal:
    services = running.hub.services
    seal = await apply_for_seal(services, ANN, asked)
    await approve_seal(services, BEN, seal.id)
    await approve_seal(services, CAI, seal.id)
    await make_seal(services, CAI, seal.id)
    return await move_seal(services, CAI, seal.id, SealAct.ACTIVATE)


async def finished(running: Running, contract: Contract) -> tuple[ContractState, str | None]:
    running.clock.advance(timedelta(minutes=2))  # a person gets one code a minute
    await signed(running, contract)
    return await advanced(running, contract)


async def advanced(running: Running, contract: Contract) -> tuple[ContractState, str | None]:
    state = await advance(running.hub.services, contract.id)
    return state, (await contract_now(running, contract)).stuck_reason


async def the_seal_on(running: Running, contract: Contract) -> SignatureRequest:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return next(each for each in await tx.signatures.list_of_contract(contract.id) if each.is_seal)


async def uses_of(running: Running, seal: Seal) -> list[SealUse]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.seal_register.list_of_seal(seal.id)


async def test_contracts_get_the_seal_that_is_granted_to_them_and_wait_while_it_is_suspended() -> None:
    async with quiet_hub(StandingClock(moment=datetime.now(UTC))) as running:
        services = running.hub.services
        first = await running.issue_minor()
        assert await finished(running, first) == (ContractState.COMPLETED, None)
        configured = await find_seal(services, EVERYTHING, "合同专用章")
        assert [use.about for use in await uses_of(running, configured)] == [f"contract:{first.id}"]
        assert (await the_seal_on(running, first)).chain == services.sealing.seal.chain
        seal = await active_seal(running, replace(ASKED, picture=red_ring()))
        await grant_seal(services, CAI, seal.id, NewGrant("contracts", "", "hefei", ["course"], max_uses=2))
        second, third, fourth = [await running.issue_minor() for _ in range(3)]
        assert await finished(running, second) == (ContractState.COMPLETED, None)
        assert (await the_seal_on(running, second)).chain == seal.chain
        await move_seal(services, BEN, seal.id, SealAct.SUSPEND)
        assert await finished(running, third) == (ContractState.SIGNED, "seal-use-refused")
        lines = await uses_of(running, seal)
        assert [(use.outcome, use.reason) for use in lines] == [
            (UseOutcome.REFUSED, "suspended"),
            (UseOutcome.SEALED, None),
        ]
        await move_seal(services, CAI, seal.id, SealAct.RESUME)
        renewed = await renew_seal(services, CAI, seal.id)
        assert await advanced(running, third) == (ContractState.COMPLETED, None)
        assert (await the_seal_on(running, third)).chain[0] != seal.chain[0]
        outcomes = sorted(use.outcome for use in await uses_of(running, seal))
        assert outcomes == [UseOutcome.REFUSED, UseOutcome.SEALED, UseOutcome.SEALED]  # a new certificate, a new line
        assert await finished(running, fourth) == (ContractState.SIGNED, "seal-use-refused")
        assert (await uses_of(running, seal))[0].reason == "exhausted"
        await move_seal(services, CAI, seal.id, SealAct.REVOKE)
        assert await advanced(running, fourth) == (ContractState.COMPLETED, None)
        assert (await the_seal_on(running, fourth)).chain == services.sealing.seal.chain
        async with running.hub.database.transaction(EVERYTHING) as tx:
            revoked = {serial for serial, _, _ in await tx.certificates.list_revoked(services.sealing.authority_name)}
        # The earlier certificate is for the same key.
        assert revoked == {load_der_x509_certificate(each.chain[0]).serial_number for each in (seal, renewed)}
        await move_seal(services, CAI, seal.id, SealAct.ARCHIVE)
        assert renewed.chain[0] != seal.chain[0]


async def test_a_grant_that_ends_while_the_last_signature_is_embedded_gives_way_to_the_next_one() -> None:
    clock = StandingClock(moment=datetime.now(UTC))
    async with quiet_hub(clock) as running:
        timestamps = Overtaken(clock, number=1)
        timestamps.serve(running)
        services = running.hub.services
        seal = await active_seal(running)
        grant = await grant_seal(services, CAI, seal.id, NewGrant("contracts", "", "hefei"))
        timestamps.overtaken_by = lambda: revoke_grant(services, CAI, seal.id, grant.id)
        contract = await running.issue_minor()
        assert await finished(running, contract) == (ContractState.COMPLETED, None)
        assert (await the_seal_on(running, contract)).chain == services.sealing.seal.chain
        assert await staff_tasks(running, contract.id) == []
        assert [use.outcome for use in await uses_of(running, seal)] == [UseOutcome.REFUSED]


async def test_who_made_the_key_that_applies_is_the_applicant() -> None:
    async with quiet_hub() as running:
        services = running.hub.services
        await add_key(services, "seals-of-ann", "hq", ANN.name, KeyTerms(ALL_SCOPES))
        (key,) = [each.key for each in await list_keys(services) if each.key.name == "seals-of-ann"]
        seal = await apply_for_seal(services, Actor(f"api:{key.id}", EVERYTHING), ASKED)
        with pytest.raises(SealApprovalTwice):
            await approve_seal(services, ANN, seal.id)
        await approve_seal(services, BEN, seal.id)
        assert (await approve_seal(services, CAI, seal.id)).state is SealState.APPROVED


async def test_what_cannot_be_done_with_a_seal_changes_nothing() -> None:
    async with quiet_hub() as running:
        services = running.hub.services
        seal = await apply_for_seal(services, ANN, ASKED)
        for wrong, changed in {
            "name": {"name": " "},
            "kind": {"kind": "square"},
            "registered_code": {"registered_code": "91340100MA00000000"},
            "inscription": {"kind": "representative"},
            "campus": {"campus": "nowhere"},
            "reason": {"reason": ""},
        }.items():
            with pytest.raises(BadInput) as refused:
                await apply_for_seal(services, ANN, replace(ASKED, **({"name": "another"} | changed)))  # type: ignore[arg-type]
            assert refused.value.field == wrong
        with pytest.raises(SealNameTaken):
            await apply_for_seal(services, BEN, ASKED)
        with pytest.raises(SealApprovalTwice):
            await approve_seal(services, ANN, seal.id)
        await approve_seal(services, BEN, seal.id)
        with pytest.raises(SealApprovalTwice):
            await approve_seal(services, BEN, seal.id)
        for early in (
            make_seal(services, CAI, seal.id),
            grant_seal(services, CAI, seal.id, NewGrant("contracts", "", "hefei")),
            move_seal(services, CAI, seal.id, SealAct.ACTIVATE),
        ):
            with pytest.raises(SealMoveNotAllowed):
                await early
        elsewhere = Actor("staff:dan", Scope(frozenset({"beijing"})))
        with pytest.raises(QiandaError, match="no such seal"):
            await approve_seal(services, elsewhere, seal.id)
        assert await list_seals(services, elsewhere.scope) == []
        assert (await reject_seal(services, ANN, seal.id)).state is SealState.REJECTED
        configured = await find_seal(services, EVERYTHING, "合同专用章")
        assert configured.key_place is KeyPlace.CONFIGURED
        with pytest.raises(SealMoveNotAllowed):
            await move_seal(services, CAI, configured.id, SealAct.REVOKE)
        for kind, name in (("client", "nobody"), ("role", "king"), ("staff", "nobody"), ("crowd", "")):
            with pytest.raises(BadInput):
                await grant_seal(services, CAI, configured.id, NewGrant(kind, name, "hefei"))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (grant,) = await tx.seals.list_grants(configured.id)
        await revoke_grant(services, CAI, configured.id, grant.id)
        assert await finished(running, await running.issue_minor()) == (ContractState.SIGNED, "seal-use-refused")


async def test_a_grant_has_as_many_templates_and_uses_as_are_allowed() -> None:
    async with quiet_hub() as running:
        services = running.hub.services
        seal = await find_seal(services, EVERYTHING, "合同专用章")
        contracts = NewGrant("contracts", "", "hefei", ["course"])
        for uses in (1, MAX_USES):
            granted = await grant_seal(services, CAI, seal.id, replace(contracts, max_uses=uses))
            assert granted.max_uses == uses
        for uses in (0, MAX_USES + 1):
            with pytest.raises(BadInput, match="a number from 1"):
                await grant_seal(services, CAI, seal.id, replace(contracts, max_uses=uses))
        names = [f"t{number}" for number in range(MAX_TEMPLATES)]
        with pytest.raises(BadInput, match="there is no contract template t0"):  # so many may be named
            await grant_seal(services, CAI, seal.id, replace(contracts, templates=[*names, *names]))
        with pytest.raises(BadInput, match=f"at most {MAX_TEMPLATES}"):
            await grant_seal(services, CAI, seal.id, replace(contracts, templates=[*names, "one-more"]))
