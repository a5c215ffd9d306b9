"""Break a line that protects something, run the tests that have to notice, and report the breaks that no test noticed.

`tests/mutants.toml` lists the breaks. Each is made in a throw-away copy of the tree, one at a time:

    python -m tests.mutants --jobs 2 --only lifecycle
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import os
import queue
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
import venv
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import groupby
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).parents[1]
LIST = "tests/mutants.toml"
# Seconds for the tests of one mutant.
TEST_TIMEOUT = 300.0
# Files from which the templates of test databases are made: a mutant of these needs a database server of its own.
OWN_DATABASE = ("hub/store/server/", "hub/lifecycle/school/import_roster.py", "hub/demo/seeds/")
# Exit codes of pytest. All but the first two mean that no test has judged anything; skipped tests mean that, too.
PASSED, FAILED, NOTHING_RUN = 0, 1, 5
QUICK = ("-x", "-q", "-p", "no:cacheprovider", "-r", "N")


@dataclass(frozen=True)
class Mutant:
    """A break. `line`: whole lines of `file`, which are replaced by `replacement`. `guards`: what they protect.
    `tests`: at least one of these has to fail."""

    guards: str
    file: str
    line: str
    replacement: str
    tests: tuple[str, ...]

    def apply(self, text: str) -> str:
        """Return the text with the line replaced. Raises ValueError unless the line is there exactly once."""
        if (count := f"\n{text}".count(f"\n{self.line}\n")) != 1:
            raise ValueError(f"its line stands there {count} times")
        return f"\n{text}".replace(f"\n{self.line}\n", f"\n{self.replacement}\n")[1:]


class Verdict(Enum):
    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    LOST = "LINE NOT FOUND"
    UNSOUND = "UNSOUND"


@dataclass(frozen=True)
class Judged:
    mutant: Mutant
    verdict: Verdict
    why: str = ""


def read_list(root: Path = ROOT) -> list[Mutant]:
    found = tomllib.loads((root / LIST).read_text("utf-8"))["mutants"]
    return [
        Mutant(
            entry["guards"],
            entry["file"],
            entry["line"].strip("\n"),
            entry["replacement"].strip("\n"),
            tuple(entry["tests"]),
        )
        for entry in found
    ]


def faults_of(mutant: Mutant, root: Path = ROOT) -> list[str]:
    """Return what is wrong with an entry of the list, without running anything."""
    faults = [f"no such test: {test}" for test in mutant.tests if not names_a_test(test, root)]
    if not mutant.tests:
        faults.append("it names no test")
    try:
        broken = mutant.apply((root / mutant.file).read_text("utf-8"))
        if mutant.file.endswith(".py"):
            ast.parse(broken)
    except FileNotFoundError:
        faults.append("no such file")
    except SyntaxError as error:
        faults.append(f"its replacement is no Python: {error.msg}")
    except ValueError as error:
        faults.append(str(error))
    return faults


def names_a_test(test: str, root: Path = ROOT) -> bool:
    file, _, name = test.partition("::")
    path = root / file
    if not path.is_file():
        return False
    return not name or name.partition("[")[0] in functions_in(path.read_bytes())


@cache
def functions_in(source: bytes) -> frozenset[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.parse(source).body if isinstance(node, functions))


# ---- run


def judge(mutant: Mutant, copy: Path, environment: dict[str, str]) -> Judged:
    """Break the line in this copy, run the tests, and restore the line."""
    path = copy / mutant.file
    try:
        whole = path.read_text("utf-8")
        broken = mutant.apply(whole)
    except (FileNotFoundError, ValueError) as error:
        return Judged(mutant, Verdict.LOST, str(error))
    if mutant.file.startswith(OWN_DATABASE):
        environment = environment | {"PYTEST_XDIST_TESTRUNUID": uuid4().hex}
    _write(path, broken)
    try:
        code, said = _pytest(mutant.tests, copy, environment)
    finally:
        _write(path, whole)
    if code == FAILED:
        return Judged(mutant, Verdict.CAUGHT, said)
    if code == PASSED:
        return Judged(mutant, Verdict.SURVIVED, ", ".join(mutant.tests))
    return Judged(mutant, Verdict.UNSOUND, f"no test has judged it:\n{said}")


def _write(path: Path, text: str) -> None:
    """Write a file and delete its compiled version, which Python recognises as outdated only by second and size."""
    path.write_text(text, "utf-8")
    if path.suffix == ".py":
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def _pytest(tests: Sequence[str], copy: Path, environment: dict[str, str]) -> tuple[int, str]:
    # Of a whole module, the slow proofs are left out. A test that is named is run.
    marked = () if all("::" in test for test in tests) else ("-m", "not real")
    command = [str(copy / ".venv/bin/python"), "-m", "pytest", *QUICK, *marked, *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=TEST_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return NOTHING_RUN, f"no end within {TEST_TIMEOUT:.0f} s"
    said = [line for line in done.stdout.splitlines() if line.strip()] or done.stderr.splitlines()
    skipped = done.returncode == PASSED and " passed" not in said[-1]
    return NOTHING_RUN if skipped else done.returncode, "\n".join(said[-20:])


@contextlib.contextmanager
def copies(count: int, root: Path = ROOT) -> Iterator[queue.Queue[Path]]:
    """Yield a queue of `count` copies of the tree as it is now, including uncommitted changes."""
    folder = Path(tempfile.mkdtemp(prefix="qianda-mutants-"))
    free: queue.Queue[Path] = queue.Queue()
    try:
        for number in range(count):
            free.put(_copied(root, folder / str(number)))
        yield free
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(root: Path, copy: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)
    _make_environment(copy)
    return copy


def _make_environment(copy: Path) -> None:
    """Create an environment whose own code is the copy's, also for programs that ignore environment variables.
    Everything else comes from the present environment."""
    venv.create(copy / ".venv", symlinks=True)
    (site,) = (copy / ".venv").glob("lib/python*/site-packages")
    installed = sysconfig.get_paths()["purelib"]
    (site / "copy.pth").write_text(f"{copy}\nimport site; site.addsitedir({installed!r})\n")


def environment_for(run: str) -> dict[str, str]:
    """Return the environment for a test run. `run`: the name of the database server that these runs share."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "QIANDA_"))}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH"):
        kept.pop(name, None)
    return kept | {"PYTEST_XDIST_TESTRUNUID": run}


