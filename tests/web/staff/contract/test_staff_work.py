"""A day at the desk: the board, issuing, one contract, its links, tasks."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from hub.doctor.records import examine_records
from hub.lifecycle.school.import_roster import load_roster
from hub.lifecycle.school.issue_enrolments import issue_enrolments
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.signing.entry.open_link import open_ticket
from hub.model.contract.contract import Contract
from hub.model.signing.link import DoorKind
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED
from hub.web.staff.school import enrolments
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signer import completed, person, record_of, signed, tasks_of
from tests.running import ADULT_ID, GUARDIAN_ID, MINOR_ID, Running, minor_with_guardian, running_hub, until
from tests.web.staff_visit import ISSUE_FORM, ConsoleBrowser, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


# ---- the board


async def test_an_empty_board_says_how_to_begin() -> None:
    async with running_hub(with_worker=False) as hub:
        page = await (await console_of(hub)).get("/staff")
        assert page.status == 200 and "Begin by importing a roster" in page.words


async def test_a_row_says_what_happened_last_and_what_comes_next(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    while await running.worker.due_steps.sweep():
        pass
    words = (await console.get("/staff")).words
    assert contract.number in words and "陈小满" in words
    assert re.search(r"text message delivered (today|yesterday) \d\d:\d\d", words)
    assert re.search(r"reminder \(1\) (tomorrow|\d+ \w+( \d{4})?) \d\d:\d\d", words)
    assert "Times are those of the campus (UTC+8)" in words


async def test_the_numbers_are_links_to_what_they_count(running: Running, console: ConsoleBrowser) -> None:
    await running.issue_minor()

    async def number_and_rows_agree() -> bool:  # a number that took long to count is kept for a while
        page = await console.get("/staff")
        (count,) = re.findall(r'href="(/staff\?view=pending)"[^>]*>to be signed <b>([\d,]+)</b>', page.text)
        shown = await console.get(count[0])
        rows = shown.text.count('class="row"')
        return rows > 0 and rows == min(int(count[1]), 30)

    await until(number_and_rows_agree)
    assert "No contract matches" in (await console.get("/staff?view=stuck")).words


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wanted(running: Running) -> Contract:
    """Return a contract with a guardian whom nobody else is called like."""
    guardian = replace(minor_with_guardian().signers[0], name="王寻寻", phone="+8619000000177", id_number=ADULT_ID)
    return await running.issue_minor(signers=(guardian,))


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("王寻寻", True),
        ("寻", True),
        ("0177", True),
        ("+8619000000177", True),
        (ADULT_ID[-4:], True),
        ("nobody", False),
        ("%", False),
        ("0178", False),
    ],
)
async def test_people_are_found(wanted: Contract, console: ConsoleBrowser, search: str, found: bool) -> None:
    page = await console.get(f"/staff?q={quote(search)}")
    assert page.status == 200 and (wanted.number in page.text) == found
    led_on = f'href="/staff/enrolments?state=all&amp;q={quote(search)}"' in page.text
    assert led_on != found, "who has no contract yet may have an enrolment"


async def test_filters_and_pages_hold_together(running: Running, console: ConsoleBrowser) -> None:
    for _ in range(2):
        await running.issue_minor(course="english-b")
    page = await console.get("/staff?campus=hefei&course=english-b&state=ISSUED")
    assert page.text.count('class="row"') == 2
    assert (await console.get("/staff?age=30")).text.count('class="row"') == 0
    assert (await console.get("/staff?state=NONE")).status == 422
    assert (await console.get("/staff?cursor=none")).status == 422
    assert "<html" not in (await console.get("/staff?part=live")).text


async def test_the_console_speaks_chinese(running: Running) -> None:
    console = await console_of(running, language="zh")
    contract = await running.issue_minor()
    for path in (
        "/staff",
        "/staff/enrolments",
        "/staff/issue",
        "/staff/import",
        "/staff/tasks",
        f"/staff/contracts/{contract.id}",
        f"/staff/contracts/{contract.id}/void",
    ):
        words = re.sub(
            r"Qianda|English|SHA-256|UTC|xlsx|xls|ods|MB|QD|App|PNG|SVG|demo|Demo|min|DEMO",
            "",
            (await console.get(path)).words,
        )
        words = re.sub(r"[a-z]+-[a-z0-9]+|[0-9a-f]{64}|\b(hefei|beijing|guangzhou|xiangtan|go)\b", "", words)
        assert not re.search(r"[A-Za-z]{3,} [A-Za-z]{3,}", words), (path, re.findall(r"[A-Za-z ]{8,}", words))


# ---- issuing


async def test_many_are_issued_after_a_preview(running: Running, console: ConsoleBrowser) -> None:
    data = (PACKED / "demo" / "seeds" / "roster.xlsx").read_bytes()
    await load_roster(running.hub.database, running.hub.services.clock, data, EVERYTHING)
    page = await console.get("/staff/enrolments")
    ids = re.findall(r'name="enrolment" value="([0-9a-f-]{36})"', page.text)
    assert len(ids) == enrolments.PAGE and not re.search(r"\b1[3-9]\d{9}\b", page.words)
    chosen = ids[:6]
    preview = await console.post("/staff/enrolments/preview", [("enrolment", each) for each in chosen])
    assert "6 contracts will be drawn" in preview.words
    form = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', preview.text)
    begun = [await console.post("/staff/enrolments/issue", [*form, ("send", "policy")]) for _ in range(2)]
    assert begun[0].status == 303 and begun[0].location == begun[1].location, "a second click is the same act"
    assert "Issuing: 0 of 6" in (await console.get(begun[0].location)).words
    assert "Being issued: 0 of 6" in (await console.get("/staff/enrolments")).words
    act = UUID(begun[0].location.rpartition("/")[2])
    assert not await issue_enrolments(running.hub.services, act)
    done = (await console.get(f"{begun[0].location}?part=live")).words
    assert "Done with all 6 6 issued now" in done
    left = re.findall(r'name="enrolment" value="([0-9a-f-]{36})"', (await console.get("/staff/enrolments")).text)
    assert not set(chosen) & set(left)
    again = await console.post("/staff/enrolments/preview", [("enrolment", each) for each in chosen])
    assert "have a contract already" in again.words


async def test_what_cannot_be_issued_is_not_begun(running: Running, console: ConsoleBrowser) -> None:
    for unknown in (str(uuid4()), "none"):
        form = [("enrolment", unknown), ("act", str(uuid4()))]
        assert (await console.post("/staff/enrolments/issue", form)).status == 404
    assert (await console.post("/staff/enrolments/issue", {"act": str(uuid4())})).status == 422
    assert (await console.post("/staff/enrolments/issue", {})).status == 404, (
        "without a key two clicks would be two acts"
    )
    assert (await console.post("/staff/enrolments/preview", [])).status == 422
    assert (await console.get(f"/staff/issued/{uuid4()}")).status == 404


async def test_one_is_issued_by_hand(running: Running, console: ConsoleBrowser) -> None:
    wrong = await console.post("/staff/issue", ISSUE_FORM | {"phone": "123"})
    assert wrong.status == 422 and 'value="陈建国"' in wrong.text and "mobile number" in wrong.words
    missing = await console.post("/staff/issue", ISSUE_FORM | {"guardian_name": ""})
    assert missing.status == 422 and "a guardian has to sign" in missing.words
    page = await console.post("/staff/issue", ISSUE_FORM)
    assert page.status == 303 and page.location.endswith("?said=issued")
    assert "The contract is issued." in (await console.get(page.location)).words


# ---- one contract


async def test_a_contract_is_shown_with_masks_and_the_look_is_recorded_once(
    running: Running, console: ConsoleBrowser
) -> None:
    contract = await running.issue_minor()
    for _ in range(2):
        page = await console.get(f"/staff/contracts/{contract.id}")
    assert page.status == 200 and "陈建国" in page.words and "+86 190****0101" in page.words
    assert GUARDIAN_ID not in page.text and MINOR_ID not in page.text and "19000000101" not in page.text
    assert "The chain of the record is intact." in page.words and contract.document_sha256 in page.text
    async with running.hub.database.transaction(EVERYTHING) as tx:
        kinds = [entry.kind for entry in await tx.record.list_entries(contract.id)]
    assert kinds.count("viewed-by-staff") == 1


async def test_acting_on_a_contract(running: Running, console: ConsoleBrowser) -> None:
    guardian = replace(minor_with_guardian().signers[0], name="刘远", id_number=ADULT_ID, phone="+8619000000188")
    contract = await running.issue_minor(signers=(guardian,))
    path = f"/staff/contracts/{contract.id}"
    assert (await console.post(f"{path}/remind")).location == f"{path}?said=reminded"
    soon = await console.post(f"{path}/remind")
    assert soon.status == 429 and re.search(r"Possible again from (today|tomorrow) \d\d:\d\d", soon.words)
    assert (await console.post(f"{path}/extend", {"deadline": "2020-01-01"})).status == 422
    assert (await console.post(f"{path}/extend", {"deadline": "soon"})).status == 422
    day = (running.clock() + timedelta(days=90)).date().isoformat()
    assert (await console.post(f"{path}/extend", {"deadline": day})).location == f"{path}?said=extended"
    assert "cannot be undone" in (await console.get(f"{path}/void")).words
    assert (await console.post(f"{path}/void", {"reason": " "})).status == 422
    page = await console.post(f"{path}/reissue")
    fresh = page.location.partition("?")[0]
    assert fresh != path and f'href="{path}"' in (await console.get(fresh)).text
    assert f'href="{fresh}"' in (await console.get(path)).text
    assert (await console.post(f"{fresh}/void", {"reason": "Wrong course"})).location == f"{fresh}?said=voided"
    assert "Wrong course" in (await console.get(fresh)).words
    assert (await console.post(f"{fresh}/void", {"reason": "again"})).status == 303


async def test_who_has_signed_already_is_said_before_a_contract_ends(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor(signers=two_guardians(1, 2), send="none")
    path = f"/staff/contracts/{contract.id}"
    assert "Signed already" not in (await console.get(f"{path}/void")).words
    await signed(running, contract)
    await advance(running.hub.services, contract.id)
    withdrawing, on_paper = [(await console.get(f"{path}/{act}")).words for act in ("void", "paper")]
    assert "Signed already: 陈建国. Their signatures have no effect then." in withdrawing
    assert "Signed already: 陈建国." in on_paper and "no effect" not in on_paper


async def test_a_contract_that_was_signed_on_paper_ends_here(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    guardian = await person(running, contract)
    path = f"/staff/contracts/{contract.id}"
    assert f'href="{path}/paper"' in (await console.get(path)).text
    assert "cannot be undone" in (await console.get(f"{path}/paper")).words
    assert (await console.post(f"{path}/paper", {"note": " "})).status == 422
    for _ in range(2):  # the second time nothing changes
        assert (await console.post(f"{path}/paper", {"note": "Folder 7"})).location == f"{path}?said=paper"
    page = (await console.get(path)).words
    assert "Where the paper is: Folder 7" in page and "signed on paper: “Folder 7”" in page
    assert await running.state(contract) == "SIGNED_ON_PAPER"
    assert (await record_of(running, contract)).count("signed-on-paper") == 1
    assert [(task.state.value, task.step) for task in await tasks_of(running, contract)] == [("CLOSED", None)]
    await guardian.land()
    assert f'href="{path}/paper"' not in (await console.get(path)).text
    assert (await console.post(f"{path}/reissue")).status == 409
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert [each.purpose for each in await tx.deliveries.list_of_contract(contract.id)] == []
    findings = [each async for each in examine_records(running.hub, lambda _: None)]
    assert not [each for each in findings if each.part == f"record of {contract.number}"]


async def test_nothing_is_signed_on_paper_while_a_signature_is_embedded_or_after_the_end(
    running: Running, console: ConsoleBrowser
) -> None:
    contract = await running.issue_minor()
    await signed(running, contract)
    refused = await console.post(f"/staff/contracts/{contract.id}/paper", {"note": "Folder 7"})
    assert refused.status == 409 and await running.state(contract) == "ISSUED"
    await completed(running, contract)
    assert (await console.post(f"/staff/contracts/{contract.id}/paper", {"note": "Folder 7"})).status == 409


async def test_links_lead_in_and_a_desk_code_is_new_each_time(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
    links = await console.get(f"/staff/contracts/{contract.id}/links/{signer.id}")
    ticket = await running.ticket(contract, DoorKind.COPY)
    assert f"{running.origin}/s/{ticket}" in links.text and "data:image/png;base64," in links.text
    codes = []
    for _ in range(2):
        page = await console.get(f"/staff/contracts/{contract.id}/desk/{signer.id}")
        assert "陈*国" in page.words and "陈建国" not in page.words
        codes += re.findall(r'class="short-code">([0-9A-Z-]+)<', page.text)
    assert len(set(codes)) == 2
    for code in codes:
        landed = await open_ticket(running.hub.services, code)
        assert landed.session.signer == signer.id
    assert (await console.get(f"/staff/contracts/{contract.id}/links/{uuid4()}")).status == 404


async def test_no_other_site_has_a_link_made(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()

    async def recorded() -> list[str]:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            return [each.kind for each in await tx.record.list_entries(contract.id)]

    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
    before = await recorded()
    for page in ("links", "desk"):
        path = f"/staff/contracts/{contract.id}/{page}/{signer.id}"
        for site in ("cross-site", "same-site"):
            assert (await console.get(path, site)).status == 403
        assert await recorded() == before
        for own in ("same-origin", "none", None):
            assert (await console.get(path, own)).status == 200
        assert await recorded() != before
        before = await recorded()


async def test_settling_a_question_lets_reminders_go_on(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
        (signing,) = await tx.tasks.list_of_contract(contract.id)
        await tx.tasks.pause(signing.id, True)
        asked = StaffTask(uuid4(), "question", "Which <room> is it?", "hefei", tx.now, contract.id, signer.id)
        await tx.staff_tasks.add_task(asked)
    page = await console.get("/staff/tasks")
    assert "Which &lt;room&gt; is it?" in page.text and "has a question" in page.words
    assert (await console.post(f"/staff/tasks/{asked.id}/done")).location == "/staff/tasks?said=done"
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert not (await tx.tasks.get(signing.id)).paused
    assert "Which &lt;room&gt;" not in (await console.get("/staff/tasks")).text


async def test_what_is_not_there_is_not_found(console: ConsoleBrowser) -> None:
    for path in (f"/staff/contracts/{uuid4()}", "/staff/contracts/none", f"/staff/contracts/{uuid4()}/final.pdf"):
        assert (await console.get(path)).status == 404
    assert (await console.post(f"/staff/tasks/{uuid4()}/done")).status in (303, 404)
    assert (await console.post("/staff/tasks/none/done")).status == 404


async def test_a_completed_contract_is_downloaded_at_the_desk_and_through_the_api(
    running: Running, console: ConsoleBrowser
) -> None:
    guardian = replace(minor_with_guardian().signers[0], name="方启明", id_number=ADULT_ID, phone="+8619000000166")
    contract = await running.issue_minor(signers=(guardian,))
    assert (await console.get(f"/staff/contracts/{contract.id}/final.pdf")).status == 404
    await signed(running, contract)
    final = await completed(running, contract)
    page = await console.get(f"/staff/contracts/{contract.id}")
    assert "Download the completed contract" in page.words and sha256(final).hexdigest() in page.text
    addresses = (f"/staff/contracts/{contract.id}/final.pdf", f"/api/v1/contracts/{contract.id}/final.pdf")
    for address in addresses:
        headers = {"Cookie": f"__Host-qianda-staff={console.cookie}", "Authorization": f"Bearer {running.api_key}"}
        async with running.http.get(running.origin + address, headers=headers) as answer:
            assert (answer.status, answer.content_type) == (200, "application/pdf")
            assert f'filename="{contract.number}.pdf"' in answer.headers["Content-Disposition"]
            assert await answer.read() == final
    assert (await console.post(f"/staff/contracts/{contract.id}/reissue")).status == 409
