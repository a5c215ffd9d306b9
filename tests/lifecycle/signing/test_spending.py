"""What a verified signer can make us do again and again is counted, and leaves nothing behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.errors import BudgetSpent, DocumentBusy, DocumentChanged, IllegalMove, WrongProof, WrongSignature
from hub.lifecycle.contract.end import void
from hub.lifecycle.evidence.retention import purge
from hub.lifecycle.signing import sign
from hub.lifecycle.signing.audit_refusals import MAX_REFUSALS_A_DAY
from hub.lifecycle.signing.device_keys import KeyEvidence, ShownKey
from hub.lifecycle.signing.signer_certificates import certify_key
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.kernel.opening import Opening
from hub.store.transaction import Transaction
from qianda.holder import SoftwareKey
from tests.database import tamper
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signer import Person, completed, person, ready_to_sign, record_of
from tests.running import Running

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def stored(running: Running) -> set[Path]:
    return {path for path in (running.hub.settings.data / "files").rglob("*") if path.is_file()}


async def test_one_signer_who_prepares_again_and_again_does_not_keep_the_document_from_the_other() -> None:
    clock = StandingClock()
    async with quiet_hub(clock, configured={"budgets": {"prepared_per_task_hour": 3}}) as running:
        contract = await running.issue_minor(signers=two_guardians(1, 1))
        first, second = [await ready_to_sign(running, contract, number) for number in (0, 1)]
        for _ in range(3):
            request = await first.prepare()
            clock.advance(2 * MINUTE)
        with pytest.raises(BudgetSpent) as spent:
            await first.prepare()
        assert (spent.value.kind, spent.value.retry_after) == ("prepared", timedelta(minutes=54))
        with pytest.raises(DocumentBusy):
            await second.prepare()
        clock.advance(MINUTE)
        await second.prepare()
        with pytest.raises(DocumentChanged):
            await first.accept(request)
        clock.advance(timedelta(minutes=53))
        await first.prepare()


async def test_a_prepared_file_goes_an_hour_after_nobody_can_sign_it_any_more() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        before = stored(running)
        old = await guardian.prepare()
        clock.advance(MINUTE)
        same = await guardian.prepare()
        request = await guardian.prepare()
        assert {path.name for path in stored(running) - before} == {old.prepared, same.prepared, request.prepared}
        assert (await purge(running.hub.services))["superseded-files"] == 0
        with pytest.raises(DocumentChanged):
            await sign.prepared_file(running.hub.services, guardian.secret, old.id)
        await guardian.accept(request)
        clock.advance(2 * HOUR)
        made_the_same = "UPDATE signature_request SET prepared = $1 WHERE id = $2"  # as if made in the same second
        await tamper(running.hub.database.dsn, made_the_same, request.prepared, same.id)
        assert (await purge(running.hub.services))["superseded-files"] == 2
        assert {path.name for path in stored(running) - before} == {same.prepared, request.prepared}
        assert (await purge(running.hub.services))["superseded-files"] == 0
        await completed(running, contract)


async def test_a_file_that_is_prepared_again_at_this_moment_is_not_deleted_under_it() -> None:
    """The same strokes in the same second make the same file, which is stored, but which no row names yet."""
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        await guardian.prepare()
        put = running.hub.services.files.put

        async def put_and_purge(content: bytes) -> str:
            name = await put(content)
            async with running.hub.database.transaction(EVERYTHING) as tx:
                await tx.signatures.lapse_prepared(contract.id)
            await purge(running.hub.services)
            return name

        object.__setattr__(running.hub.services.files, "put", put_and_purge)
        request = await guardian.prepare()
        assert await sign.prepared_file(running.hub.services, guardian.secret, request.id)


async def test_no_store_is_asked_while_a_transaction_is_open() -> None:
    async with quiet_hub() as running:
        asked = _watched(running)
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        await guardian.prepare()
        await guardian.accept(await guardian.prepare())
        await completed(running, contract)
        assert {name for name, _ in asked} == {"get", "put"} and len(asked) > 10
        assert [each for each in asked if each[1]] == []


def _watched(running: Running) -> list[tuple[str, int]]:
    """Return a list that grows: each call of the file store, and how many transactions its own task, or whoever began
    that task, had open at that moment. Others may have some: messages are sent beside the package."""
    database, files = running.hub.database, running.hub.services.files
    asked: list[tuple[str, int]] = []
    opened_by_us: ContextVar[tuple[set[str], ...]] = ContextVar("opened_by_us", default=())
    original = database.transaction

    @asynccontextmanager
    async def transaction(scope: Scope, opening: Opening | None = None) -> AsyncIterator[Transaction]:
        states = {"open"}
        token = opened_by_us.set((*opened_by_us.get(), states))
        try:
            async with original(scope, opening) as opened:
                yield opened
        finally:
            states.clear()
            opened_by_us.reset(token)

    def watch(name: str) -> None:
        call = getattr(files, name)

        async def watched(given: Any) -> Any:
            asked.append((name, sum("open" in states for states in opened_by_us.get())))
            return await call(given)

        object.__setattr__(files, name, watched)

    object.__setattr__(database, "transaction", transaction)
    for name in ("get", "put", "delete"):
        watch(name)
    return asked


async def test_a_contract_that_is_withdrawn_while_its_file_is_prepared_does_not_wait_and_is_not_signed() -> None:
    """The file store may be slow: the contract is not locked meanwhile, and its state is checked again afterwards."""
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        put = running.hub.services.files.put

        async def withdrawn_meanwhile(content: bytes) -> str:
            await void(running.hub.services, EVERYTHING, contract.id, "reissued", "staff:x")
            return await put(content)

        object.__setattr__(running.hub.services.files, "put", withdrawn_meanwhile)
        with pytest.raises(IllegalMove):
            await guardian.prepare()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.signatures.list_of_contract(contract.id) == []


async def test_so_many_certificates_for_one_person_and_no_more() -> None:
    clock = StandingClock()
    budgets = {"certificates_per_person_hour": 2, "certificates_per_person_day": 3}
    async with quiet_hub(clock, configured={"budgets": budgets}) as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)

        async def another_key() -> None:
            again = replace(guardian, key=SoftwareKey())
            await again.fresh_challenge()
            await again.certify()

        await another_key()
        with pytest.raises(BudgetSpent) as spent:
            await another_key()
        assert (spent.value.kind, spent.value.retry_after) == ("certificate-hour", timedelta(hours=1))
        clock.advance(timedelta(hours=1))
        guardian = await person(running, contract)
        await guardian.enter()
        await another_key()
        with pytest.raises(BudgetSpent) as spent:
            await another_key()
        assert spent.value.kind == "certificate-day"
        async with running.hub.database.transaction(EVERYTHING) as tx:
            attempts = await tx.signatures.list_attempts(contract.id)
        assert [each["state"] for each in attempts if each["kind"] == "certificate"] == ["done"] * 3


async def test_who_is_refused_again_and_again_does_not_fill_the_record() -> None:
    """Each refusal is answered. What another signer does has its own number."""
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services, contract = running.hub.services, await running.issue_minor(signers=two_guardians(1, 1))
        first, second = [await ready_to_sign(running, contract, number) for number in (0, 1)]
        request = await first.prepare()

        async def refused(somebody: Person) -> None:
            await somebody.fresh_challenge()
            wrong = ShownKey(somebody.key.spki, somebody.key.sign(b"another"), "browser")
            with pytest.raises(WrongProof):
                await certify_key(services, somebody.secret, contract.id, wrong, KeyEvidence())

        for _ in range(MAX_REFUSALS_A_DAY - 1):
            await refused(first)
        with pytest.raises(WrongSignature):
            await first.accept(request, first.key.sign(b"another"))
        for _ in range(2):
            await refused(first)
            with pytest.raises(WrongSignature):
                await first.accept(request, first.key.sign(b"another"))
        await sign.note_refusal(services, first.secret, request.id, "because")
        await refused(second)
        found = Counter(kind for kind in await record_of(running, contract) if "refused" in kind)
        assert found == {"key-refused": MAX_REFUSALS_A_DAY, "signature-refused": 1}
        clock.advance(24 * HOUR)
        await second.enter()
        await refused(second)
        assert (await record_of(running, contract)).count("key-refused") == MAX_REFUSALS_A_DAY + 1
