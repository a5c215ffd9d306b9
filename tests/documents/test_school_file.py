"""A school's file: which values are read from it, and the place of each fault."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, strategies as st

from hub.documents.school.school_file import describe_school, read_school
from hub.documents.toml_text import write_toml
from hub.model.school.course import Campus
from hub.settings import PACKED
from tests.checkout import ROOT
from tests.school_toml import CAMPUSES, COURSES, ORGANISATION, SCHOOL


def faults(text: str) -> list[str]:
    return [str(each) for each in read_school(text)[1]]


def test_a_whole_school_is_read() -> None:
    file, found = read_school(SCHOOL)
    assert found == []
    assert file.organisation["credit_code"] == "52340100MJ00000015"
    assert file.templates == ("course",)
    assert [(each.id, each.parent, each.zone) for each in file.campuses] == [
        ("hq", None, "Asia/Shanghai"),
        ("east", "hq", "Asia/Shanghai"),
        ("west", "hq", "Asia/Urumqi"),
        ("west-annex", "west", "Asia/Shanghai"),
    ]
    assert file.campuses[1] == Campus("east", "hq", "东校区", "东校区", "Asia/Shanghai")
    (course,) = file.courses
    assert (course.campus, course.id, course.name_en) == ("east", "drawing", "Drawing")
    assert course.details["starts"] == "2027-03-06" and course.details["price"] == "1800.00"
    assert course.details["materials_fee"] == "0.00"
    assert course.details["refund_steps"][0]["when_en"] == "Before the first lesson"


@pytest.mark.parametrize(
    "nested",
    [
        "a=" + "[" * 5_000,
        "a." * 1_000 + "a = 1",
        "\n".join(f"[b{number}.'a b' . {'a.' * 7}a]" for number in range(3)),
        r'"\"".' + "a." * 200 + "a = 1",
        "x = {a = '''b'''', " + "a." * 200 + "a = 1}",
        '# """\n' + "a." * 200 + "a = 1",
        f"[[course]]\nname = {('{' + 'a.' * 200 + 'a = [' + chr(10)) * 8}{']}' * 8}",
    ],
    ids=[
        "arrays",
        "a key",
        "many keys",
        "a quote in a key",
        "behind a string",
        "behind a comment",
        "a value that the fault would repeat",
    ],
)
def test_what_is_nested_too_deeply_is_a_fault(nested: str) -> None:
    assert "the file: it is nested too deeply" in faults(nested)


@pytest.mark.parametrize("value", ['"x, {0}"', r'"\", {0}"', '"""\n{0} = 1\n"""', "'''\n{0} = 1\n'''", "1 # [{0}]"])
def test_dots_in_a_text_or_comment_are_no_key(value: str) -> None:
    (fault,) = faults("name = " + value.format("a." * 20 + "a"))
    assert fault.startswith("the file: there is no key name")


def test_the_demo_school_is_one_too() -> None:
    """The demo's data, written as one file, are read as the same values."""
    seeds = PACKED / "demo" / "seeds"
    text = "\n".join((seeds / name).read_text("utf-8") for name in ("school.toml", "courses.toml"))
    file, found = read_school(text)
    assert found == []
    stored = tomllib.loads((seeds / "courses.toml").read_text("utf-8"))["course"]
    assert [dict(each.details) for each in file.courses] == [each["details"] for each in stored]


