"""The published hashes of the signing page's scripts are those that `sha256sum` computes from the source."""

from __future__ import annotations

import hashlib
import re
import subprocess
from base64 import b64decode
from pathlib import Path

from hub.web.app import STATIC_FOLDER
from hub.web.pages.scripts import Scripts
from tests.checkout import ROOT
from tests.running import running_hub

DOCUMENT = (ROOT / "docs" / "browser-signing.md").read_text(encoding="utf-8")


def by_sha256sum(command: str) -> str:
    return subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout


async def test_anybody_gets_the_same_from_the_source() -> None:
    listed, whole = re.findall(r"^cd hub/web/static && .*$", DOCUMENT, re.MULTILINE)
    async with running_hub(with_worker=False) as running:
        async with running.http.get(f"{running.origin}/.well-known/qianda-scripts.sha256") as answer:
            published = await answer.text()
        async with running.http.get(f"{running.origin}/verify") as answer:
            page = await answer.text()
    assert by_sha256sum(listed.partition(" | ")[0]) == published
    (sha256,) = re.findall(r"^[0-9a-f]{64}", by_sha256sum(whole))
    assert sha256 == hashlib.sha256(published.encode()).hexdigest()
    assert sha256 in page


def test_the_page_names_the_hash_of_everything_that_is_imported() -> None:
    tags = str(Scripts.read(STATIC_FOLDER).tags("signer/sign.js", "/static/x"))
    named = dict(re.findall(r'="/static/x/(signer/[a-z_]+\.js)" integrity="sha256-([^"]+)"', tags))
    assert all(
        b64decode(value) == hashlib.sha256((STATIC_FOLDER / name).read_bytes()).digest()
        for name, value in named.items()
    )
    imported = {"signer/sign.js"}
    while more := {f"signer/{found}" for name in imported for found in _imports(STATIC_FOLDER / name)} - imported:
        imported |= more
    assert set(named) == imported and len(imported) > 8


def _imports(path: Path) -> list[str]:
    return re.findall(r"from '\./([a-z_]+\.js)'", path.read_text(encoding="utf-8"))
