"""The page's check of what follows the shown bytes: in a browser and, if it is installed, in Node."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from playwright.async_api import Browser, Route

from qianda.checks import RefusedToSign
from qianda.pdf.revisions import MAX_DICTIONARIES, MAX_OBJECTS, MAX_REVISIONS, MAX_SEPARATORS_OUTSIDE_STREAMS
from qianda.update import check_update
from tests.browser.update_cases import dishonest_cases, honest_cases
from tests.browser.update_files import NEW, Case, last_revision
from tests.browser.update_reasons import reasons_by_case

MODULES = Path(__file__).parents[2] / "hub" / "web" / "static" / "signer"
NODE = shutil.which("node")
ORIGIN = "http://checks.example"
# `read` returns the bytes of a file. An error other than a refusal is raised and fails the test.
VERDICTS = """
async (checkUpdate, RefusedToSign, count, read) => {
  const verdicts = [];
  for (let at = 0; at < count; at += 1) {
    const [shown, prepared] = [await read(`${at}.shown`), await read(`${at}.prepared`)];
    try {
      checkUpdate(shown, prepared);
      verdicts.push(null);
    } catch (error) {
      if (!(error instanceof RefusedToSign)) throw error;
      verdicts.push([error.number, error.message]);
    }
  }
  return verdicts;
}
"""
IN_BROWSER = """
async (count) => {
  const [{ checkUpdate }, { RefusedToSign }] = [await import('/update.js'), await import('/checks.js')];
  const read = async (name) => new Uint8Array(await (await fetch(`/cases/${name}`)).arrayBuffer());
  return (%s)(checkUpdate, RefusedToSign, count, read);
}
"""
IN_NODE = """
import { readFileSync } from 'node:fs';
import { checkUpdate } from './update.js';
import { RefusedToSign } from './checks.js';
const read = (name) => new Uint8Array(readFileSync(`cases/${name}`));
console.log(JSON.stringify(await (%s)(checkUpdate, RefusedToSign, Number(process.argv[2]), read)));
"""


@pytest.fixture(scope="module")
def honest() -> list[Case]:
    return asyncio.run(honest_cases())


@pytest.fixture(scope="module")
def dishonest(honest: list[Case]) -> list[Case]:
    return list(dishonest_cases(honest))


@pytest.fixture(scope="module")
def rewritten(honest: list[Case]) -> list[Case]:
    """Return honest files rewritten by the code that makes the dishonest ones: it is the change that is refused, not
    the rewriting."""
    return [
        Case(f"{each.name}, rewritten", each.shown, last_revision(each.shown, each.prepared).write()) for each in honest
    ]


Verdict = tuple[int, str] | None


async def in_browser(browser: Browser, cases: list[Case]) -> dict[str, Verdict]:
    page = await browser.new_page()

    async def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name.startswith("cases/"):
            number, kind = name.removeprefix("cases/").split(".")
            await route.fulfill(body=getattr(cases[int(number)], kind))
        elif name.endswith(".js"):
            await route.fulfill(path=MODULES / name, content_type="text/javascript")
        else:
            await route.fulfill(body="<!doctype html>", content_type="text/html")

    await page.route(f"{ORIGIN}/**", answer)
    await page.goto(f"{ORIGIN}/")
    return _named(cases, await page.evaluate(IN_BROWSER % VERDICTS, len(cases)))


def in_node(folder: Path, cases: list[Case]) -> dict[str, Verdict]:
    if NODE is None:
        pytest.skip("there is no Node on this machine")
    (folder / "cases").mkdir()
    for module in MODULES.glob("*.js"):
        shutil.copy(module, folder)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (folder / "verdicts.js").write_text(IN_NODE % VERDICTS, encoding="utf-8")
    for number, case in enumerate(cases):
        (folder / "cases" / f"{number}.shown").write_bytes(case.shown)
        (folder / "cases" / f"{number}.prepared").write_bytes(case.prepared)
    command = [NODE, "verdicts.js", str(len(cases))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return _named(cases, json.loads(done.stdout))


def _named(cases: list[Case], verdicts: list[Any]) -> dict[str, Verdict]:
    assert len(verdicts) == len(cases)
    return {
        case.name: None if verdict is None else (verdict[0], verdict[1])
        for case, verdict in zip(cases, verdicts, strict=True)
    }


def check_verdicts(verdicts: dict[str, Verdict], good: list[Case], bad: list[Case]) -> None:
    assert {case.name: verdicts[case.name] for case in good if verdicts[case.name]} == {}
    assert [case.name for case in bad if verdicts[case.name] is None] == []
    refusals = [verdict for verdict in verdicts.values() if verdict]
    assert all(number == 1 and message.startswith("1: ") for number, message in refusals)


@pytest.mark.real
async def test_the_page_takes_what_the_hub_writes_and_refuses_the_rest(
    browser: Browser, honest: list[Case], rewritten: list[Case], dishonest: list[Case]
) -> None:
    good = [*honest, *rewritten]
    check_verdicts(await in_browser(browser, [*good, *dishonest]), good, dishonest)


@pytest.mark.real
def test_node_comes_to_the_same_verdicts(
    tmp_path: Path, honest: list[Case], rewritten: list[Case], dishonest: list[Case]
) -> None:
    good = [*honest, *rewritten]
    check_verdicts(in_node(tmp_path, [*good, *dishonest]), good, dishonest)


def test_node_reads_no_larger_objects_than_python(tmp_path: Path, honest: list[Case]) -> None:
    cases = []
    for value, count in ((b"<<>>", MAX_DICTIONARIES), (b"7 ", MAX_SEPARATORS_OUTSIDE_STREAMS)):
        revision = last_revision(honest[0].shown, honest[0].prepared)
        revision.objects[NEW] = b"[%b]" % (value * count)
        cases.append(Case(value.decode(), honest[0].shown, revision.write() + b"\nendstream"))
    for name, many in (("objects", b" 0 obj\n" * (MAX_OBJECTS + 1)), ("revisions", b"%%EOF\n" * (MAX_REVISIONS + 1))):
        cases.append(Case(name, honest[0].shown, honest[0].shown + many))
    refusals = [message for _, message in filter(None, in_node(tmp_path, cases).values())]
    assert ["too large ones" in message for message in refusals] == [True] * 4, refusals
    assert all(map(refused_by_python, cases))


def test_node_refuses_each_forgery_for_its_own_reason(tmp_path: Path, honest: list[Case]) -> None:
    forged = list(reasons_by_case({case.name: case for case in honest}))
    verdicts = in_node(tmp_path, [case for case, _ in forged])
    assert {
        case.name: verdicts[case.name] for case, why in forged if why not in (verdicts[case.name] or ("", ""))[1]
    } == {}
    # The client in Python finds the signature and its place by the field, so that it mistakes nothing else for them.
    accepted = {case.name for case, _ in forged if not refused_by_python(case)}
    assert accepted == {"a signature with two empty places", "a second signature in no field"}


@pytest.mark.real
def test_the_python_client_comes_to_the_same_verdicts(honest: list[Case], dishonest: list[Case]) -> None:
    assert [case.name for case in honest if refused_by_python(case)] == []
    assert [case.name for case in dishonest if not refused_by_python(case)] == []


@pytest.mark.parametrize(
    "name", ["another identity", "a field over another one", "a field that is hidden", "a field with a background"]
)
def test_the_python_client_refuses_it(dishonest: list[Case], name: str) -> None:
    assert refused_by_python(next(each for each in dishonest if each.name == name))


def refused_by_python(case: Case) -> bool:
    try:
        check_update(case.shown, case.prepared)
    except RefusedToSign:
        return True
    return False


@pytest.mark.parametrize(
    "name",
    [
        "page with other content",
        "content replaced",
        "annotation added",
        "a missing object comes to life",
        "metadata that are a page's content",
        "the catalog as graphics states",
    ],
)
def test_the_changes_show_on_the_page(dishonest: list[Case], name: str) -> None:
    """The page looks different, so the cases are attacks, and not files that any reader would take for broken."""
    case = next(each for each in dishonest if each.name == name)
    before, after = (last_page(pdf) for pdf in (case.shown, case.prepared))
    assert before != after


def last_page(pdf: bytes) -> bytes:
    document = pypdfium2.PdfDocument(pdf)
    bitmap = document[len(document) - 1].render(scale=0.5, may_draw_forms=True)
    return bytes(bitmap.buffer)
