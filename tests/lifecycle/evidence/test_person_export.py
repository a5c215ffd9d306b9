"""What a person is given of their data, and that they can prove with it what a record is about."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import zipfile
from itertools import chain

import pytest

from hub.lifecycle.evidence.person import export_person
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.evidence.test_person import CHILD, FATHER, MOTHER, WROTE, about, family
from tests.lifecycle.people import MOTHER_ID, MOTHER_PHONE
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, MINOR_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_export_has_the_persons_own_data_and_nobody_elses() -> None:
    async with quiet_hub() as running:
        done, _ = await family(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            signer = (await tx.cases.get(done.id)).parties[0].signer.id
            said = {"signer": str(signer), "reason": "what somebody else wrote about the signer"}
            await tx.record.append(done.id, done.campus, "noted", "staff:test", said)
        with zipfile.ZipFile(io.BytesIO(await export_person(running.hub.services, about(GUARDIAN_ID)))) as archive:
            text = archive.read("person.json").decode()
            final = archive.read(f"contracts/{done.number}.pdf")
            assert len(archive.namelist()) == 3
        for own in (FATHER, GUARDIAN_ID, GUARDIAN_PHONE, WROTE):
            assert own in text
        for foreign in (MOTHER, MOTHER_ID, MOTHER_PHONE, MINOR_ID, CHILD):
            assert foreign not in text
        given = json.loads(text)
        assert given["contracts"][0]["number"] == done.number
        async with running.hub.database.transaction(EVERYTHING) as tx:
            record = json.dumps([entry.facts for entry in await tx.record.list_entries(done.id)])
        openings = {each["name"]: each for each in given["commitments"][done.number]}
        assert {"name", "phone", "id_number"} <= openings.keys()
        for each in chain.from_iterable(given["commitments"].values()):
            proof = hmac.new(bytes.fromhex(each["salt"]), each["value"].encode(), hashlib.sha256).hexdigest()
            assert proof == each["commitment"]
        assert openings["name"]["value"] == FATHER and openings["name"]["commitment"] in record
        assert final.startswith(b"%PDF") and b"guardian-1" in final
