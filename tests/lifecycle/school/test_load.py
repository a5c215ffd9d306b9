"""The school and rosters, loaded into a real database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
import xlsxwriter
from sqlalchemy import text

from bench.simulated.people import person_number
from hub.errors import KeyNotValid, UnreadableFile
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.contract.terms import course_facts
from hub.lifecycle.school.import_roster import (
    MAX_LISTED_FAULTS,
    ROWS_AT_ONCE,
    ImportOptions,
    load_roster,
    load_school,
    new_contract,
    put_staff_and_key,
)
from hub.model.contract.signer import Role
from hub.model.school.course import Enrolment
from hub.model.school.enrolment_list import EnrolmentFilter
from hub.model.staff.scope import EVERYTHING, Scope
from hub.settings import PACKED
from hub.store.encryption.keys import Keys
from hub.store.transaction import Database
from tests.commits import failing_before_commit
from tests.database import LOCK_WAITS, Dsns
from tests.poster_visits import cn_id
from tests.running import until

HEADER = (
    "campus",
    "course",
    "student name",
    "student id number",
    "guardian name",
    "relation",
    "guardian id number",
    "guardian phone",
)
CHILD = ("陈小满", "340104201209010016", "陈建国", "父亲", "340104198501010019", "19000000101")


# Midnight at the campus, where it is the eighteenth birthday of whoever was born on 30 November 2008.
ADULT_AT, SECOND = datetime(2026, 11, 29, 16, tzinfo=UTC), timedelta(seconds=1)


class OutOfPower(Exception):
    pass


def now() -> datetime:
    return datetime(2026, 11, 20, 4, tzinfo=UTC)


@pytest.fixture
async def school(database: Dsns, tmp_path: Path) -> AsyncIterator[Database]:
    store = Database(database.app, Keys.load_or_create(tmp_path / "master.key"), now)
    await load_school(store, PACKED / "demo" / "seeds")
    yield store
    await store.close()


def roster(*rows: tuple[str, ...]) -> bytes:
    output = BytesIO()
    with xlsxwriter.Workbook(output) as workbook:
        sheet = workbook.add_worksheet()
        for number, row in enumerate((HEADER, *rows)):
            sheet.write_row(number, 0, row)
    return output.getvalue()


async def test_the_school_is_loaded_and_loading_it_again_adds_nothing(school: Database) -> None:
    async with school.transaction(EVERYTHING) as tx:
        before = (await tx.school.list_campuses(), await tx.school.list_courses())
    await load_school(school, PACKED / "demo" / "seeds")
    async with school.transaction(EVERYTHING) as tx:
        assert (await tx.school.list_campuses(), await tx.school.list_courses()) == before
    assert {campus.id for campus in before[0]} >= {"hq", "hefei", "beijing"}


async def test_every_course_of_the_seeds_can_be_drawn_in_both_languages(school: Database) -> None:
    async with school.transaction(EVERYTHING) as tx:
        courses = await tx.school.list_courses()
    assert len(courses) > 5
    for course in courses:
        for language in ("zh", "en"):
            assert course_facts(course, language).total > 0


async def test_a_roster_becomes_enrolments_and_these_become_what_can_be_issued(school: Database) -> None:
    report = await load_roster(school, now, roster(("hefei", "math-a", *CHILD)), EVERYTHING)
    assert (report.added, report.already, report.problems) == (1, 0, ())
    async with school.transaction(EVERYTHING) as tx:
        (enrolment,) = await tx.enrolments.list_fitting(EnrolmentFilter(), 2)
    asked = new_contract(enrolment)
    assert (asked.campus, asked.course, asked.enrolment) == ("hefei", "math-a", enrolment.id)
    assert asked.student.birth_date == date(2012, 9, 1)
    assert asked.signers == (
        NewSigner(Role.GUARDIAN, "陈建国", "+8619000000101", "340104198501010019", relation="父亲"),
    )


@pytest.mark.parametrize(("moment", "code"), [(ADULT_AT - SECOND, "guardian-missing"), (ADULT_AT, "phone-missing")])
async def test_who_turns_18_today_does_so_by_the_clock_of_the_campus(
    school: Database, moment: datetime, code: str
) -> None:
    """An adult signs alone, with a phone that the roster lacks."""
    data = roster(("hefei", "math-a", "陈小满", cn_id("20081130"), "", "", "", ""))
    report = await load_roster(school, lambda: moment, data, EVERYTHING)
    assert [each.code for each in report.problems] == [code]


async def test_loading_a_roster_twice_adds_nothing(school: Database) -> None:
    data = roster(("hefei", "math-a", *CHILD), ("hefei", "english-b", *CHILD))
    assert (await load_roster(school, now, data, EVERYTHING)).added == 2
    again = await load_roster(school, now, data, EVERYTHING)
    assert (again.added, again.already) == (0, 2)


async def test_two_lists_that_name_students_in_another_order_do_not_wait_for_each_other(school: Database) -> None:
    """Each would have added its first student, and wait for the other's: the database would end one of them."""
    first, held, last, held_too = (person_number(date(2012, 1, 1), number) for number in range(4))
    let_go, are_held = asyncio.Event(), [asyncio.Event(), asyncio.Event()]

    async def hold(number: str, is_held: asyncio.Event) -> None:
        """Add this student in a transaction that stays open, and in the end does not commit."""
        with contextlib.suppress(OutOfPower):
            async with school.transaction(EVERYTHING) as tx:
                enrolment = Enrolment(uuid4(), "hefei", "math-a", "陈小满", {"student": {}, "signers": []})
                assert await tx.school.add_enrolments([(enrolment, tx.cipher.person("cn-id", number))], tx.now)
                is_held.set()
                await let_go.wait()
                raise OutOfPower

    async def both_wait() -> bool:
        async with school.transaction(EVERYTHING) as tx:
            return bool(await tx.connection.scalar(text(LOCK_WAITS)) == 2)

    holding = [hold(number, each) for number, each in zip((held, held_too), are_held, strict=True)]
    holders = asyncio.gather(*holding)
    await asyncio.gather(*(each.wait() for each in are_held))
    lists = [(first, held, last), (last, held_too, first)]
    sheets = [roster(*(("hefei", "math-a", "陈小满", number, *CHILD[2:]) for number in each)) for each in lists]
    imports = asyncio.gather(*(load_roster(school, now, each, EVERYTHING) for each in sheets))
    await until(both_wait)
    let_go.set()
    await holders
    assert sum(report.added for report in await imports) == 4


