"""Contract templates and messages at the desk: written, looked at, submitted, approved by another, and in force."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from hub.documents.contract.template_texts import list_fixed, list_texts
from hub.errors import BadInput
from hub.lifecycle.reminders.escalate import assign_task
from hub.lifecycle.school.apply_school import apply_school
from hub.lifecycle.school.edit_texts import TextPlace, begin_text, check_text, find_file_text
from hub.lifecycle.sealing.seals.contract_seal import get_configured_seal
from hub.lifecycle.signing.sign import consent_for
from hub.model.contract.contract import Contract
from hub.model.messaging.message import Purpose
from hub.model.school.course import Course
from hub.model.school.school_change import SchoolFile
from hub.model.school.text_version import TextKind, TextState, TextVersion
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING, Actor
from hub.router.message_texts import MessageTexts
from tests.database import tamper
from tests.lent_hubs import lent_hub
from tests.running import Running
from tests.web.staff_visit import ConsoleBrowser, Page, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
COURSE = "/staff/texts/contract/course"
REMINDER = "/staff/texts/message/reminder"
CLAUSE = "+ 学员应当遵守课堂秩序，爱护教学设施。"


@dataclass(frozen=True)
class Story:
    """A hub with two people of legal at headquarters, and one at a campus."""

    running: Running
    ann: ConsoleBrowser
    ben: ConsoleBrowser
    campus: ConsoleBrowser

    async def kinds(self) -> list[str]:
        return [entry.kind for entry in await self.running.school_record() if entry.kind.startswith("text-")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story() -> AsyncIterator[Story]:
    async with lent_hub(with_worker=False) as running:
        for login, campus in (("ann", "hq"), ("ben", "hq"), ("cai", "hefei")):
            await add_staff(running, login, campus, role=StaffRole.LEGAL)
        yield Story(running, *[await console_of(running, login) for login in ("ann", "ben", "cai")])


def fields(page: Page) -> dict[str, str]:
    """Return the texts and hidden fields of the page on which a version is written."""
    areas = re.findall(r'<textarea[^>]* name="([\w.]+)"[^>]*>\n?(.*?)</textarea>', page.text, re.DOTALL)
    inputs = re.findall(r'<input [^>]*name="([\w.]+)"(?: type="\w+")? value="([^"]*)"', page.text)
    return {name: html.unescape(value) for name, value in [*areas, *inputs]}


async def revision(console: ConsoleBrowser, address: str) -> dict[str, str]:
    return {"revision": fields(await console.get(address))["revision"]}


async def consent(story: Story, contract: Contract) -> str:
    return consent_for(story.running.hub.services, contract, "zh").version


async def text_of(story: Story, contract: Contract) -> str:
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.contracts.get(contract.id)
    return str(found.data["text"])


async def test_a_clause_from_the_first_word_to_a_contract(story: Story) -> None:
    old = await story.running.issue_minor()
    begun = await story.ann.post(f"{COURSE}/begin", {"base": ""})
    address = begun.location.partition("?")[0]
    assert address == f"{COURSE}/desk-1"
    page = await story.ann.get(address)
    assert page.text.count("data:image/png") == 3 and "Nothing is changed yet." in page.words
    entered = fields(page)
    assert CLAUSE in entered["zh.clauses"] and entered["zh.title"] == "课程培训服务合同"
    entered["zh.clauses"] = entered["zh.clauses"].replace(CLAUSE, f"{CLAUSE}\n! 学员不得携带危险物品。")
    entered |= {"zh.consent": "我同意。", "note": "no dangerous things"}
    looked = await story.ann.post(f"{address}/look?part=look", entered)
    assert looked.text.count("data:image/png") == 3 and "<html" not in looked.text
    broken = await story.ann.post(f"{address}/look?part=look", entered | {"zh.clauses": "# {{ nobody }}"})
    assert "nobody" in broken.words and "data:image" not in broken.text
    assert (await story.running.issue_minor()).template_version == "2026.2"  # nothing was saved yet
    saved = await story.ann.post(f"{address}/save", entered | {"submit": "1"})
    assert saved.status == 303 and "said=text-submitted" in saved.location
    todo = await story.ben.get("/staff/tasks?whose=mine")
    assert "waits for the approval of somebody who wrote none" in todo.words and f'href="{address}"' in todo.text
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        (task,) = [each for each in await tx.staff_tasks.list_open_tasks() if each.text.endswith(address)]
    with pytest.raises(BadInput, match="may not finish the task"):
        await assign_task(story.running.hub.services, EVERYTHING, task.id, "ann")
    await assign_task(story.running.hub.services, EVERYTHING, task.id, "ben")
    page = await story.ben.get(address)
    assert "+ 学员不得" not in page.words and "! 学员不得携带危险物品。" in page.words and "no dangerous" in page.words
    assert (await story.running.issue_minor()).template_version == "2026.2"
    own = await story.ann.post(f"{address}/approve", await revision(story.ben, address))
    assert own.status == 409 and "somebody who wrote no part of it" in own.words
    done = await story.ben.post(f"{address}/approve", await revision(story.ben, address))
    assert done.status == 303, done.words
    assert f'href="{address}"' not in (await story.ben.get("/staff/tasks")).text
    new = await story.running.issue_minor()
    assert (old.template_version, new.template_version) == ("2026.2", "desk-1")
    assert "危险物品" in await text_of(story, new) and "危险物品" not in await text_of(story, old)
    assert (await consent(story, old), await consent(story, new)) == ("course-zh-2", "course-zh-desk-1")
    assert await story.kinds() == ["text-begun", "text-submitted", "text-approved"]
    assert "危险物品" in (await story.campus.get(address)).words  # everybody reads what is in force
    again = await story.ann.post(f"{COURSE}/begin", {"base": "2026.2"})  # back to the text of the files, by approval
    assert again.location.startswith(f"{COURSE}/desk-2")
    assert "− ! 学员" not in (await story.ann.get(f"{COURSE}/desk-2")).words
    assert "危险物品" in (await story.ann.get(f"{COURSE}/desk-2")).words
    assert (await story.ann.post(f"{COURSE}/begin", {"base": ""})).status == 409
    gone = await story.ann.post(f"{COURSE}/desk-2/discard", await revision(story.ann, f"{COURSE}/desk-2"))
    assert gone.status == 303 and "discarded" in (await story.ann.get(COURSE)).words


async def test_what_cannot_be_drawn_is_not_submitted(story: Story) -> None:
    begun = await story.ann.post(f"{COURSE}/begin", {"base": "2026.2"})
    address = begun.location.partition("?")[0]
    entered = fields(await story.ann.get(address)) | {"note": "x"}
    for language, text, why in (
        ("en", entered["en.clauses"] + "{% if %}", "could not be filled in"),
        ("en", entered["en.clauses"] + "\n{% if student_signs %}\n| a | b | c\n{% endif %}\n", "label without a value"),
        ("zh", " ", "a text is missing"),
    ):
        now = entered | {f"{language}.clauses": text} | await revision(story.ann, address)
        refused = await story.ann.post(f"{address}/save", now | {"submit": "1"})
        assert refused.status == 422 and why in refused.words, refused.words[:1500]
        assert 'aria-invalid="true"' in refused.text
    stale = await story.ann.post(f"{address}/save", entered | {"revision": "0", "en.title": "stale"})
    assert stale.status == 409 and "stale" in stale.text  # what was entered is still there to be copied
    assert 'name="revision" value="0"' in stale.text  # and is refused again
    await story.ann.post(f"{address}/discard", await revision(story.ann, address))


async def test_a_draft_takes_what_it_demands_from_the_files(story: Story) -> None:
    services, place = story.running.hub.services, TextPlace(TextKind.CONTRACT, "data-consent")
    files = find_file_text(services, place)
    assert files
    other = dict(files.fixed) | {"representative": True}
    old = TextVersion(
        uuid4(), place.kind, place.subject, 0, TextState.DISCARDED, "files", files.texts, None, fixed=other
    )
    async with services.database.transaction(EVERYTHING) as tx:
        added = await tx.text_versions.add(replace(old, changed_at=tx.now))
    draft = await begin_text(services, Actor("staff:ann", EVERYTHING), place, added.label)
    assert (added.fixed["representative"], draft.fixed["representative"], draft.base) == (True, False, added.label)


async def test_each_installed_template_can_be_written_anew(story: Story) -> None:
    """Also those that ask their signer, whose answers a draft shows as missing."""
    services = story.running.hub.services
    files = services.documents.printer.templates
    assert any(files.get(each, "zh").asks for each in files.ids())
    for each in files.ids():
        languages = files.in_languages(each)
        texts, fixed = list_texts(languages), list_fixed(languages)
        draft = TextVersion(uuid4(), TextKind.CONTRACT, each, 1, TextState.DRAFT, "files", texts, None, fixed=fixed)
        await check_text(services, EVERYTHING, draft)


async def test_a_message_in_other_words(story: Story) -> None:
    services = story.running.hub.services
    begun = await story.ann.post(f"{REMINDER}/begin", {"base": ""})
    address = begun.location.partition("?")[0]
    page = await story.ann.get(address)
    assert "1 segment" in page.words
    entered = fields(page) | {"note": "shorter"}
    key = "sms.full.zh"
    wrong = await story.ann.post(f"{address}/save", entered | {key: "{school} {who} {link}", "submit": "1"})
    assert wrong.status == 422 and "unknown placeholder {who}" in wrong.words
    long = entered | {key: "请您签署{school}的合同" * 8 + "{link}"} | await revision(story.ann, address)
    assert "segments" in (await story.ann.post(f"{address}/look?part=look", long)).words
    entered |= {key: "【{school}】合同待签，请于{deadline}前签署：{link}"} | await revision(story.ann, address)
    saved = await story.ann.post(f"{address}/save", entered | {"submit": "1"})
    assert saved.status == 303, saved.words
    sent_back = await story.ben.post(f"{address}/send-back", await revision(story.ben, address) | {"note": "why?"})
    assert sent_back.status == 303 and "Sent back by Ben: why?" in (await story.ann.get(address)).words
    entered |= {"note": "as agreed"} | await revision(story.ann, address)
    await story.ann.post(f"{address}/save", entered | {"submit": "1"})
    done = await story.ben.post(f"{address}/approve", await revision(story.ben, address))
    assert done.status == 303, done.words
    text = services.messaging.messages.get(Purpose.REMINDER, "sms", "zh").text
    assert services.messaging.messages.get(Purpose.REMINDER, "sms", "zh").subject == ""
    assert services.messaging.messages.get(Purpose.REMINDER, "email", "zh").subject == entered["email.subject.zh"]
    assert text == entered[key] and "合同待签，请于" in (await story.ben.get("/staff/messages")).words
    elsewhere = MessageTexts(services.messaging.texts.files)  # another process
    async with services.database.transaction(EVERYTHING) as tx:
        await elsewhere.refresh(tx)
    assert elsewhere.current.get(Purpose.REMINDER, "sms", "zh").text == entered[key]
    assert elsewhere.current.get(Purpose.INVITATION, "sms", "zh").text != entered[key]


async def test_texts_are_those_of_the_whole_school(story: Story) -> None:
    refused = await story.campus.post(f"{REMINDER}/begin", {"base": ""})
    assert refused.status == 403 and "accounts of headquarters" in refused.words
    for address in ("/staff/texts/contract/nothing", "/staff/texts/poem/course", f"{COURSE}/desk-99", f"{COURSE}/x"):
        assert (await story.ann.get(address)).status == 404, address


async def test_what_was_approved_is_never_changed(story: Story) -> None:
    dsn = story.running.hub.database.dsn
    for change in ("texts = '{}'", "writers = '{}'", "state = 'draft'", "decided_by = 'x'"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="never changed"):
            await tamper(dsn, f"UPDATE text_version SET {change} WHERE state = 'in-force'")


async def test_a_new_template_is_a_copy_that_somebody_approves(story: Story) -> None:
    assert 'value="own-document"' not in (await story.ann.get("/staff/texts")).text  # its clauses are somebody's PDF
    refused = await story.ann.post("/staff/texts/new", {"name": "our-paper", "source": "own-document"})
    assert refused.status == 422 and "there is no such template" in refused.words
    for wrong in ("Summer", "course", "a" * 41):
        refused = await story.ann.post("/staff/texts/new", {"name": wrong, "source": "course"})
        assert refused.status == 422 and f'value="{wrong}"' in refused.text, wrong
    begun = await story.ann.post("/staff/texts/new", {"name": "summer-camp", "source": "data-consent"})
    address = begun.location.partition("?")[0]
    assert address == "/staff/texts/contract/summer-camp/desk-1"
    page = await story.ann.get(address)
    assert page.text.count("data:image/png") >= 1
    with pytest.raises(BadInput):
        await story.running.issue_minor(template="summer-camp")  # nobody has approved it
    entered = fields(page) | {"zh.title": "夏令营告知书", "note": "for the camp"}
    assert (await story.ann.post(f"{address}/save", entered | {"submit": "1"})).status == 303
    done = await story.ben.post(f"{address}/approve", await revision(story.ben, address))
    assert done.status == 303, done.words
    contract = await story.running.issue_minor(template="summer-camp")
    assert (contract.title, contract.template_version) == ("夏令营告知书", "desk-1")
    again = await story.ann.post("/staff/texts/contract/summer-camp/begin", {"base": ""})
    page = await story.ann.get(again.location)
    assert 'value="夏令营告知书"' in page.text and "summer-camp" in (await story.ann.get("/staff/texts")).text
    assert (await story.ann.get("/staff/texts/contract/summer-camp")).status == 200
    assert (await story.ann.get("/staff/texts/contract/nothing")).status == 404


async def test_a_course_and_a_grant_name_a_template_that_was_made_in_the_console(story: Story) -> None:
    services, database = story.running.hub.services, story.running.hub.database
    copied = find_file_text(services, TextPlace(TextKind.CONTRACT, "safety-notice"))
    assert copied
    titled = dict(copied.texts) | {"en.title": "Climbing rules"}
    made = TextVersion(uuid4(), TextKind.CONTRACT, "climbing", 0, TextState.DRAFT, "", titled, None, fixed=copied.fixed)
    await add_staff(story.running, "dan", "hq", role=StaffRole.SEAL_KEEPER)
    keeper, course = (
        await console_of(story.running, "dan"),
        Course("rocks", "hefei", "攀岩", "", {"template": "climbing"}),
    )
    file = SchoolFile(courses=(course,))
    async with database.transaction(EVERYTHING) as tx:
        seal = await get_configured_seal(services, tx)
        draft = await tx.text_versions.add(replace(made, changed_at=tx.now))
    grant, asked = (
        f"/staff/seals/{seal.id}/grant",
        {"grantee_kind": "contracts", "campus": "hefei", "template": "climbing"},
    )
    fault = "there is no contract template climbing"
    assert fault in str((await apply_school(services, file, {}, "command-line")).faults)  # a draft is in no contract
    assert (await keeper.post(grant, asked)).status == 422 and "climbing" not in (await keeper.get(grant)).text
    async with database.transaction(EVERYTHING) as tx:
        await tx.text_versions.save(replace(draft, state=TextState.IN_FORCE))
    assert (await apply_school(services, file, {}, "command-line")).faults == ()
    assert "Climbing rules" in (await keeper.get(grant)).words
    assert (await keeper.post(grant, asked)).status == 303
    async with database.transaction(EVERYTHING) as tx:
        assert ("climbing",) in [each.templates for each in await tx.seals.list_grants(seal.id)]
