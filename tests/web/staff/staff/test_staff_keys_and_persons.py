"""API keys and what is kept about a person, by the pages of the console."""

from __future__ import annotations

import io
import json
import re
import zipfile
from uuid import UUID, uuid4

import pytest

from hub.lifecycle.evidence.ask_erasure import carry_out_erasures, list_erasures
from hub.lifecycle.evidence.hold import lift_hold, place_hold
from hub.model.evidence.record import RecordEntry
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Database
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, QUICK, Running
from tests.web.staff_visit import ConsoleBrowser, Page, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = {"id_number": GUARDIAN_ID, "phone": "", "name": "", "reason": f"asked at the desk, {GUARDIAN_PHONE}"}


async def console(running: Running, role: StaffRole = StaffRole.OWNER, campus: str = "hq") -> ConsoleBrowser:
    login = f"staff-{uuid4().hex[:8]}"
    await add_staff(running, login, campus, QUICK, role)
    return await console_of(running, login)


async def last_acts(running: Running, count: int) -> list[RecordEntry]:
    return (await running.school_record())[-count:]


async def asks(running: Running, secret: str) -> int:
    headers = {"Authorization": f"Bearer {secret}"}
    async with running.http.get(f"{running.origin}/api/v1/contracts", headers=headers) as answer:
        return answer.status


def secret_in(page: Page) -> str:
    found = re.search('<code class="key-secret">(qdk_[A-Za-z0-9_-]+)</code>', page.text)
    assert found, page.words
    return found[1]


