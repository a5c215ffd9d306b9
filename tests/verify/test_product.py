"""`qianda verify` on what the product makes: real pages, stamps, a guardian, a representative and the seal."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.signing import sign
from qianda.update import check_update
from qianda.verify.pdf.structure import check_finished
from tests.commands import verify_command
from tests.lifecycle.clockwork import quiet_hub, round_of_work
from tests.lifecycle.people import father, head
from tests.lifecycle.signer import completed, person
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIELDS = ("guardian-1", "representative-1", "seal")


async def signed_by_all(running: Running) -> bytes:
    contract = await running.issue_minor(signers=(father(), head()))
    await round_of_work(running)
    for number in (0, 1):
        somebody = await person(running, contract, number)
        await somebody.enter()
        await somebody.certify()
        shown = await somebody.shown()
        request = await somebody.prepare(shown)
        prepared = await sign.prepared_file(running.hub.services, somebody.secret, request.id)
        await asyncio.to_thread(check_update, shown, prepared)
        await somebody.accept(request)
        if number == 0:
            await advance(running.hub.services, contract.id)
            await round_of_work(running)
    return await completed(running, contract)


async def test_a_contract_of_the_product_passes_and_an_altered_one_does_not(tmp_path: Path) -> None:
    file = tmp_path / "contract.pdf"
    async with quiet_hub() as running:
        final = await signed_by_all(running)
        file.write_bytes(final)
        done = await asyncio.to_thread(verify_command, file, running.hub.settings.data)
        file.write_bytes(final.replace(b"/MediaBox", b"/mediaBox", 1))
        altered = await asyncio.to_thread(verify_command, file, running.hub.settings.data)
    assert check_finished(final, FIELDS) == []
    said = json.loads(done.stdout)
    assert (done.returncode, said["failed"]) == (0, False), done.stdout + done.stderr
    assert [party["field"] for party in said["parties"]] == list(FIELDS)
    assert {answer["word"] for answer in said["elements"].values()} == {"shown", "declared", "not shown"}
    assert altered.returncode == 1
