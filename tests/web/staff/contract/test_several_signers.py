"""Contracts with several signers, made by staff and by other systems, and the contract page's part about keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from hub.model.contract.signer import Role, Signer
from hub.model.staff.scope import EVERYTHING
from qianda.holder import SoftwareKey
from tests.lent_hubs import lent_hub
from tests.lifecycle.people import HEAD_ID, HEAD_PHONE, MOTHER_ID, MOTHER_PHONE
from tests.running import ADULT_ID, Running
from tests.web.api.test_api_contracts import CONTRACTS, Api, asked
from tests.web.signer_visits import verified
from tests.web.staff_visit import ISSUE_FORM, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEAD = {"campus": "hq", "name": "顾远舟", "phone": HEAD_PHONE, "id_number": HEAD_ID}
MORE = {
    "guardian2_name": "周文静",
    "guardian2_relation": "母亲",
    "guardian2_id_type": "cn-id",
    "guardian2_id_number": MOTHER_ID,
    "guardian2_phone": MOTHER_PHONE,
    "student_signs": "yes",
    "student_phone": "+8619000000105",
    "turns": "in-order",
    "representative": "yes",
}
OTHER = {
    "name": "周文静",
    "relation": "母亲",
    "id_type": "cn-id",
    "id_number": MOTHER_ID,
    "phone": MOTHER_PHONE,
    "language": "zh",
}


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(configured={"representatives": [HEAD]}) as hub:
        yield hub


async def signers_of(running: Running, contract: str) -> list[Signer]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.contracts.list_signers(UUID(contract))


async def test_a_clerk_issues_for_both_guardians_the_student_and_the_school(running: Running) -> None:
    console = await console_of(running)
    assert "The school's representative signs as well" in (await console.get("/staff/issue")).words
    wrong = await console.post("/staff/issue", ISSUE_FORM | MORE | {"guardian2_phone": "12"})
    assert wrong.status == 422 and 'value="周文静"' in wrong.text and "<details open>" in wrong.text
    made = await console.post("/staff/issue", ISSUE_FORM | MORE)
    people = await signers_of(running, made.location.split("/")[-1].partition("?")[0])
    assert [(each.role.value, each.name, each.order, each.relation) for each in people] == [
        ("guardian", "陈建国", 1, "父亲"),
        ("guardian", "周文静", 2, "母亲"),
        ("student", "陈小满", 3, None),
        ("representative", "顾远舟", 4, None),
    ]
    assert {each.channels for each in people} == {("sms",)}
    alone = await console.post("/staff/issue", ISSUE_FORM)
    assert len(await signers_of(running, alone.location.split("/")[-1].partition("?")[0])) == 1


async def test_whoever_has_an_email_address_is_reached_by_it_if_not_by_sms(running: Running) -> None:
    console = await console_of(running)
    mails = {"email": " chen@school.example ", "guardian2_email": "", "student_email": "xm@school.example"}
    made = await console.post("/staff/issue", ISSUE_FORM | MORE | mails)
    people = await signers_of(running, made.location.split("/")[-1].partition("?")[0])
    assert [(each.email, each.channels) for each in people[:3]] == [
        ("chen@school.example", ("sms", "email")),
        (None, ("sms",)),
        ("xm@school.example", ("sms", "email")),
    ]
    adult = {"student_id_number": ADULT_ID, "guardian_name": "", "email": "li@school.example"}
    alone = await console.post("/staff/issue", ISSUE_FORM | adult)
    (student,) = await signers_of(running, alone.location.split("/")[-1].partition("?")[0])
    assert (student.role, student.email) == (Role.STUDENT, "li@school.example")
    wrong = await console.post("/staff/issue", ISSUE_FORM | {"email": "chen"})
    assert wrong.status == 422 and "this is not an e-mail address" in wrong.words


async def test_a_clerk_puts_another_person_in_a_signers_place(running: Running) -> None:
    contract = await running.issue_minor(send="none")
    console, (leaving,) = await console_of(running), await signers_of(running, str(contract.id))
    page = f"/staff/contracts/{contract.id}"
    assert "Somebody else signs instead" in (await console.get(page)).words
    assert (await console.post(f"{page}/replace/{leaving.id}", OTHER | {"phone": "12"})).status == 422
    done = await console.post(f"{page}/replace/{leaving.id}", OTHER)
    assert done.status == 303 and done.location.endswith("?said=replaced")
    fresh = await console.get(done.location)
    assert "周文静" in fresh.words and "the other person" in fresh.words
    assert (await console.get(page)).text.count(done.location.partition("?")[0]) == 1
    assert "Somebody else signs instead" not in (await console.get(page)).words


async def test_another_system_says_who_signs_the_new_contract(running: Running) -> None:
    api = Api(running, running.api_key)
    status, old, _ = await api("POST", CONTRACTS, asked(representative=True))
    assert status == 201 and [each["role"] for each in old["signers"]] == ["guardian", "representative"]
    path = f"{CONTRACTS}/{old['id']}/reissue"
    mother = {"role": "guardian", "name": "周文静", "phone": MOTHER_PHONE, "id_number": MOTHER_ID, "relation": "母亲"}
    status, problem, _ = await api("POST", path, {"signers": [mother | {"phone": "12"}]})
    assert (status, problem["field"]) == (422, "signers[0].phone")
    status, new, _ = await api("POST", path, {"signers": [mother]})
    assert status == 201
    after = (await api("GET", f"{CONTRACTS}/{new['id']}"))[1]
    assert ([each["name"] for each in after["signers"]], after["replaces"]) == (["周文静", "顾远舟"], old["id"])


async def test_custody_claimed_and_proved_on_the_page_and_in_the_api(running: Running) -> None:
    class Claims(SoftwareKey):
        custody = "usb-token"

    contract = await running.issue_minor()
    api = Api(running, running.api_key)

    async def custody() -> Any:
        return (await api("GET", f"{CONTRACTS}/{contract.id}"))[1]["signers"][0]["custody"]

    assert await custody() is None
    async with verified(running, contract) as client:
        await client.sign(Claims())
    assert await custody() == {"proved": "software", "claimed": "usb-token"}
    console = await console_of(running)
    words = (await console.get(f"/staff/contracts/{contract.id}")).words
    assert "Key held by the signer; where, is not proved · claimed: on a USB token" in words
    assert "signature accepted (key: held by the signer; where, is not proved; claimed: on a USB token)" in words
    chinese = (await (await console_of(running, language="zh")).get(f"/staff/contracts/{contract.id}")).words
    assert "签署人自持，存放之处未经证明 · 自称：在 USB Key 中" in chinese
    assert "（密钥：签署人自持，存放之处未经证明；自称：在 USB Key 中）" in chinese
