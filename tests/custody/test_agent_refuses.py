"""The agent at a hub that is not the one that the person meant, that certifies another person's key, or whose file
readers understand differently."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from hub.errors import TokenUnavailable
from hub.tokens import softhsm
from tests.custody.agent_process import agent
from tests.custody.test_agent import LyingHub, to_the_pin
from tests.custody.usb_token import PIN, UsbToken
from tests.verify.odd_files import ODDITIES

pytestmark = pytest.mark.custody
WRITTEN_ANEW = "written anew"  # in the same way as the odd ones, and honest
# One or more odd files of each family, and what the person is told.
REASONS = {
    "a table with subsection of minus one": "the table leaves objects out",
    "an orphan, a table with rows ending nx": "a row of the table is not as Qianda writes it",
    "an orphan, a table with the table twice": "the table leaves objects out",
    "an orphan behind the objects": "the table leaves objects out",
    "an orphan behind the end": "what follows an object is not as Qianda writes it",
    "an orphan in a stream": "the stream of object 900 holds what looks like another object",
    "an entry behind a long string": "a page: /Contents, /Pad",
    "an end in a comment behind a long string": "a dictionary is not as Qianda writes it",
    "a comment in an object": "a dictionary is not as Qianda writes it",
    "an object twice": "occurs twice in a revision",
    "an entry twice": "/Contents occurs twice in a dictionary",
    "two kinds of tables": "the file is encrypted, or has two tables",
    "objects in a stream": "the stream of object 900 contains or names what is not checked",
    "a table in a stream": "the stream of object 900 contains or names what is not checked",
}
# One of each kind of reason: of the table, the trailer, a dictionary, a revision and a stream. That every odd file is
# refused by the same reader is tested without an agent, by tests/verify/test_odd_files.py.
AT_ONCE = {
    "an orphan behind the objects",
    "a comment in an object",
    "an entry twice",
    "two kinds of tables",
    "a table in a stream",
}
OF_SEVERAL_REVISIONS = ["a previous table that is older"]  # the document of this hub has one table


@pytest.fixture
def own_token(tmp_path: Path) -> UsbToken:
    try:
        softhsm.module_path()
    except TokenUnavailable as reason:
        pytest.skip(str(reason))
    return UsbToken.make(tmp_path / "usb")


async def test_a_hub_that_calls_itself_otherwise_is_asked_for_nothing(own_token: UsbToken) -> None:
    hub = LyingHub(says="https://sign.school.example")
    async with TestServer(hub.app()) as server:
        origin = str(server.make_url("/")).rstrip("/")
        async with agent(own_token, "--origin", origin, "--module", own_token.module) as program:
            await program.answer("Pairing code", "ABCD1234")
            assert await program.ended() == 1
    assert "calls itself https://sign.school.example" in program.text
    assert hub.calls == ["/agent/v1/claim"]


async def test_a_certificate_for_another_key_is_not_signed_with(own_token: UsbToken) -> None:
    hub, said = await asked_to_sign(own_token, "other-key", code=1)
    assert "REFUSED TO SIGN" in said
    assert hub.state == "OPEN" and "/sign/v1/prepare" not in hub.calls


@pytest.mark.parametrize(
    "name", [each if each in AT_ONCE else pytest.param(each, marks=pytest.mark.real) for each in REASONS]
)
async def test_an_odd_file_is_not_signed(own_token: UsbToken, name: str) -> None:
    hub, said = await asked_to_sign(own_token, name, code=1)
    assert hub.state == "OPEN"
    assert re.search(f"REFUSED TO SIGN.*{re.escape(REASONS[name])}", said, re.DOTALL), said
    (reported,) = hub.refusals
    assert REASONS[name] in reported["reason"]


@pytest.mark.real
@pytest.mark.parametrize("name", [name for name in ODDITIES if name not in [*REASONS, *OF_SEVERAL_REVISIONS]])
async def test_no_odd_file_is_signed(own_token: UsbToken, name: str) -> None:
    hub, said = await asked_to_sign(own_token, name, code=1)
    assert hub.state == "OPEN" and "REFUSED TO SIGN" in said
    (reported,) = hub.refusals
    assert ODDITIES[name].why in reported["reason"]


async def test_an_honest_file_of_the_same_making_is_signed(own_token: UsbToken) -> None:
    hub, said = await asked_to_sign(own_token, WRITTEN_ANEW, code=0)
    assert hub.state == "SIGNED" and "REFUSED" not in said and hub.refusals == []


async def asked_to_sign(token: UsbToken, lie: str, code: int) -> tuple[LyingHub, str]:
    """Start the agent once, and expect this exit code. Return the hub, and what was in the terminal."""
    hub = LyingHub(lie)
    async with TestServer(hub.app()) as server:
        origin = str(server.make_url("/")).rstrip("/")
        async with agent(token, "--origin", origin, "--module", token.module) as program:
            await program.answer("Pairing code", "ABCD1234")
            await to_the_pin(program, 1)
            program.type(PIN)
            assert await program.ended() == code, program.text
    return hub, program.text