def failing_before(mutants: Iterable[Mutant], free: queue.Queue[Path], jobs: int, run: str) -> dict[str, str]:
    """Return the tests that fail without any mutant, with their output. What they say of a mutant does not count."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    files = [list(of_file) for _, of_file in groupby(tests, lambda test: test.partition("::")[0])]

    def look(of_file: list[str]) -> dict[str, str]:
        with _taken(free) as copy:
            environment = environment_for(run)
            if _pytest(of_file, copy, environment)[0] == PASSED:
                return {}
            alone = {test: _pytest([test], copy, environment) for test in of_file}
        return {test: said for test, (code, said) in alone.items() if code != PASSED}

    found: dict[str, str] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for failing in pool.map(look, files):
            found |= failing
    return found


@contextlib.contextmanager
def _taken(free: queue.Queue[Path]) -> Iterator[Path]:
    copy = free.get()
    try:
        yield copy
    finally:
        free.put(copy)


def judge_all(
    mutants: Sequence[Mutant], jobs: int, say: Callable[[str], None] = print, root: Path = ROOT
) -> list[Judged]:
    """Judge the mutants, `jobs` at a time. `say` is called for each as soon as it is judged."""
    run = f"mutants-{uuid4().hex}"
    with copies(jobs, root) as free, _database_server(run):
        say(f"{len(mutants)} mutants. First their tests without any …")
        failing = failing_before(mutants, free, jobs, run)
        sound = [each for each in mutants if not failing.keys() & set(each.tests)]
        judged = [
            Judged(each, Verdict.UNSOUND, "\n".join(failing[test] for test in each.tests if test in failing))
            for each in mutants
            if each not in sound
        ]

        def look(mutant: Mutant) -> Judged:
            with _taken(free) as copy:
                return judge(mutant, copy, environment_for(run))

        pool = ThreadPoolExecutor(jobs)
        try:
            for number, done in enumerate(as_completed([pool.submit(look, each) for each in sound]), start=1):
                judged.append(one := done.result())
                say(f"{number:3}/{len(sound)} {one.verdict.value:9} {one.mutant.file}: {one.mutant.guards}")
        finally:  # an interruption does not wait for mutants that have not begun
            pool.shutdown(cancel_futures=True)
    return judged


@contextlib.contextmanager
def _database_server(run: str) -> Iterator[None]:
    """Hold the database server of all these test runs: as long as it is held, its templates are made only once."""
    os.environ["PYTEST_XDIST_TESTRUNUID"] = run
    from tests.database import leave_shared_server, shared_server

    shared_server()
    try:
        yield
    finally:
        leave_shared_server()


def report(judged: Sequence[Judged], say: Callable[[str], None] = print) -> bool:
    """Say what is wrong, with a summary. Return whether every mutant was caught."""
    for one in judged:
        if one.verdict is not Verdict.CAUGHT:
            say(f"\n{one.verdict.value}: {one.mutant.file}: {one.mutant.guards}\n{one.mutant.line}\n{one.why}")
    counts = {verdict: sum(one.verdict is verdict for one in judged) for verdict in Verdict}
    say("\n" + ", ".join(f"{count} {verdict.value.lower()}" for verdict, count in counts.items()))
    return counts[Verdict.CAUGHT] == len(judged)


def main() -> int:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is a text stream
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    asked.add_argument("--only", default="", help="a regular expression for file: what is guarded")
    given = asked.parse_args()
    mutants = [each for each in read_list() if re.search(given.only, f"{each.file}: {each.guards}")]
    began = time.monotonic()
    well = report(judge_all(mutants, given.jobs))
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if well and mutants else 1


if __name__ == "__main__":
    raise SystemExit(main())
