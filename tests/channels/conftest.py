"""What the tests of single channels share: the provider's double, and the place where a channel is connected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from channels import ChannelContext
from tests.channels.conformance import Setting, at_place
from tests.channels.doubles import sms_twilio


class NoLedger:
    async def accept(self, key: str) -> None:
        raise AssertionError("a provider's channel keeps no ledger of ours")

    async def accepted(self, key: str) -> bool:
        raise AssertionError("a provider's channel keeps no ledger of ours")


@pytest.fixture
async def double(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Yield the provider's double of the test's module, while it serves."""
    double = request.module.Double()
    async with double.serving():
        yield double


@pytest.fixture
async def place(request: pytest.FixtureRequest) -> AsyncIterator[ChannelContext]:
    """Yield what the hub passes to the channel of the test's module."""
    kind = request.module.CHANNEL
    async with aiohttp.ClientSession() as http:
        callbacks = f"https://sign.example.org/callbacks/{kind}"
        yield ChannelContext(kind, callbacks, http, NoLedger(), lambda: datetime.now(UTC))


@pytest.fixture
async def sms() -> AsyncIterator[Setting]:
    """Yield the channel `sms_twilio`, connected to its double."""
    double = sms_twilio.Double()
    async with double.serving(), at_place("sms_twilio", double) as setting:
        yield setting
