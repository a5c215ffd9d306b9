"""A phone in the demo's network, as a program of its own: `python -m tests.processes.lan_visit ORIGIN AUTHORITY KEY`.

Verifies the server against the demo's authority, then opens a link with Chromium, as a phone does whose user has
dismissed the certificate warning. Prints what it saw, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
from typing import Any
from urllib.parse import quote
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from playwright.async_api import async_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM, PHONE
from tests.processes.programs import eventually
from tests.processes.test_demo import PHONE as NUMBER, contract

KEYS = """
async () => {
    const key = await crypto.subtle.generateKey({name: 'ECDSA', namedCurve: 'P-256'}, false, ['sign']);
    return {secure: isSecureContext, key: key.privateKey.type, origin: location.origin};
}
"""


async def come_in(link: str) -> dict[str, Any]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = await browser.new_context(**PHONE, ignore_https_errors=True)
        page = await context.new_page()
        await page.goto(link)
        await page.locator("[data-act=begin]").click()
        await page.locator("#code").wait_for()
        seen: dict[str, Any] = await page.evaluate(KEYS)
        seen["cookies"] = [each["name"] for each in await context.cookies()]
        await browser.close()
    return seen


def main(origin: str, authority: str, key: str) -> None:
    client = build_opener(ProxyHandler({}), HTTPSHandler(context=ssl.create_default_context(cafile=authority)))

    def asked(path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body else None
        with client.open(Request(origin + path, data, headers), timeout=60) as answer:
            return answer.read()

    issued = json.loads(asked("/api/v1/contracts", contract("lan") | {"send": "none"}))
    door = {"signer": issued["signers"][0]["id"], "door": "copy"}
    link = json.loads(asked(f"/api/v1/contracts/{issued['id']}/links", door))
    home = asked("/?lang=en").decode()
    installed = re.search(r'href="(/demo/authority\.crt)"', home)
    seen = asyncio.run(come_in(link["url"])) if CHROMIUM else {}
    seen |= {
        "link": link["url"],
        "authority": ssl.DER_cert_to_PEM_cert(asked(installed[1])) if installed else None,
        "message": CHROMIUM and eventually(lambda: json.loads(asked(f"/demo/phone.json?phone={quote(NUMBER)}")))[0],
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
