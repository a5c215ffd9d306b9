"""The demo school: complete and consistent, and contracts are drawn from it without errors."""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from stdnum.cn import ric, uscc

from hub.documents.school.spreadsheet import SpreadsheetReader
from hub.settings import PACKED
from tests.documents.roster_reading import ReadRoster, read_roster
from tests.seeds.make_roster import main as make_roster

SEEDS = PACKED / "demo" / "seeds"
SCHOOL = tomllib.loads((SEEDS / "school.toml").read_text("utf-8"))
COURSES = tomllib.loads((SEEDS / "courses.toml").read_text("utf-8"))["course"]
CAMPUSES = {"hefei", "beijing", "guangzhou", "xiangtan"}
WEEKDAYS = "一二三四五六日"


@pytest.fixture(scope="module")
def roster() -> ReadRoster:
    spreadsheets = SpreadsheetReader()
    found = read_roster(spreadsheets, (SEEDS / "roster.xlsx").read_bytes())
    spreadsheets.close()
    return found


def test_campuses() -> None:
    campuses = {campus["id"]: campus for campus in SCHOOL["campus"]}
    assert set(campuses) == CAMPUSES | {"hq"}
    assert all(campuses[name]["parent"] == "hq" for name in CAMPUSES)
    for campus in campuses.values():
        assert ZoneInfo(campus["zone"]).key == campus["zone"]
        assert campus["name"] and campus["name_en"] and campus["address"] and campus["phone"]
    assert uscc.is_valid(SCHOOL["school"]["credit_code"])


def test_courses_keep_the_rules_that_the_contract_quotes() -> None:
    assert len(COURSES) >= 12
    assert {course["campus"] for course in COURSES if course["id"] == "math-a"} == CAMPUSES
    assert max(Counter((course["campus"], course["id"]) for course in COURSES).values()) == 1
    for course in COURSES:
        details = course["details"]
        starts, ends = (date.fromisoformat(details[key]) for key in ("starts", "ends"))
        assert date(2026, 12, 1) <= starts < ends <= starts + timedelta(days=92)
        assert 0 < details["lessons"] <= 60
        assert Decimal(details["price"]) + Decimal(details["materials_fee"]) <= 5000
        assert (Decimal(details["price"]) / details["lessons"] * 100) % 1 == 0
        days = [WEEKDAYS[day.weekday()] for day in (starts, ends)]
        assert "周" not in details["schedule"] or all(day in details["schedule"] for day in days)
        shares = [step["share"] for step in details["refund_steps"]]
        assert shares == sorted(shares, reverse=True) and shares[0] == 100
        for key in ("subject", "schedule", "place", "teacher"):
            assert (details[key] and details[f"{key}_en"].isascii()) or "–" in details[f"{key}_en"]


def test_the_roster_has_200_good_enrolments_at_known_courses(roster: ReadRoster) -> None:
    assert not roster.problems
    assert len(roster.rows) == 200
    offered = {(course["campus"], course["id"]) for course in COURSES}
    assert {(row.campus, row.course) for row in roster.rows} <= offered


def test_the_roster_holds_the_cases_that_matter(roster: ReadRoster) -> None:
    names = "".join(row.student.name for row in roster.rows)
    assert all(character in names for character in "㛃𠮷䶮")
    assert any(row.student.id_type == "passport" and row.signers[0].language == "en" for row in roster.rows)
    assert {row.student.id_type for row in roster.rows} >= {"cn-id", "hk-macau-permit", "taiwan-permit"}
    minors = [row for row in roster.rows if row.signers[0].role == "guardian"]
    assert 150 <= len(minors) < 200
    assert any(len(row.signers) == 2 for row in minors)
    siblings = Counter(row.signers[0].phone for row in minors)
    shared = [phone for phone, count in siblings.items() if count > 1]
    families = [{row.signers[0].name for row in minors if row.signers[0].phone == phone} for phone in shared]
    assert all(len(family) == 1 for family in families)
    children = [{row.student.name for row in minors if row.signers[0].phone == phone} for phone in shared]
    assert {len(names) for names in children} == {1, 2}


def test_its_people_are_invented_and_their_numbers_valid(roster: ReadRoster) -> None:
    for row in roster.rows:
        documents = [(row.student.id_type, row.student.id_number)]
        documents += [(signer.id_type, signer.id_number) for signer in row.signers]
        for kind, number in documents:
            if kind == "cn-id":
                assert ric.is_valid(number) and number[14:17] == "000"  # a sequence number that no office gives out
        for signer in row.signers:
            assert signer.phone.startswith("+861900000") and phonenumbers.is_valid_number(
                phonenumbers.parse(signer.phone)
            )
    owner = {(signer.phone, signer.id_number) for row in roster.rows for signer in row.signers}
    assert len({phone for phone, _ in owner}) == len(owner)


def test_the_script_writes_the_same_roster(roster: ReadRoster, tmp_path: Path) -> None:
    make_roster(tmp_path / "roster.xlsx")
    spreadsheets = SpreadsheetReader()
    again = spreadsheets.rows((tmp_path / "roster.xlsx").read_bytes())
    assert again == spreadsheets.rows((SEEDS / "roster.xlsx").read_bytes())
    spreadsheets.close()
