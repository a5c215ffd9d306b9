"""Several tokens that hold the same keys share the load; one that vanishes is skipped, reported, and used again."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.errors import TokenUnavailable
from hub.tokens.pins import PROMPT, read_pin

InChild = Callable[[str], str]

OPENING = """
import asyncio, os, pathlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hub.errors import KeyNotOnToken, TokenUnavailable
from hub.measures import TOKEN_AVAILABLE
from hub.tokens.pkcs11 import Pkcs11Token
from hub.tokens.several import SeveralTokens
from hub.tokens.softhsm import create_token

folder = pathlib.Path(FOLDER)
homes, signed, told, ahead = {}, Counter(), [], timedelta()
for label in ("one", "two"):
    create_token(folder, label, "2468")
    homes[label] = (set((folder / "tokens").iterdir()) - set(homes.values())).pop()

class CountedToken(Pkcs11Token):
    async def sign(self, label, message):
        signature = await super().sign(label, message)
        signed[self.label] += 1
        return signature

class NotedWarnings:
    async def away(self, tokens, instead):
        told.append((tokens, instead))

tokens = SeveralTokens([CountedToken(MODULE, label, "2468") for label in homes], lambda: datetime.now(UTC) + ahead)
tokens.warnings = NotedWarnings()
private = ec.generate_private_key(ec.SECP256R1())

async def sign(key):
    serialization.load_der_public_key(key.spki).verify(await key.sign(b"m"), b"m", ec.ECDSA(hashes.SHA256()))

def seen():
    return {label: TOKEN_AVAILABLE.labels(label)._value.get() for label in homes}
"""


def test_load_is_shared_and_a_token_that_vanishes_is_skipped_until_it_is_back(in_child: InChild) -> None:
    printed = in_child(
        OPENING
        + """
async def main():
    global ahead
    key = await tokens.import_key("seal", private)
    for _ in range(10):
        await sign(key)
    assert signed == {"one": 5, "two": 5}, signed
    assert await key.check_each() == {"one": "", "two": ""}
    homes["one"].rename(folder / "gone")
    signed.clear()
    tokens.tokens["one"]._module.reset(tokens.tokens["one"]._module._generation, 5)  # as when it is pulled out
    for _ in range(6):
        await sign(key)
    assert signed == {"two": 6} and told == [(["one"], "two")] and seen() == {"one": 0, "two": 1}, (signed, told)
    (folder / "gone").rename(homes["one"])
    ahead = timedelta(minutes=1)  # its cooldown is over
    for _ in range(6):
        await sign(key)
    assert signed["one"] == 3 and seen() == {"one": 1, "two": 1}, (signed, seen())
    homes["one"].rename(folder / "gone")
    homes["two"].rename(folder / "gone too")
    tokens.tokens["one"]._module.reset(tokens.tokens["one"]._module._generation, 5)
    try:
        await sign(key)
    except TokenUnavailable as error:
        print("one" in str(error) and "two" in str(error), told[-1][1] == "", seen())

asyncio.run(main())
"""
    )
    assert printed == "True True {'one': 0.0, 'two': 0.0}\n"


def test_hub_starts_while_one_of_its_configured_tokens_is_away(in_child: InChild) -> None:
    printed = in_child(
        OPENING
        + """
from hub.installation.token import open_token
from hub.settings import Settings

more = [{"module": MODULE, "label": "two", "pin": "2468", "sm2_mechanism": 0x80000301}]
first = {"module": MODULE, "label": "one", "pin": "2468", "more": more}
settings = Settings.load(data=folder / "data", token=first)

async def main():
    await tokens.import_key("seal", private)
    homes["one"].rename(folder / "gone")
    tokens.tokens["one"]._module.reset(tokens.tokens["one"]._module._generation, 5)
    opened = open_token(settings, lambda: datetime.now(UTC))
    key = await opened.key("seal")
    await sign(key)
    faults = (await key.check_each()).values()
    print(list(opened.tokens), await opened.tokens["two"].list_mechanisms(), list(map(bool, faults)))

asyncio.run(main())
"""
    )
    assert printed == "['one', 'two'] ['ECDSA', 'SHA256_RSA_PKCS', 'SM2 0x80000301'] [True, False]\n"


def test_another_key_under_the_same_label_never_signs(in_child: InChild) -> None:
    printed = in_child(
        OPENING
        + """
async def main():
    first = await tokens.tokens["one"].import_key("seal", private)
    await tokens.tokens["two"].generate_key("seal")
    key = await tokens.key("seal")
    while key.spki != first.spki:
        key = await tokens.key("seal")
    signed.clear()
    for _ in range(4):
        await sign(key)
    print(dict(signed), "another key" in (await key.check_each())["two"])

asyncio.run(main())
"""
    )
    assert printed == "{'one': 4} True\n"


def test_a_token_without_the_key_is_passed_over_and_counts_as_there(in_child: InChild) -> None:
    printed = in_child(
        OPENING
        + """
async def raised(call):
    try:
        await call
    except TokenUnavailable as error:
        return type(error)

async def main():
    shared = await tokens.import_key("seal", private)
    await tokens.tokens["two"].import_key("brought", ec.generate_private_key(ec.SECP256R1()))
    assert [await tokens.has_key("brought") for _ in range(4)] == [True] * 4
    assert [await tokens.has_key("none") for _ in range(2)] == [False] * 2
    assert await raised(tokens.key("none")) is await raised(tokens.sm2_key("none")) is KeyNotOnToken
    made = await tokens.generate_key("new")  # by the first token alone
    for _ in range(4):
        await sign(made)
    assert signed == {"one": 4} and told == [] and seen() == {"one": 1, "two": 1}, (signed, told, seen())
    for _ in range(4):
        await sign(shared)
    assert signed == {"one": 6, "two": 2}, signed
    homes["one"].rename(folder / "gone")
    tokens.tokens["one"]._module.reset(tokens.tokens["one"]._module._generation, 5)
    assert await tokens.has_key("brought")
    print((await raised(tokens.has_key("none"))).__name__, (await raised(sign(made))).__name__, told[-1])

asyncio.run(main())
"""
    )
    assert printed == "TokenUnavailable TokenUnavailable (['one'], '')\n"


def test_pin_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("2468\n", "utf-8")
    assert read_pin(tmp_path / "pin", "school") == "2468"
    for file in (None, tmp_path / "none"):
        with pytest.raises(TokenUnavailable):
            read_pin(file, "school")


def test_pin_is_entered_at_a_terminal_alone() -> None:
    program = "from hub.tokens.pins import PROMPT, read_pin; print('got', read_pin(PROMPT, 'school') == '2468')"
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])
    shown = b""
    while b"PIN of the token 'school'" not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, b"2468\n")
    while b"got True" not in shown:
        shown += os.read(terminal, 1024)
    assert os.waitpid(child, 0)[1] == 0 and b"2468" not in shown
    os.close(terminal)
    if not sys.stdin.isatty():
        with pytest.raises(TokenUnavailable, match="nobody is at a terminal"):
            read_pin(PROMPT, "school")
