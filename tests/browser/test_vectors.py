"""The published vectors and the page's own code: in a browser and, if it is installed, in Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Route

from tests.browser.test_update_check import MODULES, NODE
from tests.client.vectors import FOLDER, UPDATE_CHECK

ORIGIN = "https://vectors.example"  # WebCrypto requires a secure origin
VERDICTS = """
async (modules, key, ...wholes) => {
  const [{ checkUpdate }, { RefusedToSign, checkPrepared }, { possessionStatement }] = modules;
  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const refusing = async (act, number) => {
    try {
      await act();
      return null;
    } catch (error) {
      if (!(error instanceof RefusedToSign)) throw error;
      return number ?? error.number;
    }
  };
  const said = {};
  for (const [whole, each] of wholes.flatMap((file) => file.cases.map((item) => [file, item]))) {
    const [shown, certificate] = [bytes(whole.shown), bytes(whole.certificate)];
    const [prepared, toBeSigned] = [bytes(each.prepared), bytes(each.to_be_signed)];
    const parts = { shown, prepared, byteRange: each.byte_range, toBeSigned, certificate };
    said[each.name] = await refusing(() => checkPrepared(parts))
      ?? await refusing(() => checkUpdate(shown, prepared), UPDATE_CHECK);
  }
  const statement = await possessionStatement(bytes(key.key_challenge), key.origin, bytes(key.spki));
  const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const spki = await crypto.subtle.importKey('spki', bytes(key.spki), ecdsa, false, ['verify']);
  const proved = await crypto.subtle.verify(ecdsa, spki, bytes(key.proof.raw), statement);
  return { said, proved, statement: btoa(String.fromCharCode(...statement)) };
}
""".replace("UPDATE_CHECK", str(UPDATE_CHECK))
FILES = ("key.json", "checks.json", "files.json")
NAMES = ("update.js", "checks.js", "key.js", "key_store.js")
IN_BROWSER = f"""
async (vectors) => {{
  const modules = await Promise.all({json.dumps([f"/{name}" for name in NAMES])}.map((name) => import(name)));
  return ({VERDICTS})(modules, ...vectors);
}}
"""
IN_NODE = f"""
import {{ readFileSync }} from 'node:fs';
const modules = await Promise.all({json.dumps([f"./{name}" for name in NAMES])}.map((name) => import(name)));
const vectors = {json.dumps(FILES)}.map((name) => JSON.parse(readFileSync(name)));
console.log(JSON.stringify(await ({VERDICTS})(modules, ...vectors)));
"""


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text("utf-8"))


def check(found: dict[str, Any]) -> None:
    cases = [case for name in FILES[1:] for case in read(name)["cases"]]
    assert found["said"] == {case["name"]: case["refused_by"] for case in cases}
    assert found["proved"] is True and found["statement"] == read("key.json")["statement"]


async def test_the_page_comes_to_the_same_verdicts(browser: Browser) -> None:
    page = await browser.new_page()

    async def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name.endswith(".js"):
            await route.fulfill(path=MODULES / name, content_type="text/javascript")
        else:
            await route.fulfill(body="<!doctype html>", content_type="text/html")

    await page.route(f"{ORIGIN}/**", answer)
    await page.goto(f"{ORIGIN}/")
    check(await page.evaluate(IN_BROWSER, [read(name) for name in FILES]))


def test_node_comes_to_the_same_verdicts(tmp_path: Path) -> None:
    if NODE is None:
        pytest.skip("there is no Node on this machine")
    for path in (*MODULES.glob("*.js"), *FOLDER.glob("*.json")):
        shutil.copy(path, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (tmp_path / "verdicts.js").write_text(IN_NODE, encoding="utf-8")
    done = subprocess.run([NODE, "verdicts.js"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    check(json.loads(done.stdout))
