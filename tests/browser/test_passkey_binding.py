"""The page's own code for certificates and for passkeys' answers reads them as the Python code does."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from playwright.async_api import Browser, Route

from qianda.der import NotDer
from qianda.passkey import Assertion, WrongPasskey, check_assertion
from qianda.passkey_binding import PasskeyBinding, find_binding
from tests.browser.test_update_check import MODULES
from tests.client.prepared_parts import new_certificate
from tests.passkeys.authenticator import Authenticator, of_windows
from tests.passkeys.test_binding import BINDING, MALFORMED, certificate_naming, certificate_saying

pytestmark = [pytest.mark.browser, pytest.mark.custody]
ORIGIN = "https://binding.example"  # WebCrypto requires a secure origin
REQUEST = b"1" + bytes(198)
READ = """
async ([certificates, answers]) => {
  const [{ passkeyNamedBy }, { isAnswerOf }] = await Promise.all([import('/checks.js'), import('/assertion.js')]);
  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const named = certificates.map((certificate) => {
    try {
      const found = passkeyNamedBy(bytes(certificate));
      return found && [found.origin, btoa(String.fromCharCode(...found.hash))];
    } catch (error) {
      return error.constructor.name;
    }
  });
  const right = await Promise.all(answers.map((answer) => {
    const [spki, authenticatorData, clientDataJSON, signature] = answer.map(bytes);
    return isAnswerOf(spki, { authenticatorData, clientDataJSON, signature });
  }));
  return { named, right };
}
"""


def text(content: bytes) -> str:
    return b64encode(content).decode()


async def certificates() -> list[bytes]:
    """Return certificates that name a passkey, certificates that name none, and every malformed one."""
    made = [await certificate_naming(BINDING), await certificate_naming(None), new_certificate()]
    made.append(await certificate_naming(PasskeyBinding("https://" + "a" * 200 + ".example", bytes(32))))
    for values in MALFORMED.values():
        made.append(await certificate_saying(*values))
    return [*made, made[0][:-1], made[0] + b"\0"]


def said_of(certificate: bytes) -> Any:
    try:
        found = find_binding(certificate)
    except NotDer:
        return "NotDer"
    return found and [found.origin, text(found.key_sha256)]


def answers() -> list[tuple[bytes, Assertion]]:
    """Return answers by both kinds of key; new ones each time, so that short numbers in ECDSA values occur as well."""
    made: list[tuple[bytes, Assertion]] = []
    for device in [Authenticator() for _ in range(300)] + [of_windows()]:
        made.append((device.public_key, device.confirm(REQUEST)))
    (key, right), (other, _) = made[0], made[-1]
    data, said, signature = right.authenticator_data, right.client_data, right.signature
    wrong = [Assertion(data + b"\0", said, signature), Assertion(data, said + b" ", signature)]
    wrong += [Assertion(data, said, signature[:-1] + bytes((signature[-1] ^ 1,))), Assertion(data, said, b"")]
    return [*made, *((key, each) for each in wrong), (other, right), (made[1][0], right), (b"\x30\x00", right)]


def is_right(key: bytes, assertion: Assertion) -> bool:
    try:
        check_assertion(key, REQUEST, assertion)
    except WrongPasskey:
        return False
    return True


async def test_the_page_reads_the_same(browser: Browser) -> None:
    page = await browser.new_page()

    async def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name.endswith(".js"):
            await route.fulfill(path=MODULES / name, content_type="text/javascript")
        else:
            await route.fulfill(body="<!doctype html>", content_type="text/html")

    await page.route(f"{ORIGIN}/**", answer)
    await page.goto(f"{ORIGIN}/")
    given, confirmed = await certificates(), answers()
    parts = [
        [text(key), text(one.authenticator_data), text(one.client_data), text(one.signature)] for key, one in confirmed
    ]
    found = await page.evaluate(READ, [[text(each) for each in given], parts])
    assert found["named"] == [said_of(each) for each in given]
    assert found["right"] == [is_right(key, one) for key, one in confirmed]
    assert found["right"].count(True) == 301 and found["named"].count("NotDer") == len(MALFORMED) + 2
    await page.close()
