"""The devices of a signer at the desk: shown to staff who see the signer, and revoked there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.custody.app import Phones, hub_with_an_app
from tests.custody.test_own_certificate import facts_of
from tests.web.signer_visits import verified
from tests.web.staff_visit import add_staff, console_of

pytestmark = pytest.mark.custody


@pytest.fixture
async def phones(tmp_path: Path) -> AsyncIterator[Phones]:
    async with hub_with_an_app(tmp_path) as found:
        yield found


async def test_staff_see_and_revoke_a_device_of_their_own_campus(phones: Phones) -> None:
    running, contract = phones.running, await phones.running.issue_minor()
    await add_staff(running, "wang", "hefei")
    await add_staff(running, "li", "beijing")
    async with verified(running, contract) as app:
        await app.key(phones.android("<b>Old phone</b>"))
        (device,) = await app.devices()
        page, revoke = (
            f"/staff/contracts/{contract.id}",
            f"/staff/contracts/{contract.id}/devices/{device['id']}/revoke",
        )
        ours, theirs = await console_of(running, "wang"), await console_of(running, "li")
        assert (await theirs.post(revoke)).status == 404
        shown = await ours.get(page)
        assert "<b>Old phone</b>" in shown.words and "<b>Old phone</b>" not in shown.text
        assert "key in the device's secure hardware, as it shows" in shown.words
        assert (await ours.post(revoke, origin="https://elsewhere.example")).status == 403
        done = await ours.post(revoke)
        assert (done.status, done.location) == (303, f"{page}?said=device-revoked")
        after = await ours.get(done.location)
        assert "The device is revoked." in after.words and "Revoke this device" not in after.words
        assert "a device of theirs revoked" in after.words
        chinese = await console_of(running, "wang", "zh")
        assert "密钥在设备的安全硬件中" in (await chinese.get(page)).words
        for nothing in ("x", "00000000-0000-0000-0000-000000000000"):
            assert (await ours.post(f"{page}/devices/{nothing}/revoke")).status == 404
        assert (await app.devices())[0]["revoked_at"]
    (revoked,) = await facts_of(running, contract, "app-key-revoked")
    assert revoked["reason"] == "by-staff"