async def test_a_key_is_added_renewed_and_revoked(running: Running) -> None:
    owner, name = await console(running), f"system-{uuid4().hex[:6]}"
    form = [("name", name), ("campus", "hefei"), ("scope", "read"), ("expires", "2999-01-01")]
    first = secret_in(await owner.post("/staff/keys", form))
    assert await asks(running, first) == 200
    shown = await owner.get("/staff/keys")
    assert name in shown.text and first not in shown.text
    second = secret_in(await owner.post("/staff/keys/rotate", {"name": name}))
    assert (await asks(running, first), await asks(running, second)) == (200, 200)
    assert "The former secret is still valid." in (await owner.get("/staff/keys")).words
    refused = await owner.post("/staff/keys/rotate", {"name": name})
    assert refused.status == 422 and "is being rotated" in refused.words
    shown = await owner.post("/staff/keys/rotate", {"name": name, "overlap": "0"})
    assert "Every former secret is refused from now on." in shown.words and "more days" not in shown.words
    third = secret_in(shown)
    assert [await asks(running, each) for each in (first, second, third)] == [401, 401, 200]
    assert (await owner.post("/staff/keys/revoke", {"name": name})).location == "/staff/keys?said=key-revoked"
    assert await asks(running, third) == 401
    owner.language = "zh"
    listed = (await owner.get("/staff/keys")).words
    assert f"{name} · 已吊销" in listed and "作废" not in listed, "one word for one act"
    acts = await last_acts(running, 6)
    assert [each.kind for each in acts] == ["key-added"] * 3 + ["key-revoked"] * 3
    assert all(each.actor.startswith("staff:") and each.facts["campus"] == "hefei" for each in acts)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ([("name", "a b"), ("campus", "hq"), ("scope", "read")], "has to be letters"),
        ([("name", "system"), ("campus", "hq")], "at least one scope"),
        ([("name", "system"), ("campus", "hq"), ("scope", "everything")], "at least one scope"),
        ([("name", "system"), ("campus", "nowhere"), ("scope", "read")], "there is no campus nowhere"),
        ([("name", "system"), ("campus", "hq"), ("scope", "read"), ("expires", "2020-01-01")], "has passed"),
        ([("name", "system"), ("campus", "hq"), ("scope", "read"), ("expires", "soon")], "a date like 2026-12-31"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(
    running: Running, changed: list[tuple[str, str]], words: str
) -> None:
    refused = await (await console(running)).post("/staff/keys", changed)
    assert refused.status == 422 and words in refused.words and "qdk_" not in refused.text


async def test_a_person_is_looked_up_and_gets_a_copy(running: Running) -> None:
    contract = await running.issue_minor()
    legal = await console(running, StaffRole.LEGAL)
    found = await legal.post("/staff/persons", ASKED)
    assert found.status == 200 and contract.number in found.words and "enrolments" not in found.headers
    assert GUARDIAN_PHONE[3:] not in found.words  # masked; what was asked for stands in the form alone
    page = await legal.post("/staff/persons/export", ASKED)
    assert page.headers["Content-Disposition"] == 'attachment; filename="person.zip"'
    (act,) = await last_acts(running, 1)
    assert act.kind == "person-exported" and act.actor.startswith("staff:")
    assert GUARDIAN_PHONE not in json.dumps(act.facts)


async def test_the_copy_holds_what_is_kept(running: Running) -> None:
    contract = await running.issue_minor()
    legal = await console(running, StaffRole.LEGAL)
    headers = {"Cookie": f"__Host-qianda-staff={legal.cookie}", "Origin": running.origin}
    url = f"{running.origin}/staff/persons/export"
    async with running.http.post(url, data=ASKED, headers=headers) as answer:
        archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
    person = json.loads(archive.read("person.json"))
    assert person["person"]["id_number"] == GUARDIAN_ID
    assert contract.number in {each["number"] for each in person["contracts"]}


async def test_only_who_may_use_a_seal_gives_a_key_for_seals(running: Running) -> None:
    head, owner, name = (
        await console(running, StaffRole.HEADQUARTERS),
        await console(running),
        f"seal-{uuid4().hex[:6]}",
    )
    for scope in ("seal", "manage-seals"):
        form = [("name", name), ("campus", "hefei"), ("scope", scope)]
        refused = await head.post("/staff/keys", form)
        assert refused.status == 422 and "only somebody who may use the seal" in refused.words
    assert f'value="{scope}"' not in (await head.get("/staff/keys")).text
    secret_in(await owner.post("/staff/keys", form))
    assert f"{name} Hefei campus manages seals" in (await head.get("/staff/keys")).words
    refused = await head.post("/staff/keys/rotate", {"name": name})
    assert refused.status == 422 and "only somebody who may use the seal" in refused.words


async def test_what_an_erasure_would_do_changes_nothing_and_is_a_look_in_the_record(running: Running) -> None:
    contract = await running.issue_minor()
    legal = await console(running, StaffRole.LEGAL)
    before = await last_acts(running, 1)
    shown = await legal.post("/staff/persons/erasure", ASKED)
    assert f"{contract.number}: it is in progress" in shown.words and "Nothing was changed yet" in shown.words
    earlier, look = await last_acts(running, 2)
    assert (look.kind, [earlier]) == ("person-found", before)
    legal.language = "zh"
    assert "尚在进行中" in (await legal.post("/staff/persons/erasure", ASKED)).words


async def test_a_hold_is_named_by_who_placed_it_where_an_erasure_is_planned(running: Running) -> None:
    by_staff, by_command = await running.issue_minor(), await running.issue_minor()
    legal = await console(running, StaffRole.LEGAL)
    await legal.post("/staff/holds", {"number": by_staff.number, "reason": "court", "until": "2999-01-01"})
    await place_hold(running.hub.services, EVERYTHING, by_command.id, ("court", None), COMMAND_LINE.actor)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        held = (await tx.holds.list_of([by_staff.id], tx.now))[by_staff.id]
        name = (await tx.accounts.get_names([UUID(held.placed_by.removeprefix("staff:"))])).popitem()[1]
    for language, person, command in (
        ("en", f"it is held until 2999-01-01, by {name}: court", "lifts it, by a command on the server:"),
        ("zh", f"该合同已由 {name} 留存至 2999-01-01", "该合同已由 服务器命令 留存"),
    ):
        legal.language = language
        shown = (await legal.post("/staff/persons/erasure", ASKED)).words
        assert person in shown and command in shown and "staff:" not in shown
    for contract in (by_staff, by_command):
        await lift_hold(running.hub.services, EVERYTHING, contract.id, "settled", COMMAND_LINE.actor)


async def test_nobody_is_found_without_a_reason_or_at_another_campus(running: Running) -> None:
    await running.issue_minor()
    legal = await console(running, StaffRole.LEGAL)
    for wrong, words in (({"reason": " "}, "a reason is needed"), ({"id_number": "1"}, "not a valid number")):
        refused = await legal.post("/staff/persons", ASKED | wrong)
        assert refused.status == 422 and words in refused.words
    foreign = await console(running, StaffRole.LEGAL, "beijing")
    assert "Nobody matches." in (await foreign.post("/staff/persons", ASKED)).words
    assert (await foreign.post("/staff/persons/export", ASKED)).status == 404


async def test_an_erasure_takes_two_people_and_the_owner_of_the_database(running: Running) -> None:
    contract = await running.issue_minor()
    first, second = await console(running, StaffRole.LEGAL), await console(running, StaffRole.LEGAL)
    foreign = await console(running, StaffRole.LEGAL, "beijing")
    services, database = running.hub.services, running.hub.database
    assert (await first.post("/staff/persons/requests", ASKED)).location.endswith("?said=erasure-asked")
    (request,) = await list_erasures(services, EVERYTHING)
    confirm = f"/staff/persons/requests/{request.id}/confirm"
    shown = await second.get("/staff/persons")
    assert request.masked in shown.words and GUARDIAN_ID not in shown.text
    refused = await first.post(confirm)
    assert refused.status == 403 and "Somebody else has to confirm" in refused.words
    assert request.masked not in (await foreign.get("/staff/persons")).words
    assert (await foreign.post(confirm)).status == 404
    owner = Database(database.dsn.replace("//app@", "//owner@"), database.keys, database.clock, pool_size=2)
    try:
        assert await carry_out_erasures(services, owner) == []  # it waits
        assert (await second.post(confirm)).location.endswith("?said=erasure-confirmed")
        assert (await second.post(confirm)).status == 404
        (carried,) = await carry_out_erasures(services, owner)
        assert carried.done is not None and contract.number in carried.done.kept  # it is in progress
        assert await carry_out_erasures(services, owner) == []
    finally:
        await owner.close()
    asked, confirmed, erased = await last_acts(running, 3)
    kinds = ["person-erasure-asked", "person-erasure-confirmed", "person-erased"]
    assert [each.kind for each in (asked, confirmed, erased)] == kinds
    assert asked.actor != confirmed.actor == erased.actor and GUARDIAN_PHONE not in json.dumps(asked.facts)


async def test_whoever_asked_may_drop_a_request(running: Running) -> None:
    await running.issue_minor()
    legal = await console(running, StaffRole.LEGAL)
    await legal.post("/staff/persons/requests", ASKED)
    request = (await list_erasures(running.hub.services, EVERYTHING))[-1]
    assert (await legal.post(f"/staff/persons/requests/{request.id}/turn-down")).status == 303
    assert request not in await list_erasures(running.hub.services, EVERYTHING)
