"""The list of mutants fits the present code, and the runner reports which mutants a test noticed."""

from __future__ import annotations

import queue
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants import (
    Judged,
    Mutant,
    Verdict,
    copies,
    environment_for,
    failing_before,
    faults_of,
    judge,
    read_list,
    report as report_on,
)

MIN_MUTANTS = 60
GUARD = "def may_pass(age):\n    if age < 18:\n        return False\n    return True\n"
TESTS = """
import pytest
from gate import may_pass

def test_a_child_does_not_pass():
    assert not may_pass(17)

def test_an_adult_passes():
    assert may_pass(18)

def test_it_is_red_anyway():
    assert False

def test_it_lacks_something():
    pytest.skip("no browser here")
"""


def test_every_entry_fits_the_code() -> None:
    """The line of each entry is in its file exactly once, and its tests exist."""
    faults = {f"{each.file}: {each.guards}": faults_of(each) for each in read_list()}
    assert {name: found for name, found in faults.items() if found} == {}


def test_no_break_stands_there_twice_and_there_are_enough() -> None:
    breaks = [(each.file, each.line, each.replacement) for each in read_list()]
    assert len(set(breaks)) == len(breaks) >= MIN_MUTANTS


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Return a copy of a small project, with its uncommitted changes."""
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = --disable-plugin-autoload\n")
    (project / "gate.py").write_text(GUARD)
    (project / "tests" / "test_gate.py").write_text(TESTS)
    subprocess.run(["git", "init", "-q", project], check=True)
    with copies(1, project) as free:
        yield free.get()
    assert (project / "gate.py").read_text() == GUARD


BREAK = Mutant(
    "a child stays outside",
    "gate.py",
    "    if age < 18:",
    "    if False:",
    ("tests/test_gate.py::test_a_child_does_not_pass",),
)


def test_what_is_noticed_what_is_not_and_what_cannot_be_judged(place: Path) -> None:
    environment = environment_for("x")
    survivor = replace(BREAK, tests=("tests/test_gate.py::test_an_adult_passes",))
    moved = replace(BREAK, line="    if age < 21:")
    twice = replace(BREAK, line="    return True", replacement="    return True\n    return True")
    unknown = replace(BREAK, tests=("tests/test_gate.py::test_that_nobody_wrote",))
    no_python = replace(BREAK, replacement="    if:")
    verdicts = [judge(each, place, environment).verdict for each in (BREAK, survivor, moved, unknown, no_python)]
    assert verdicts == [Verdict.CAUGHT, Verdict.SURVIVED, Verdict.LOST, Verdict.UNSOUND, Verdict.UNSOUND]
    assert (place / "gate.py").read_text() == GUARD
    assert faults_of(BREAK, place) == [] and faults_of(twice, place) == []
    assert all(faults_of(each, place) for each in (moved, unknown, no_python, replace(BREAK, tests=())))
    assert all(faults_of(replace(BREAK, file=name), place) for name in ("gone.py", "tests/test_gate.py"))


def test_a_test_that_fails_anyway_notices_nothing(place: Path) -> None:
    red = replace(
        BREAK, tests=("tests/test_gate.py::test_it_is_red_anyway", "tests/test_gate.py::test_it_lacks_something")
    )
    free: queue.Queue[Path] = queue.Queue()
    free.put(place)
    assert set(failing_before([BREAK, red], free, 1, "x")) == set(red.tests)


def test_a_survivor_makes_it_fail() -> None:
    said: list[str] = []
    caught = Judged(BREAK, Verdict.CAUGHT)
    assert report_on([caught], said.append)
    for verdict in (Verdict.SURVIVED, Verdict.LOST, Verdict.UNSOUND):
        assert not report_on([caught, Judged(BREAK, verdict, "why")], said.append)
    assert said[-1].strip() == "1 caught, 0 survived, 0 line not found, 1 unsound"
