"""A course whose contracts somebody else approves: nothing is issued before, whichever way it is tried."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from hub.errors import ApprovalNeeded
from hub.lifecycle.contract.draw import draw_contract
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.contract.reissue import Replacement, reissue, replace_person
from hub.lifecycle.contract.template_in_force import needs_approval
from hub.lifecycle.school.edit_texts import TextPlace, find_file_text
from hub.lifecycle.school.issue_enrolments import digest_each, issue_enrolments
from hub.model.contract.own_document import OWN_TEMPLATE, OwnDocument
from hub.model.contract.person import mask_id
from hub.model.school.course import Enrolment
from hub.model.school.text_version import TextKind, TextState, TextVersion
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED
from tests.lent_hubs import lent_hub
from tests.lifecycle.people import mother
from tests.poster_visits import Family, admitted, make_poster
from tests.running import Running, minor_with_guardian, running_hub
from tests.web.staff.school.test_staff_enrolments import enrolled
from tests.web.staff_visit import ConsoleBrowser, Page, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Story:
    """A hub in which contracts of one course need approval, with a clerk and two managers of Hefei."""

    running: Running
    clerk: ConsoleBrowser
    ann: ConsoleBrowser
    ben: ConsoleBrowser

    async def contract_of(self, enrolment: UUID) -> UUID | None:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return (await tx.school.get_enrolment(enrolment)).contract

    async def run(self, act: str) -> None:
        """Do what a worker does."""
        await issue_enrolments(self.running.hub.services, UUID(act.rpartition("/")[2]))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story() -> AsyncIterator[Story]:
    async with lent_hub() as running:
        await add_staff(running, "clerk", "hefei")
        for login in ("ann", "ben"):
            await add_staff(running, login, "hefei", role=StaffRole.CAMPUS_MANAGER)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            course = await tx.school.get_course("hefei", "math-a")
            await tx.school.put_course(replace(course, details=dict(course.details) | {"approval": True}))
        yield Story(running, *[await console_of(running, login) for login in ("clerk", "ann", "ben")])


async def ask(console: ConsoleBrowser, *enrolments: UUID) -> str:
    """Ask for the contracts of enrolments. Return the address of the act."""
    preview = await console.post("/staff/enrolments/preview", [("enrolment", str(each)) for each in enrolments])
    assert "Ask for approval of" in preview.words
    hidden = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', preview.text)
    begun = await console.post("/staff/enrolments/issue", [*hidden, ("send", "none")])
    assert begun.status == 303, begun.words
    return begun.location


def seen(page: Page) -> dict[str, str]:
    return dict(re.findall(r'name="(seen)" value="(\w+)"', page.text))


async def refuse_to_hand(approver: ConsoleBrowser, asker: ConsoleBrowser, page: Page) -> None:
    """See that the task on this page is given neither to the clerk nor to Ann, who asked for the approval."""
    (task,) = re.findall(r'action="(/staff/tasks/[0-9a-f-]{36})/take"', page.text)
    assert 'value="ann"' not in page.text and 'value="clerk"' not in page.text
    for login in ("ann", "clerk"):
        refused = await approver.post(f"{task}/hand", {"login": login})
        assert refused.status == 422 and "may not finish the task" in refused.words
    assert f'action="{task}/take"' not in (await asker.get("/staff/tasks")).text
    refused = await asker.post(f"{task}/take")
    assert refused.status == 422 and "may not finish the task" in refused.words
    await asker.post("/staff/tasks/take", {"task": task.rpartition("/")[2]})
    assert f'action="{task}/take"' in (await approver.get("/staff/tasks?whose=mine")).text  # nobody has taken it


async def test_nothing_is_issued_before_somebody_else_has_approved(story: Story) -> None:
    one = await enrolled(story.running, "陈小满")
    act = await ask(story.ann, one.id)
    await story.run(act)
    assert await story.contract_of(one.id) is None
    page = await story.ann.get(act)
    assert "1 contract waits for approval" in page.words and f'action="{act}/approve"' not in page.text
    assert "1 contract waits for approval" in (await story.clerk.get("/staff/enrolments")).words
    todo = await story.ben.get("/staff/tasks?whose=mine")  # Ann asked, so it is given to Ben
    assert "Contracts wait for somebody else's approval." in todo.words and f'href="{act}"' in todo.text
    await refuse_to_hand(story.ben, story.ann, todo)
    own = await story.ann.post(f"{act}/approve", seen(await story.ben.get(act)))
    assert own.status == 403 and "Somebody else has to confirm this" in own.words
    assert (await story.clerk.post(f"{act}/approve", {})).status == 403
    page = await story.ben.get(act)
    assert "陈小满" in page.words and "Asked for by Ann" in page.words and "data:image/png" in page.text
    blind = await story.ben.post(f"{act}/approve", {"seen": "0" * 64})
    assert blind.status == 409 and "Look at it again" in blind.words
    done = await story.ben.post(f"{act}/approve", seen(page))
    assert done.status == 303, done.words
    assert f'href="{act}"' not in (await story.ben.get("/staff/tasks")).text
    await story.run(act)
    contract = await story.contract_of(one.id)
    assert contract is not None and "Done with 1" in (await story.ben.get(act)).words
    assert (await story.ben.post(f"{act}/approve", seen(page))).status == 409  # it waits for nothing any more
    services = story.running.hub.services
    again = await reissue(services, EVERYTHING, contract, "test")
    assert again.replaces == contract  # the same people, by the same text
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        course = await tx.school.get_course("hefei", "math-a")
        await tx.school.put_course(replace(course, details=dict(course.details) | {"price": "9999.00"}))
    with pytest.raises(ApprovalNeeded):  # nobody has approved this price
        await reissue(services, EVERYTHING, again.id, "test")
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        await tx.school.put_course(course)
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        (guardian,) = await tx.contracts.list_signers(again.id)
    with pytest.raises(ApprovalNeeded):
        await replace_person(services, EVERYTHING, again.id, Replacement(guardian.id, mother()), "test")
    kinds = [entry.kind for entry in await story.running.school_record()]
    assert kinds[-2:] == ["issuing-asked", "issuing-approved"]


async def test_another_guardian_signs_once_somebody_else_has_approved(story: Story) -> None:
    """A clerk names another guardian, whose approval shows both; or chooses one on file from another enrolment."""
    one = await enrolled(story.running, "陈小米")
    act = await ask(story.clerk, one.id)
    assert (await story.ben.post(f"{act}/approve", seen(await story.ben.get(act)))).status == 303
    await story.run(act)
    contract = await story.contract_of(one.id)
    page = await story.clerk.get(f"/staff/contracts/{contract}")
    (address,) = re.findall(r'action="(/staff/contracts/[\w-]+/replace/[\w-]+)"', page.text)
    (number,) = set(re.findall(r'name="act" value="([\w-]+)"', page.text))
    by = mother()
    form = {"act": number, "name": by.name, "phone": "190 0000 0777", "id_type": by.id_type, "id_number": "1"}
    refused = await story.clerk.post(address, form)
    assert refused.status == 422 and 'value="190 0000 0777"' in refused.text
    form |= {"id_number": by.id_number}
    asked, again = await story.clerk.post(address, form), await story.clerk.post(address, form)
    assert asked.status == again.status == 303 and asked.location == again.location  # a second click
    mistaken = await story.clerk.post(address, form | {"phone": "190 0000 0779"})  # back, and sent with other values
    assert mistaken.status == 303 and mistaken.location != asked.location
    waiting = await story.ben.get(asked.location)
    for shown in (one.people["signers"][0]["name"], by.name, "+86 190****0777", mask_id(by.id_number)):
        assert shown in waiting.words, shown
    assert await story.contract_of(one.id) == contract
    await change_guardian(story, one, email="li@example.org")  # the new contract is drawn from the old one
    assert (await story.ben.post(f"{asked.location}/approve", seen(waiting))).status == 303
    await story.run(asked.location)
    fresh = await story.contract_of(one.id)
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        assert fresh is not None and contract is not None
        (signer,) = await tx.contracts.list_signers(fresh)
        assert (signer.name, signer.phone) == (by.name, "+8619000000777")
        assert (await tx.contracts.get(contract)).replaced_by == fresh
        assert await tx.issue_acts.get_replacement(act_of(asked)) is None  # kept no longer than needed
    first = one.people["signers"][0]
    page = await story.clerk.get(f"/staff/contracts/{fresh}")
    assert f"On file for this student: Withdraw and issue for {first['name']}" in page.words
    assert first["id_number"] not in page.text and first["phone"] not in page.text
    (address,) = re.findall(r'action="(/staff/contracts/[\w-]+/replace/[\w-]+)"', page.text)[:1]
    (number,) = set(re.findall(r'name="act" value="([\w-]+)"', page.text))
    (known,) = set(re.findall(r'name="known" value="(\w+)"', page.text))
    form = {"act": number, "known": known, "name": by.name, "phone": by.phone, "id_number": by.id_number}
    await change_guardian(story, one, phone="+8619000000778")  # between page and click
    refused = await story.clerk.post(address, form)
    assert refused.status == 422 and "the list of people on file has changed" in refused.words.lower(), refused.words
    (known,) = set(re.findall(r'name="known" value="(\w+)"', refused.text))
    asked = await story.clerk.post(address, form | {"known": known})
    assert f"Is to sign {first['name']}" in (await story.ben.get(asked.location)).words
    assert (await story.clerk.post(f"{asked.location}/take-back")).status == 303
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.issue_acts.get_replacement(act_of(asked)) is None


@pytest.mark.parametrize(("approved", "name"), [(False, "陈小川"), (True, "陈小溪")])
async def test_what_is_withdrawn_after_it_was_shown_is_not_replaced(story: Story, approved: bool, name: str) -> None:
    one = await enrolled(story.running, name)
    act = await ask(story.clerk, one.id)
    assert (await story.ben.post(f"{act}/approve", seen(await story.ben.get(act)))).status == 303
    await story.run(act)
    contract = await story.contract_of(one.id)
    assert contract is not None
    page = await story.clerk.get(f"/staff/contracts/{contract}")
    (address,) = re.findall(r'action="(/staff/contracts/[\w-]+/replace/[\w-]+)"', page.text)
    by = mother()
    form = {"act": str(uuid4()), "name": by.name, "phone": by.phone, "id_type": by.id_type, "id_number": by.id_number}
    asked = await story.clerk.post(address, form)
    shown = seen(await story.ben.get(asked.location))
    if approved:
        assert (await story.ben.post(f"{asked.location}/approve", shown)).status == 303
    await void(story.running.hub.services, EVERYTHING, contract, "the course is cancelled", "staff:y")
    if approved:
        await story.run(asked.location)
    else:
        assert (await story.ben.post(f"{asked.location}/approve", shown)).status == 409
    assert await story.contract_of(one.id) == contract


def act_of(asked: Page) -> UUID:
    return UUID(asked.location.rpartition("/")[2])


async def change_guardian(story: Story, enrolment: Enrolment, **values: str) -> None:
    """Change values of the guardian in the roster."""
    (guardian,) = enrolment.people["signers"]
    changed = replace(enrolment, people=dict(enrolment.people) | {"signers": [guardian | values]})
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        person = tx.cipher.person("cn-id", enrolment.people["student"]["id_number"])
        await tx.enrolments.change(changed, person, "staff:ann", tx.now)


async def test_what_is_refused_or_taken_back_is_never_issued(story: Story) -> None:
    one = await enrolled(story.running, "陈小雨")
    for console, way in ((story.ben, "refuse"), (story.clerk, "take-back")):
        act = await ask(story.clerk, one.id)
        assert (await console.post(f"{act}/{way}")).status == 303
        await story.run(act)
        assert "These contracts are not issued" in (await story.clerk.get(act)).words
    assert await story.contract_of(one.id) is None
    act = await ask(story.ann, one.id)
    assert (await story.clerk.post(f"{act}/take-back")).status == 404  # not theirs
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.issue_acts.list_stalled(tx.now + timedelta(days=365)) == []


async def test_no_other_way_leads_around_it(story: Story) -> None:
    with pytest.raises(ApprovalNeeded):
        await issue(story.running.hub.services, EVERYTHING, minor_with_guardian(), "test")
    poster, ticket = await make_poster(story.running)
    family = Family(parent="王秀英", child="王小雨")
    async with admitted(story.running, ticket, family) as visitor:
        await visitor.enrol("math-a", family.student(), [family.guardian()])
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        asked = [task for task in await tx.staff_tasks.list_open_tasks() if task.kind == "enrolment-asked"]
        assert await tx.posters.count_enrolled(poster.id) == 1
    assert len(asked) == 1


async def test_what_was_changed_after_its_approval_is_not_issued(story: Story) -> None:
    database = story.running.hub.database
    one, other = [await enrolled(story.running, name) for name in ("陈小满", "陈小雨")]
    act = await ask(story.ann, one.id, other.id)
    page = await story.ben.get(act)
    assert (await story.ben.post(f"{act}/approve", seen(page))).status == 303
    await change_guardian(story, one, email="li@example.org")
    await story.run(act)
    assert await story.contract_of(one.id) is None and await story.contract_of(other.id) is not None
    assert "was changed after it was looked at" in (await story.ben.get(act)).words
    act = await ask(story.ann, one.id)
    assert (await story.ben.post(f"{act}/approve", seen(await story.ben.get(act)))).status == 303
    async with database.transaction(EVERYTHING) as tx:
        course = await tx.school.get_course("hefei", "math-a")
        await tx.school.put_course(replace(course, details=dict(course.details) | {"teacher": "somebody else"}))
    await story.run(act)
    assert await story.contract_of(one.id) is None


async def test_what_was_changed_after_it_was_asked_for_is_not_approved(story: Story) -> None:
    """Nor by whoever has changed it, and has looked at it since; but once it is asked for again."""
    one, other = [await enrolled(story.running, name) for name in ("陈小满", "陈小雨")]
    act = await ask(story.ann, one.id, other.id)
    await change_guardian(story, one, phone="+8619000000779")
    refused = await story.ben.post(f"{act}/approve", seen(await story.ben.get(act)))
    assert refused.status == 409 and "was changed after this was asked for" in refused.words
    await story.run(act)
    assert await story.contract_of(one.id) is None and await story.contract_of(other.id) is None
    await change_guardian(story, one)  # as it was when it was asked for
    assert (await story.ben.post(f"{act}/approve", seen(await story.ben.get(act)))).status == 303
    act = await ask(story.ann, (await enrolled(story.running, "陈小云")).id)
    assert (await story.ben.post(f"{act}/approve", seen(await story.ben.get(act)))).status == 303


async def test_an_approval_covers_the_template_of_the_contract_that_is_replaced(story: Story) -> None:
    """Also if the course names another one by now."""
    services = story.running.hub.services
    one = Enrolment(uuid4(), "hefei", "math-a", "陈小雪", {})
    planned = replace(minor_with_guardian(), template="data-consent")
    files = find_file_text(services, TextPlace(TextKind.CONTRACT, "data-consent"))
    assert files
    titled = dict(files.texts) | {"zh.title": "同意书"}
    draft = TextVersion(uuid4(), TextKind.CONTRACT, "data-consent", 0, TextState.DRAFT, "files", titled, None)
    async with story.running.hub.database.transaction(EVERYTHING) as tx:
        seen = await digest_each(services, tx, [one], planned)
        added = await tx.text_versions.add(replace(draft, changed_at=tx.now, fixed=files.fixed))
        assert await digest_each(services, tx, [one], planned) == seen
        await tx.text_versions.save(replace(added, state=TextState.IN_FORCE))
        assert await digest_each(services, tx, [one], planned) != seen


async def test_the_texts_of_companions_and_the_text_that_a_pdf_replaces_are_asked(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(PACKED / "templates" / "contracts", folder)
    for path in folder.glob("safety-notice-*/template.toml"):
        path.write_text(f"needs_approval = true\n{path.read_text('utf-8')}", "utf-8")
    async with running_hub(templates=folder, with_web=False, with_worker=False) as running:
        services = running.hub.services
        async with running.hub.database.transaction(EVERYTHING) as tx:
            course = await tx.school.get_course("hefei", "math-a")
            plain = {key: value for key, value in course.details.items() if key not in ("companions", "template")}
            assert not await needs_approval(services, tx, replace(course, details=plain))
            assert await needs_approval(
                services, tx, replace(course, details=plain | {"companions": ["safety-notice"]})
            )
            await tx.school.put_course(replace(course, details=plain | {"template": "safety-notice"}))
        own = replace(minor_with_guardian(), document=OwnDocument("0" * 64, "通知", {}))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            with pytest.raises(ApprovalNeeded):
                await draw_contract(services, tx, own)
            drawn = await draw_contract(services, tx, replace(own, approved=True))
        assert drawn.asked.template == OWN_TEMPLATE
