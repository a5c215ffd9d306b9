"""Pages of a seal name contract templates as their readers do, by title."""

from __future__ import annotations

from uuid import uuid4

import pytest

from hub.lifecycle.sealing.seals.contract_seal import get_configured_seal
from hub.lifecycle.sealing.seals.use_seal import begin_seal_uses
from hub.model.sealing.seal_use import DocumentToSeal, SealAsk
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from tests.lent_hubs import lent_hub
from tests.web.staff_visit import add_staff, console_of


@pytest.mark.asyncio
async def test_grants_and_uses_name_a_template_by_its_title() -> None:
    async with lent_hub(with_worker=False) as running:
        await add_staff(running, "keeper", "hq", role=StaffRole.SEAL_KEEPER)
        keeper = await console_of(running, "keeper", language="zh")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            seal = await get_configured_seal(running.hub.services, tx)
            asked = SealAsk(seal.id, frozenset(), "hub", "hefei", template="safety-notice")
            await begin_seal_uses(tx, asked, [DocumentToSeal(uuid4(), "ab" * 32, "file:report.pdf")])
        path = f"/staff/seals/{seal.id}"
        form = {"grantee_kind": "contracts", "campus": "hefei", "template": "data-consent"}
        assert (await keeper.post(f"{path}/grant", form)).status == 303
        page, register = (await keeper.get(path)).words, (await keeper.get(f"{path}/register")).words
    assert "个人信息处理同意书" in page and "data-consent" not in page
    for words in (page, register):
        assert "安全告知书" in words and "safety-notice" not in words
