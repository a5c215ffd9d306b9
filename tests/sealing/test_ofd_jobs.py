"""OFD files of another system are sealed with SM2: judged by our verifier, whose judges are in tests/ofd."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.errors import BadInput
from hub.lifecycle.sealing.seals.contract_seal import get_configured_seal
from hub.lifecycle.sealing.seals.list_seal_keys import describe_seal_keys
from hub.lifecycle.sealing.seals.sm2_seals import make_sm2_seal
from hub.model.sealing.seal import Seal
from hub.model.sealing.sm2_seal import Sm2KeyPlace
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING, Actor
from hub.operator_metrics import render_hub_metrics
from qianda.verify import verify_bytes
from qianda.verify.trust import Trust
from tests.ofd.identities import Identities
from tests.ofd.plain import plain_ofd
from tests.running import Running, running_hub
from tests.sealing.clients import granted_client
from tests.sealing.parts import pages
from tests.web.staff_visit import add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEEPER = Actor("test", EVERYTHING)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with running_hub(configured={"seal_files": {"children": 1}}) as hub:
        yield hub


async def configured(running: Running) -> Seal:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await get_configured_seal(running.hub.services, tx)


async def test_pdf_and_ofd_in_one_job(running: Running) -> None:
    seal = await configured(running)
    await make_sm2_seal(running.hub.services, KEEPER, seal.id)
    client = await granted_client(running)
    files = {"a.ofd": plain_ofd(), "b.pdf": pages("a"), "broken.ofd": plain_ofd()[:900]}
    _, job = await client.upload(files, "page:1,150,240", level="lasting")
    ended = await client.ended(job["id"])
    assert (ended["sealed"], ended["failed"]) == (2, 1)
    _, sealed = await client.get(f"{job['id']}/items/1/file")
    trust = Trust.load([running.hub.settings.data / "trust"])
    report = verify_bytes(sealed, trust)
    assert not report.failed, report
    _, job = await client.upload({"once more.ofd": sealed, "words.ofd": plain_ofd()}, "page:1,60,60")
    assert (await client.ended(job["id"]))["sealed"] == 2
    _, twice = await client.get(f"{job['id']}/items/1/file")
    assert not verify_bytes(twice, trust).failed
    _, job = await client.upload({"a.ofd": plain_ofd()}, "keyword:Payment")
    await client.ended(job["id"])
    assert [item["fault"] for item in await client.items(job["id"])] == ["not-for-ofd"]


async def test_software_key_is_encrypted_and_called_a_software_key(running: Running) -> None:
    seal = await configured(running)
    made = await make_sm2_seal(running.hub.services, KEEPER, seal.id)
    assert (made.key_place, made.custody) == (Sm2KeyPlace.SOFTWARE, "school-software")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.sm2_seals.get(seal.id) == made
        row = (await tx.connection.execute(text("SELECT * FROM seal_sm2"))).one()
    assert made.private_key and all(
        made.private_key not in bytes(value) for value in row.values() if isinstance(value, bytes)
    )
    assert repr(made.private_key) not in repr(made)


async def test_what_a_seal_maker_made_is_not_replaced_unasked(running: Running) -> None:
    seal, who = await configured(running), await Identities.make()
    made = await make_sm2_seal(running.hub.services, KEEPER, seal.id)
    again = await make_sm2_seal(running.hub.services, KEEPER, seal.id)  # one for trial is renewed
    assert again.encoded != made.encoded
    bought = replace(made, encoded=who.seal)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.sm2_seals.put(bought)
    with pytest.raises(BadInput) as refused:
        await make_sm2_seal(running.hub.services, KEEPER, seal.id)
    assert refused.value.field == "replace"
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.sm2_seals.get(seal.id) == bought
    await make_sm2_seal(running.hub.services, KEEPER, seal.id, replaces=True)


async def test_console_makes_an_sm2_side_and_lists_the_keys(running: Running) -> None:
    seal, who = await configured(running), await Identities.make()
    await add_staff(running, "sm2-keeper", "hq", role=StaffRole.SEAL_KEEPER)
    console, page = await console_of(running, "sm2-keeper"), f"/staff/seals/{seal.id}/sm2"
    made = await make_sm2_seal(running.hub.services, KEEPER, seal.id)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.sm2_seals.put(replace(made, encoded=who.seal))
    assert "A seal maker made it." in (await console.get(page)).words
    refused = await console.post(page, {})
    assert refused.status == 422 and "--replace" in refused.words
    installed = await console.post(f"{page}/install", {"token_key": "unknown"})
    assert installed.status in (422, 503) and "Install" in installed.words
    assert (await console.post(page, {"replace": "yes"})).status == 303
    assert "It is for trial: nobody outside trusts it." in (await console.get(page)).words
    keys = (await console.get("/staff/seals")).words
    assert f"{made.key_label} a software key, in the database {seal.name} OFD (SM2)" in keys
    lines = await describe_seal_keys(running.hub.services, EVERYTHING)
    assert [line.split("  ")[:4] for line in lines if seal.name in line] == [
        [seal.key_label, f"on {running.hub.settings.token.label}", seal.name, "PDF"],
        [made.key_label, "a software key", seal.name, "OFD (SM2)"],
    ]


async def test_metrics_say_when_an_sm2_side_ends(running: Running) -> None:
    seal = await configured(running)
    made = await make_sm2_seal(running.hub.services, KEEPER, seal.id)
    (line,) = [line for line in (await render_hub_metrics(running.hub)).decode().splitlines() if "(SM2)" in line]
    assert line.startswith(f'qianda_certificate_end_timestamp_seconds{{certificate="seal {seal.name} (SM2)"}} ')
    assert float(line.rpartition(" ")[2]) == made.ends_at.timestamp()


async def test_expired_sm2_certificate_seals_no_ofd(running: Running) -> None:
    seal = await configured(running)
    made = await make_sm2_seal(running.hub.services, KEEPER, seal.id)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.sm2_seals.put(replace(made, ends_at=tx.now - timedelta(seconds=1)))
    client = await granted_client(running)
    _, job = await client.upload({"a.ofd": plain_ofd(), "b.pdf": pages("b")}, "page:1,60,60")
    ended = await client.ended(job["id"])
    assert (ended["sealed"], ended["failed"]) == (1, 1)
    assert {item["fault"] for item in await client.items(job["id"])} == {None, "ofd-seal-expired"}
