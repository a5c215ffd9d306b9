"""The agent at a hub that is not the one that the person meant, or that certifies somebody else's key."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from hub.errors import TokenUnavailable
from hub.tokens import softhsm
from tests.custody.agent_process import agent
from tests.custody.test_agent import LyingHub, to_the_pin
from tests.custody.usb_token import PIN, UsbToken

pytestmark = pytest.mark.custody


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
    hub = LyingHub("other-key")
    async with TestServer(hub.app()) as server:
        origin = str(server.make_url("/")).rstrip("/")
        async with agent(own_token, "--origin", origin, "--module", own_token.module) as program:
            await program.answer("Pairing code", "ABCD1234")
            await to_the_pin(program, 1)
            program.type(PIN)
            assert await program.ended() == 1
    assert "REFUSED TO SIGN" in program.text
    assert hub.state == "OPEN" and "/sign/v1/prepare" not in hub.calls
