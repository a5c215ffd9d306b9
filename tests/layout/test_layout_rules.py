"""Rules about the repository itself: what a newcomer relies on is checked."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
from pathlib import Path

import pytest

from hub import errors
from tests.layout.sources import ROOT

MAX_FILE_LINES = 400
MAX_LINE_LENGTH = 200
# Legal wording, one line per paragraph. Its exact bytes are in the evidence of every signature.
CLAUSES = "clauses.txt.j2"
SHAPELESS_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
PACKAGES = ("hub", "channels", "qianda")
# A clone depends neither on folders of one machine nor on a named package index. (The brackets keep the pattern from
# matching itself.)
FOREIGN = re.compile(
    r"[/]work/|[/]root/|[/]home/\w+/|[-]-index-url|[-]-extra-index-url|pypi[.]org|npmjs[.]org|files[.]pythonhosted"
)
FOREIGN_ALLOWED = {"--no-emit-index-url"}


def tracked(pattern: str = "") -> list[Path]:
    """Return the files that git tracks and that exist. `pattern`: how their names end."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name and name.endswith(pattern)]
    return [path for path in paths if path.is_file()]


def python_files() -> list[Path]:
    return tracked(".py")


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_files_are_short() -> None:
    paths = (*python_files(), *tracked(".sql"))
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_lines_of_templates_are_short() -> None:
    paths = [path for path in tracked() if path.is_relative_to(ROOT / "hub" / "templates") and path.name != CLAUSES]
    lines = [
        (f"{shown(path)}:{number}", line)
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]
    assert len(paths) > 60
    assert [place for place, line in lines if len(line) > MAX_LINE_LENGTH] == []


def test_modules_are_named_after_what_they_hold() -> None:
    assert [
        shown(path) for path in python_files() if SHAPELESS_NAMES & set(path.relative_to(ROOT).with_suffix("").parts)
    ] == []


def test_every_package_has_its_init() -> None:
    folders = {path.parent for path in python_files() if path.relative_to(ROOT).parts[0] in PACKAGES}
    bare = [shown(folder) for folder in folders if not (folder / "__init__.py").exists()]
    assert bare == []


def error_classes() -> list[type[errors.QiandaError]]:
    return [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, errors.QiandaError)]


def test_every_error_has_a_code_of_its_own_and_a_sentence() -> None:
    codes = [str(vars(error).get("code", "")) for error in error_classes()]
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes), codes
    assert len(set(codes)) == len(codes)
    sentences = [str(getattr(error, "sentence", "")) for error in error_classes()]
    assert all(sentence.endswith(".") and sentence[0].isupper() for sentence in sentences), sentences


def test_nothing_of_one_machine_and_no_package_index() -> None:
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        for word in FOREIGN_ALLOWED:
            text = text.replace(word, "")
        found += [f"{shown(path)}: {match.group()}" for match in FOREIGN.finditer(text)]
    assert found == []


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_documents_name_every_make_target() -> None:
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    assert {target for target in makefile_targets() if f"make {target}" not in text} == set()


def test_documents_name_no_make_target_that_is_missing() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in tracked(".md"))
    assert set(re.findall(r"`make ([a-z0-9-]+)", text)) - makefile_targets() == set()


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for path in tracked(".md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{shown(path)}: {target}")
    assert broken == []


def test_every_dependency_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    head = text[: text.index("[project.scripts]")]
    names = set(re.findall(r'^ +"([a-z0-9-]+)', head, re.MULTILINE))
    names |= set(json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"])
    reasons = (ROOT / "docs/adr/0003-dependencies.md").read_text(encoding="utf-8")
    assert {name for name in names if f"| {name} |" not in reasons} == set()


def test_the_lock_of_the_scripts_names_no_registry() -> None:
    locked = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert len(locked) > 1
    assert [name for name, package in locked.items() if "resolved" in package] == []
    assert [name for name, package in locked.items() if name and "integrity" not in package] == []


def test_types_of_scripts_say_something() -> None:
    """tsc allows everything with `any`, so a single `any` switches its check off."""
    paths = [*tracked(".js"), *tracked(".d.ts")]
    empty = re.compile(r"[{<(|:,]\s*(?:any|Object|Function)\s*(?:\[\]\s*)?[}>)|,;=]|\{\*\}")
    assert len(paths) > 20
    assert [shown(path) for path in paths if empty.search(path.read_text(encoding="utf-8"))] == []
