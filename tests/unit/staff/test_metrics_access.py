"""Who may read the metrics: with a credential whoever has it, and nobody else; without one this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from multidict import CIMultiDict

from hub.metrics_access import FORWARDED, MetricsAccess
from hub.settings import Settings

TOKEN = "0123456789abcdef"


def access(**changes: object) -> MetricsAccess:
    return MetricsAccess.from_settings(Settings.load(**changes))


def asked(**headers: str) -> CIMultiDict[str]:
    return CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_without_a_credential_this_machine_may(peer: str) -> None:
    assert access().allows(peer, asked())


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.1", "::ffff:10.0.0.1", "localhost", "", None])
def test_without_a_credential_nobody_else_may(peer: str | None) -> None:
    assert not access().allows(peer, asked())
    assert not access().allows(peer, asked(Authorization="Bearer "))


@pytest.mark.parametrize("name", FORWARDED)
def test_whoever_comes_through_a_proxy_is_not_this_machine(name: str) -> None:
    assert not access().allows("127.0.0.1", asked(**{name.lower(): "127.0.0.1"}))


def test_with_a_credential_it_alone_counts_also_on_this_machine() -> None:
    rule = access(metrics_token=TOKEN)
    assert rule.allows("203.0.113.9", asked(Authorization=f"Bearer {TOKEN}"))
    assert rule.allows("203.0.113.9", asked(Authorization=f"bearer  {TOKEN} "))
    for wrong in ("", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}0", "Bearer ü"):
        assert not rule.allows("127.0.0.1", asked(Authorization=wrong))
    assert not rule.allows("127.0.0.1", asked())


def test_a_credential_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\nsomething else\n")
    assert access(metrics_token_file=file).allows(None, asked(Authorization=f"Bearer {TOKEN}"))


@pytest.mark.parametrize(
    "content", ["", "\n", "0123456789abcde", "0123456789 abcdef", "密钥密钥密钥密钥密钥密钥密钥密钥"]
)
def test_a_credential_that_is_none_stops_the_start(content: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(ValueError, match="metrics_token: at least 16"):
        access(metrics_token_file=file)


def test_a_credential_is_given_once_and_its_file_is_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give either this or metrics_token_file"):
        access(metrics_token=TOKEN, metrics_token_file=tmp_path / "token")
    with pytest.raises(FileNotFoundError):
        access(metrics_token_file=tmp_path / "token")


def test_a_credential_does_not_show_in_the_settings() -> None:
    assert TOKEN not in repr(Settings.load(metrics_token=TOKEN))
