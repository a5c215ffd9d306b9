"""After a deadline was moved, staff and signers see the new one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.lifecycle.contract.terms import SIGN_BY
from hub.lifecycle.reminders.extend_deadline import extend
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from qianda.client import SigningClient
from tests.running import Running, running_hub
from tests.web.signer_visits import asked, verified
from tests.web.staff_visit import console_of

ROW = re.compile(r"<dt>(?:签署截止|Sign by)</dt><dd>([^<]*)</dd>")


async def test_everybody_reads_where_a_moved_deadline_is_now() -> None:
    async with running_hub() as running:
        contract = await running.issue_minor()
        async with verified(running, contract) as client:
            assert await shown(running, contract, client) == words(contract.deadline)
            moved = (contract.deadline + timedelta(days=20)).astimezone(UTC).replace(hour=17)  # another day in Hefei
            await extend(running.hub.services, EVERYTHING, contract.id, moved, "staff:test")
            assert await shown(running, contract, client) == words(moved)


def words(deadline: datetime) -> set[tuple[str, str]]:
    """Return how each language writes it."""
    local = deadline.astimezone(ZoneInfo("Asia/Shanghai"))
    english = f"{local.day} {local:%B %Y %H:%M}"
    return {("zh", f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"), ("en", english)}


async def shown(running: Running, contract: Contract, client: SigningClient) -> set[tuple[str, str]]:
    """Return the deadlines on the contract's card, on every page and in every language. Each place has to show exactly
    one."""
    found: list[tuple[str, list[str]]] = []
    for language in SIGN_BY:
        console = await console_of(running, language=language)
        staff = (await console.get(f"/staff/contracts/{contract.id}")).text
        query = f"?id={contract.id}&lang={language}"
        _, signer, _ = await asked(running, "GET", f"/sign/contract{query}", bearer=client.bearer)
        _, seen, _ = await asked(running, "GET", f"/sign/v1/contract{query}", bearer=client.bearer)
        rows = [row["value"] for row in seen["summary"] if row["label"] == SIGN_BY[language]]
        assert len(seen["summary"]) == 10
        found += [(language, each) for each in (ROW.findall(staff), ROW.findall(signer), rows)]
    assert [len(each) for _, each in found] == [1] * len(found)
    return {(language, value) for language, each in found for value in each}
