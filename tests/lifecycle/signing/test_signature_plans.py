"""A file is prepared from what the call for its key has read, which may have changed since."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from hub.errors import DocumentBusy
from hub.lifecycle.signing import signer_certificates
from hub.lifecycle.signing.device_keys import KeyEvidence, ShownKey
from hub.model.signing.signature_plan import SignaturePlans
from hub.model.staff.scope import Scope
from hub.store.kernel.opening import Opening
from hub.store.transaction import Transaction
from qianda.holder import SoftwareKey
from tests.changed_services import change_services
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.signer import Person, completed, ready_to_sign
from tests.running import Running, until


async def count_transactions(running: Running, guardian: Person) -> int:
    """Return the number of transactions in which a file is prepared, without the two of the signer who checks it."""
    database, begun = running.hub.database, list[Scope]()
    original = database.transaction

    @asynccontextmanager
    async def transaction(scope: Scope, opening: Opening | None = None) -> AsyncIterator[Transaction]:
        begun.append(scope)
        async with original(scope, opening) as opened:
            yield opened

    object.__setattr__(database, "transaction", transaction)
    await guardian.prepare()
    object.__setattr__(database, "transaction", original)
    return len(begun) - 2


async def test_the_first_file_after_the_key_takes_one_transaction_and_a_further_one_two() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        assert [await count_transactions(running, guardian) for _ in range(2)] == [1, 2]
        await guardian.sign()
        await completed(running, contract)


async def test_a_file_is_not_prepared_for_a_key_that_another_process_has_replaced() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        other_tab = replace(guardian, key=SoftwareKey())
        await other_tab.fresh_challenge()
        elsewhere = change_services(running.hub.services, "signing", plans=SignaturePlans())
        shown = ShownKey(other_tab.key.spki, other_tab.proof(), "browser")
        certified = await signer_certificates.certify_key(elsewhere, guardian.secret, contract.id, shown, KeyEvidence())
        other_tab.chain = certified.chain
        with pytest.raises(DocumentBusy):
            await other_tab.prepare()
        await other_tab.accept(await other_tab.prepare())
        await completed(running, contract)


async def test_a_plan_that_nobody_uses_is_forgotten() -> None:
    async with quiet_hub() as running:
        services = change_services(running.hub.services, "signing", plans=SignaturePlans(kept_for=0.01))
        running.hub = replace(running.hub, services=services)
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)

        async def is_forgotten() -> bool:
            return not running.hub.services.signing.plans._kept

        await until(is_forgotten)
        assert await count_transactions(running, guardian) == 2