async def test_a_dry_run_adds_nothing_and_says_what_would_be(school: Database) -> None:
    await load_roster(school, now, roster(("hefei", "math-a", *CHILD)), EVERYTHING)
    data = roster(("hefei", "math-a", *CHILD), ("hefei", "english-b", *CHILD))
    report = await load_roster(school, now, data, EVERYTHING, ImportOptions(dry_run=True))
    assert (report.added, report.already, report.refused) == (1, 1, 0)
    async with school.transaction(EVERYTHING) as tx:
        assert await tx.school.count_open_enrolments() == 1


async def test_an_import_that_was_interrupted_goes_on(school: Database) -> None:
    children = [person_number(date(2012, 1, 1), number) for number in range(2 * ROWS_AT_ONCE + 1)]
    data = roster(*(("hefei", "math-a", "陈小满", child, *CHILD[2:]) for child in children))
    # The first commit is that of the query which courses there are.
    with failing_before_commit(school, 3, OutOfPower()), pytest.raises(OutOfPower):
        await load_roster(school, now, data, EVERYTHING)
    report = await load_roster(school, now, data, EVERYTHING)
    assert (report.added, report.already) == (len(children) - ROWS_AT_ONCE, ROWS_AT_ONCE)


async def test_a_long_list_of_faults_is_counted_and_not_kept(school: Database) -> None:
    rows = MAX_LISTED_FAULTS // 2 + 1
    data = roster(*(("hefei", "alchemy", "", *CHILD[1:]) for _ in range(rows)))
    report = await load_roster(school, now, data, EVERYTHING)
    assert (report.refused, report.faults, len(report.problems)) == (rows, 2 * rows, MAX_LISTED_FAULTS)


async def test_unknown_campuses_and_courses_are_reported_by_row_and_stop_nothing(school: Database) -> None:
    data = roster(
        ("atlantis", "math-a", *CHILD),
        ("hefei", "alchemy", *CHILD),
        ("beijing", "math-a", *CHILD),
        ("hefei", "math-a", *CHILD),
    )
    report = await load_roster(school, now, data, Scope(frozenset({"hefei"})), ImportOptions("en"))
    assert [(problem.row, problem.code) for problem in report.problems] == [
        (2, "campus-unknown"),
        (3, "course-unknown"),
        (4, "campus-not-yours"),
    ]
    assert report.added == 1
    assert [problem.cell for problem in report.problems] == ["A2", "B3", "A4"]
    assert all(problem.what.isascii() and problem.how.isascii() for problem in report.problems)


async def test_the_demo_roster_loads_but_for_the_rows_that_are_wrong_on_purpose(school: Database) -> None:
    report = await load_roster(school, now, (PACKED / "demo" / "seeds" / "roster.xlsx").read_bytes(), EVERYTHING)
    assert report.added >= 150
    assert not {"campus-unknown", "course-unknown"} & {problem.code for problem in report.problems}


async def test_what_is_no_spreadsheet_is_refused(school: Database) -> None:
    with pytest.raises(UnreadableFile):
        await load_roster(school, now, b"PK\x03\x04 no spreadsheet", EVERYTHING)


async def test_the_first_account_and_key_belong_to_headquarters(school: Database) -> None:
    for password in ("first", "second"):
        await put_staff_and_key(school, login="demo", password=password, api_key=f"key-{password}")
    async with school.transaction(EVERYTHING) as tx:
        found = await tx.accounts.find_by_login("demo")
        assert found and found[0].campus == "hq"
    async with school.transaction_by_key("key-second") as (tx, key):
        assert (tx.scope, key.campus) == (EVERYTHING, "hq")
    with pytest.raises(KeyNotValid):
        async with school.transaction_by_key("key-first"):
            pass