def test_the_file_of_the_runbook_is_one_too() -> None:
    runbook = (ROOT / "docs" / "operating.md").read_text("utf-8").partition("## A school of your own")[2]
    written = runbook.partition("```toml\n")[2].partition("```")[0]
    file, found = read_school(written.replace('credit_code = "…"', 'credit_code = "52340100MJ00000015"'))
    assert found == []
    assert [each.id for each in file.campuses] == ["hq", "east"] and file.staff["login"] == "office"


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ('id = "east"', 'id = "ea st"', "campus 2 (ea st), id: has to be letters, digits"),
        ('name = "东校区"', 'nam = "东校区"', "campus 2 (east): there is no key nam; did you mean name?"),
        ('name = "东校区"', 'name = " "', "campus 2 (east), name: is empty"),
        ('name = "东校区"', "name = 3", "campus 2 (east), name: has to be text in quotes, not 3"),
        ('name = "东校区"', f'name = "{"东" * 201}"', "campus 2 (east), name: has to be one line of at most 200"),
        ("Asia/Urumqi", "Asia/Urumchi", "campus 3 (west), zone: there is no time zone Asia/Urumchi; did you mean"),
        ('id = "west-annex"', 'id = "west"', "campus: west occurs more than once"),
        ("MJ00000015", "MJ00000016", "school, credit_code: 52340100MJ00000016 is not a valid credit code"),
        ('licence = "教民234010000000001号"', "", "school, licence: is missing"),
        (
            "lessons = 20",
            "lessons = 0",
            "course 1 (drawing), details, lessons: has to be a whole number above 0, not 0",
        ),
        ("lessons = 20", "lessons = true", "details, lessons: has to be a whole number above 0, not True"),
        ("lessons = 20\n", "", "course 1 (drawing), details, lessons: is missing"),
        ("lessons", "lesons", "course 1 (drawing), details: there is no key lesons; did you mean lessons?"),
        (
            "starts = 2027-03-06",
            'starts = "6 March"',
            "details, starts: has to be a day like 2027-03-01, not '6 March'",
        ),
        (
            "starts = 2027-03-06",
            "starts = 2027-08-06",
            "course 1 (drawing), details, ends: is before the course starts",
        ),
        ("starts = 2027-03-06\n", "", "course 1 (drawing), details, starts: is missing"),
        ("price = 1800", "price = -1", "course 1 (drawing), details, price: has to be an amount in yuan"),
        ("price = 1800", "price = 18.005", "course 1 (drawing), details, price: has to be an amount in yuan"),
        ("price = 1800", "price = nan", "course 1 (drawing), details, price: has to be an amount in yuan"),
        ("price = 1800\n", "", "course 1 (drawing), details, price: is missing"),
        ("share = 80", "share = 101", "refund_steps 2, share: has to be a whole number from 0 to 100"),
        ('when = "此后"', 'wann = "此后"', "refund_steps 2, when: is missing"),
        ('templates = ["course"]', 'templates = "course"', "templates: has to be a list of names"),
        (
            "lessons = 20",
            "lessons = 20\ntemplate = 3",
            "details, template: has to be text in quotes",
        ),
        ("[[course]]", "[[curse]]", "the file: there is no key curse; did you mean course?"),
        ("[school]", "[[school]]", "school: has to be a table [school]"),
        ('campus = "east"\n', "", "course 1 (drawing), campus: is missing"),
        ('name = "素描"', "name = 素描", "the file: it is not valid TOML: "),
        (COURSES, '\n[staff]\nname = "周"\n[seal]\nkind = "own"\n', "staff, login: is missing"),
        (COURSES, '\n[seal]\nkind = "own"\n', "seal, kind: has to be one of builtin, request"),
    ],
)
def test_a_fault_is_named_with_its_place(before: str, after: str, fault: str) -> None:
    assert before in SCHOOL
    found = faults(SCHOOL.replace(before, after, 1))
    assert any(fault in each for each in found), found


def test_all_faults_are_named_at_once() -> None:
    wrong = (
        SCHOOL.replace("Asia/Urumqi", "Mars")
        .replace("lessons = 20", "lessons = -1")
        .replace("share = 80", "share = 8.5")
    )
    assert len(faults(wrong)) == 3


def test_a_course_without_details_is_named() -> None:
    bare = '\n[[course]]\ncampus = "east"\nid = "singing"\nname = "声乐"\n'
    assert faults(ORGANISATION + CAMPUSES + bare) == [
        "course 1 (singing), details: is missing: what the contract says of the course"
    ]


def test_what_is_shown_is_read_as_the_same_school() -> None:
    file, _ = read_school(SCHOOL)
    shown = write_toml(describe_school(file.organisation, list(file.campuses), list(file.courses)))
    again, found = read_school(shown)
    assert found == []
    assert (again.organisation, again.campuses, again.courses) == (file.organisation, file.campuses, file.courses)


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8")),
    st.dates(),
    st.datetimes(timezones=st.none()),
    st.floats(allow_nan=False, allow_infinity=False),
)
KEYS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_whatever_is_written_is_read_again(values: dict[str, object]) -> None:
    assert tomllib.loads(write_toml(values)) == values


def test_a_value_that_toml_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        write_toml({"a": None})
    assert write_toml({"at": date(2027, 3, 6), "when": datetime(2027, 3, 6, 9, tzinfo=UTC)}) == (
        "at = 2027-03-06\nwhen = 2027-03-06T09:00:00+00:00\n"
    )
