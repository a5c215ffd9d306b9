"""The guard of the demo: each refusal, and that nothing but the command `qianda demo` makes a demo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.programs.ports import free_port
from hub.demo.guard import check_demo, check_demo_database, check_elsewhere
from hub.demo.tls import at_its_own_address
from hub.errors import DatabaseUnavailable, DemoRefused
from hub.settings import Settings
from tests.processes.programs import run


@pytest.fixture(autouse=True)
def no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QIANDA_CONFIG", raising=False)


@pytest.mark.parametrize(
    "fine",
    [
        {},
        {"host": "127.0.0.1", "port": 9000},
        {"host": "::1", "origin": "http://[::1]:8080"},
        {"host": "localhost"},
        {"host": "127.0.0.1", "origin": "http://localhost:8080"},
        {"channels": {"sms": "outbox"}},
    ],
)
def test_a_demo_on_this_machine_starts(fine: dict[str, Any]) -> None:
    check_demo(at_its_own_address(Settings.load(**fine)))


@pytest.mark.parametrize(
    ("host", "port", "origin"),
    [
        ("192.168.1.20", 8080, "https://192.168.1.20:8080"),
        ("10.0.0.7", 9000, "https://10.0.0.7:9000"),
        ("172.31.255.1", 443, "https://172.31.255.1"),
        ("169.254.7.8", 8080, "https://169.254.7.8:8080"),
        ("fd12:3456::1", 8080, "https://[fd12:3456::1]:8080"),
    ],
)
def test_a_demo_on_a_private_address_has_an_https_of_its_own(host: str, port: int, origin: str) -> None:
    settings = at_its_own_address(Settings.load(host=host, port=port))
    assert settings.public_origin == origin
    check_demo(settings)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"host": "0.0.0.0"}, "listens on this machine alone, not on 0.0.0.0"),
        ({"host": "::"}, "listens on this machine alone"),
        ({"host": "192.168.1.20"}, "at https://192.168.1.20:8080, and not at http://192.168.1.20:8080"),
        ({"host": "192.168.1.20", "origin": "https://192.168.1.21:8080"}, "https://192.168.1.21:8080"),
        ({"host": "192.168.1.20", "origin": "https://192.168.1.20:9000"}, "https://192.168.1.20:9000"),
        ({"host": "192.168.1.20", "origin": "https://sign.school.example"}, "sign.school.example"),
        ({"host": "192.168.1.20", "origin": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080"),
        ({"host": "127.0.0.1", "origin": "https://192.168.1.20:8080"}, "listens on this machine alone"),
        ({"host": "0.0.0.0", "origin": "https://192.168.1.20:8080"}, "not on 0.0.0.0"),
        ({"host": "8.8.8.8", "origin": "https://8.8.8.8:8080"}, "not on 8.8.8.8"),
        ({"host": "100.64.0.1", "origin": "https://100.64.0.1:8080"}, "not on 100.64.0.1"),
        ({"host": "172.32.0.1", "origin": "https://172.32.0.1:8080"}, "not on 172.32.0.1"),
        ({"host": "2001:db8::1", "origin": "https://[2001:db8::1]:8080"}, "not on 2001:db8::1"),
        ({"host": "fe80::1%eth0", "origin": "https://[fe80::1%25eth0]:8080"}, "not on fe80::1%eth0"),
        (
            {"host": "192.168.1.20.nip.io", "origin": "https://192.168.1.20.nip.io:8080"},
            "listens on this machine alone",
        ),
        ({"host": "192.168.1", "origin": "https://192.168.1:8080"}, "listens on this machine alone"),
        ({"host": "192.168.1.0/24"}, "listens on this machine alone"),
        ({"host": "school.example"}, "listens on this machine alone"),
        ({"origin": "https://sign.school.example"}, "sign.school.example"),
        ({"origin": "http://192.168.1.20:8080"}, "192.168.1.20"),
        ({"origin": "http://127.0.0.1.school.example"}, "127.0.0.1.school.example"),
        ({"channels": {"sms": "outbox", "email": "twilio"}}, "a real channel is configured (email)"),
        ({"alerts": ["json://127.0.0.1/"]}, "alerts or chats of staff are configured"),
        ({"alerts_file": "/run/secrets/alerts"}, "alerts or chats of staff are configured"),
        ({"chats": {"dingtalk": {"app_secret": "x"}}}, "alerts or chats of staff are configured"),
        ({"seal": {"kind": "csc"}}, "the seal is at a signing service"),
        ({"authority": "licensed"}, "the authority licensed is configured"),
        ({"identity": "aliyun", "identities": {"aliyun": {}}}, "an identity provider is configured"),
        ({"authorities": {"licensed": {"kind": "cmp"}}}, "the authority licensed is configured"),
        ({"database": "postgresql://app@db.school.example/qianda"}, "an external database is configured"),
        ({"database_owner": "postgresql://owner@db.school.example/qianda"}, "an external database is configured"),
    ],
)
def test_a_demo_refuses_what_is_real(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(DemoRefused) as refused:
        check_demo(Settings.load(**wrong))
    assert words in str(refused.value)


@pytest.mark.parametrize("kind", ["production", ""])
def test_a_demo_refuses_a_database_that_no_demo_made(kind: str) -> None:
    with pytest.raises(DemoRefused, match="not made by a demo"):
        check_demo_database(kind)


@pytest.mark.parametrize("name", ["QIANDA_DEMO_API_KEY", "QIANDA_DEMO_PASSWORD", "QIANDA_DEMO_ANYTHING", "QIANDA_DEMO"])
def test_elsewhere_variables_of_the_demo_stop_the_start(name: str) -> None:
    with pytest.raises(DemoRefused, match=name):
        check_elsewhere({name: ""}, "production")


def test_elsewhere_only_a_database_of_its_own_kind_is_served() -> None:
    check_elsewhere({"PATH": "/bin", "QIANDA_PORT": "1"}, "production")
    with pytest.raises(DemoRefused, match="belongs to a demo"):
        check_elsewhere({}, "demo")
    with pytest.raises(DatabaseUnavailable, match="qianda migrate"):
        check_elsewhere({}, "")


# ---- as commands


@pytest.mark.parametrize(
    "variables",
    [
        {"QIANDA_HOST": "0.0.0.0"},
        {"QIANDA_HOST": "192.168.1.20", "QIANDA_ORIGIN": "http://192.168.1.20:8080"},
        {"QIANDA_DATABASE": "postgresql://app@127.0.0.1:1/qianda"},
    ],
    ids=lambda variables: "-".join(variables.values()),
)
def test_the_command_refuses_before_it_touches_anything(tmp_path: Path, variables: dict[str, str]) -> None:
    data = tmp_path / "data"
    refused = run(data, "demo", **({"QIANDA_PORT": str(free_port())} | variables))
    assert refused.returncode == 2
    assert refused.stderr.startswith("qianda: ") and "Traceback" not in refused.stderr
    assert not data.exists()


def test_no_key_of_the_configuration_switches_it_on(tmp_path: Path) -> None:
    """There is no such key: an unknown key is refused, whatever the file says."""
    config = tmp_path / "own.toml"
    config.write_text("demo = true\n")
    refused = run(tmp_path / "data", "serve", QIANDA_CONFIG=str(config))
    assert refused.returncode == 2
    assert "demo: there is no such setting" in refused.stderr
