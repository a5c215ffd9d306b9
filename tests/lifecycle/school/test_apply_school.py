"""A school's file, applied to a real database: completely or not at all, once or many times."""

from __future__ import annotations

import asyncio

import pytest

from hub.doctor.records import examine_records
from hub.documents.school.school_file import describe_school, read_school
from hub.documents.toml_text import write_toml
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.contract.new_contract import NewContract, NewSigner, NewStudent
from hub.lifecycle.school.apply_school import apply_school, compare_school
from hub.model.contract.signer import Role
from hub.model.school.course import Campus, Course
from hub.model.school.school_change import SchoolComparison, path_of
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import quiet_hub
from tests.running import Running
from tests.school_toml import CAMPUSES, COURSES
from tests.store.evidence.test_record import superuser

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The demo's school exists already, so the file's tree is below its headquarters.
BELOW = CAMPUSES.replace('name = "总部"', 'name = "总部"\nzone = "Asia/Shanghai"') + COURSES


async def applied(running: Running, text: str, *, dry_run: bool = False) -> SchoolComparison:
    file, faults = read_school(text)
    assert faults == []
    organisation = running.hub.settings.school.model_dump()
    if dry_run:
        return await compare_school(running.hub.services, file, organisation)
    return await apply_school(running.hub.services, file, organisation, "command-line")


async def stored(running: Running) -> tuple[list[Campus], list[Course]]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.school.list_campuses(), await tx.school.list_courses()


async def test_a_file_is_applied_once_and_its_act_recorded() -> None:
    async with quiet_hub() as running:
        before = await stored(running)
        shown = await applied(running, BELOW, dry_run=True)
        assert await stored(running) == before and await running.school_record() == []
        first = await applied(running, BELOW)
        assert first == shown
        assert [str(each)[:1] for each in first.changes] == ["~", "+", "+", "+", "+"]
        assert {"hefei", "hefei/math-a"} <= set(map(path_of, first.absent))
        campuses, courses = await stored(running)
        assert {"hq", "east", "west", "west-annex", "hefei"} <= {each.id for each in campuses}
        assert next(each for each in courses if each.id == "drawing").details["price"] == "1800.00"
        again = await applied(running, BELOW)
        assert again.changes == () and again.unchanged == 5
        (entry,) = await running.school_record()
        assert (entry.kind, entry.actor) == ("school-changed", "command-line")
        assert {"campus": "east", "course": "drawing", "change": "added"} in entry.facts["changes"]
        assert entry.facts["changes"][0] == {"campus": "hq", "change": "changed", "keys": "address, phone, address_en"}


async def test_a_contract_is_issued_for_a_course_of_the_file() -> None:
    async with quiet_hub() as running:
        await applied(running, BELOW)
        guardian = NewSigner(Role.GUARDIAN, "陈建国", "+8619000000101", "340104198501010019", relation="父亲")
        student = NewStudent("陈小满", "cn-id", "340104201209010016")
        wanted = NewContract("east", student, (guardian,), course="drawing")
        contract = await issue(running.hub.services, EVERYTHING, wanted, "test")
        assert contract.campus == "east" and contract.state == "ISSUED"


async def test_one_fault_and_nothing_is_changed() -> None:
    wrong = {
        BELOW.replace('parent = "hq"', "", 1): "campus, parent: 2 have none (hq, east)",
        BELOW.replace('parent = "west"', 'parent = "wset"'): "campus 4 (west-annex), parent: there is no campus wset",
        BELOW.replace('campus = "east"', 'campus = "hq2"'): "course 1 (drawing), campus: there is no campus hq2",
        BELOW.replace("二楼画室", "二楼画室😀"): "course 1 (drawing): The font cannot show: 😀",
        BELOW.replace("西校区二部", "西校区😀"): "campus 4 (west-annex): The font cannot show: 😀",
        BELOW.replace("lessons = 20", 'lessons = 20\ntemplate = "dance"'): (
            "course 1 (drawing), details, template: there is no contract template dance; there are course"
        ),
        'templates = ["course", "dance"]' + BELOW: "templates: there is no contract template dance; there are course",
        f'[school]\nname = "另一所学校"\ncredit_code = "52340100MJ00000015"\nlicence = "号"\n{BELOW}': (
            "school, name: the configuration says '新航线教育集团', the file '另一所学校'"
        ),
    }
    async with quiet_hub() as running:
        before = await stored(running)
        for text, fault in wrong.items():
            compared = await applied(running, text)
            assert any(str(each).startswith(fault) for each in compared.faults), (fault, compared.faults)
            assert await stored(running) == before
        assert await running.school_record() == []


async def test_a_move_that_would_close_a_circle_with_what_is_there_is_refused() -> None:
    async with quiet_hub() as running:
        await applied(running, BELOW)
        circle = '[[campus]]\nid = "west"\nparent = "west-annex"\nname = "西校区"\n'
        compared = await applied(running, circle)
        assert "campus 1 (west), parent: the campus would be above itself" in map(str, compared.faults)


async def test_two_at_once_become_one_change() -> None:
    async with quiet_hub() as running:
        both = await asyncio.gather(applied(running, BELOW), applied(running, BELOW))
        assert sorted(len(each.changes) for each in both) == [0, 5]
        assert len(await running.school_record()) == 1


async def test_what_is_shown_changes_nothing() -> None:
    async with quiet_hub() as running:
        await applied(running, BELOW)
        campuses, courses = await stored(running)
        shown = write_toml(describe_school(running.hub.settings.school.model_dump(), campuses, courses))
        compared = await applied(running, shown)
        assert compared.changes == () and compared.absent == ()
        assert compared.unchanged == len(campuses) + len(courses)


async def test_the_schools_record_is_inspected_like_those_of_contracts() -> None:
    async with quiet_hub() as running:
        await applied(running, BELOW)
        await applied(running, BELOW.replace("0551-00000010", "0551-00000011"))
        await running.issue_minor()

        async def look() -> list[str]:
            return [str(each) async for each in examine_records(running.hub, lambda _: None)]

        sound = await look()
        assert all(each.startswith("ok") for each in sound) and "of 1 contracts" in sound[0]
        async with superuser(running) as database:
            await database.execute(
                "UPDATE record_entry SET actor = 'somebody' WHERE kind = 'school-changed' AND sequence = 1"
            )
        assert "BAD  record of the school: entry 1 was changed" in await look()
        async with superuser(running) as database:
            await database.execute("DELETE FROM record_entry WHERE kind = 'school-changed' AND sequence = 2")
        assert "BAD  record of the school: entry 2 is missing at the end" in await look()
