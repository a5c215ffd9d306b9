"""The tree of campuses: one headquarters, known parents, no cycle; and the changes that a file would make."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.model.school.course import Campus, Course
from hub.model.school.school_change import compare_campus, compare_course, find_tree_faults, parents_first

HQ = Campus("hq", None, "总部", "Headquarters", "Asia/Shanghai")
EAST = Campus("east", "hq", "东校区", "East", "Asia/Shanghai")
ANNEX = Campus("annex", "east", "二部", "Annex", "Asia/Shanghai")
COURSE = Course("drawing", "east", "素描", "Drawing", {"lessons": 20, "price": "1800.00"})


def tree(*campuses: Campus) -> dict[str, Campus]:
    return {each.id: each for each in campuses}


def test_a_tree_has_no_fault() -> None:
    assert find_tree_faults(tree(HQ, EAST, ANNEX), {}) == []


@pytest.mark.parametrize(
    ("campuses", "fault"),
    [
        ((HQ, replace(EAST, parent=None)), "campus, parent: 2 have none (hq, east)"),
        ((), "campus, parent: every campus has one"),
        ((HQ, replace(EAST, parent="nowhere")), "campus 2 (east), parent: there is no campus nowhere"),
        ((HQ, replace(EAST, parent="east")), "campus 2 (east), parent: the campus would be above itself"),
        ((HQ, replace(EAST, parent="annex"), ANNEX), "campus 2 (east), parent: the campus would be above itself"),
    ],
)
def test_what_is_no_tree_is_named(campuses: tuple[Campus, ...], fault: str) -> None:
    placed = {"east": "campus 2 (east)"}
    assert any(str(each).startswith(fault) for each in find_tree_faults(tree(*campuses), placed))


def test_a_campus_below_a_circle_is_not_in_it() -> None:
    below = Campus("below", "annex", "x", "x", "Asia/Shanghai")
    found = find_tree_faults(tree(HQ, replace(EAST, parent="annex"), ANNEX, below), {})
    assert {str(each).split(",")[0] for each in found} == {"campus east", "campus annex"}


def test_parents_come_first() -> None:
    assert parents_first([ANNEX, EAST, HQ]) == [HQ, EAST, ANNEX]
    assert parents_first([ANNEX]) == [ANNEX]  # its parent exists already


def test_a_change_names_the_values_that_differ() -> None:
    assert compare_campus(EAST, EAST) is None
    assert str(compare_campus(None, EAST)) == "+ campus east"
    moved = compare_campus(EAST, replace(EAST, phone="0551-1", name="东区"))
    assert str(moved) == "~ campus east: name: '东校区' → '东区'; phone: '' → '0551-1'"
    assert moved and moved.entry == EAST
    dearer = compare_course(COURSE, replace(COURSE, details={"lessons": 20, "price": "1900.00", "place": "203"}))
    assert str(dearer) == "~ course east/drawing: price: '1800.00' → '1900.00'; place: None → '203'"
    assert compare_course(COURSE, replace(COURSE, details=dict(COURSE.details))) is None
    assert str(compare_course(None, COURSE)) == "+ course east/drawing"
