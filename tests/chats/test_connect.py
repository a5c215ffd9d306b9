"""A chat is connected from its entry in the configuration. Errors about an entry do not contain its secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from chats import ChatContext
from chats.dingtalk import DingTalk
from chats.wecom import WeCom
from hub.plugins import CHATS, connect_plugin
from tests.chats.platforms import WeComPlatform


async def test_the_kind_is_the_name_or_is_said(place: ChatContext) -> None:
    assert isinstance(connect_plugin(CHATS, "wecom", WeComPlatform().options, place), WeCom)
    assert isinstance(connect_plugin(CHATS, "office", {"kind": "wecom", **WeComPlatform().options}, place), WeCom)


async def test_secrets_may_lie_in_files(place: ChatContext, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cr3t\n")
    found = connect_plugin(CHATS, "dingtalk", {"app_secret_file": str(tmp_path / "secret")}, place)
    assert isinstance(found, DingTalk) and found._secret == "s3cr3t"
    with pytest.raises(ValueError, match=r"chats\.dingtalk\.app_secret_file: No such file"):
        connect_plugin(CHATS, "dingtalk", {"app_secret_file": str(tmp_path / "missing")}, place)


@pytest.mark.parametrize("kind", ["telegraph", "../wecom", "wecom.WeCom", "__init__x"])
async def test_a_kind_that_does_not_exist_is_refused(place: ChatContext, kind: str) -> None:
    with pytest.raises(ValueError, match=r"chats\.office: there is no chat"):
        connect_plugin(CHATS, "office", {"kind": kind}, place)
