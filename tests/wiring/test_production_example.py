"""The example of a production configuration can be started: every key is known, and its provider takes every text."""

from __future__ import annotations

import shutil
from pathlib import Path

import aiohttp
import pytest

from channels import ChannelContext, FixedTexts
from hub.documents.messaging.messages import load_messages
from hub.model.messaging.message_rules import list_message_faults
from hub.plugins import connect_provider
from hub.settings import PACKED, Settings
from hub.settings.sections import ChannelSettings
from hub.wiring import utc_now
from tests.channels.doubles.outbox import Ledger

EXAMPLE = PACKED / "config" / "production.example.toml"


async def test_the_example_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.toml"
    shutil.copy(EXAMPLE, own)
    (tmp_path / "secret").write_text("0123456789abcdef" * 2 + "\n", "utf-8")
    own.write_text(own.read_text("utf-8").replace("/run/secrets/", f"{tmp_path}/"), "utf-8")
    for name in ("metrics", "aliyun", "aliyun-callback", "twilio", "smtp", "mail-callback"):
        shutil.copy(tmp_path / "secret", tmp_path / name)
    monkeypatch.setenv("QIANDA_CONFIG", str(own))
    settings = Settings.load(data=tmp_path)
    messages = load_messages(PACKED / "templates" / "messages")
    async with aiohttp.ClientSession() as http:
        for name, entry in settings.channels.items():
            assert isinstance(entry, ChannelSettings)
            place = ChannelContext(name, f"{settings.public_origin}/callbacks/{name}", http, Ledger([]), utc_now)
            connected = connect_provider(name, entry, place)
            texts = connected.channel.templates if isinstance(connected.channel, FixedTexts) else None
            entry_point = f"{settings.public_origin}/s"
            addresses = {"entry": entry_point, "link": f"{entry_point}/7F3KQ0ZC8M2XA"}
            assert (
                list(list_message_faults(messages, connected.settings, connected.channel.rules, texts, addresses)) == []
            )
