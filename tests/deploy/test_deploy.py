"""The examples in `deploy/` name only what exists: commands, settings, files. The programs that use them accept
them."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # has no types

from hub.processes.job import STOP_TIMEOUT
from hub.settings import BACKUP_PASSPHRASE, Settings
from hub.web.app import MAX_BODY_BYTES
from tests.running import running_hub

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OPERATING = ROOT / "docs" / "operating.md"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
TIMERS = sorted((DEPLOY / "systemd").glob("*.timer"))
# Names in the environment of a container that belong to `deploy/compose/roles.sh` or to Compose, not to the hub.
NOT_SETTINGS = {
    "QIANDA_CONFIG",
    BACKUP_PASSPHRASE,
    "QIANDA_OWNER_PASSWORD",
    "QIANDA_APP_PASSWORD",
    "QIANDA_DATABASE_PASSWORD",
}


@cache
def commands(*above: str) -> set[str]:
    """Return the subcommands of the `qianda` command that is installed here, or of one of its commands."""
    asked = [str(ROOT / ".venv/bin/qianda"), *above, "--help"]
    shown = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^\W*([a-z-]+)  ", shown, re.MULTILINE))


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))
    return found


def program(name: str) -> str:
    """Return the path of a program, or skip the test."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        pytest.skip(f"{name} is not installed here")
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_run_commands_that_exist(unit: Path) -> None:
    (line,) = re.findall(r"^ExecStart=/opt/qianda/bin/qianda (.+)", unit.read_text("utf-8"), re.MULTILINE)
    words = itertools.takewhile(lambda word: re.fullmatch("[a-z-]+", word) and not word.startswith("-"), line.split())
    above: tuple[str, ...] = ()
    for word in words:
        assert word in commands(*above)
        above += (word,)
    assert above


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_whose_file_system_is_read_only_have_a_tmp(unit: Path) -> None:
    """`qianda doctor` writes there what it gives to `openssl` when it asks an authority of the kind `cmp`."""
    lines = unit.read_text("utf-8").splitlines()
    assert "ProtectSystem=strict" in lines and "PrivateTmp=yes" in lines


def test_containers_run_commands_that_exist_with_settings_that_exist() -> None:
    known = commands()
    services = {name: each for name, each in compose()["services"].items() if each.get("image") == "qianda"}
    assert set(services) == {"migrate", "init", "serve", "work", "backup", "erase"}
    for name, service in services.items():
        assert service["command"][0] in known, name
        assert service["command"][0] != "person" or service["command"][1] in commands("person")
        assert set(service.get("environment", {})) - NOT_SETTINGS <= set(Settings.variables()), name


def test_containers_are_given_the_time_that_a_stop_takes() -> None:
    services = [each for each in compose()["services"].values() if each.get("image") == "qianda"]
    assert services and all(int(each["stop_grace_period"].removesuffix("s")) > STOP_TIMEOUT for each in services)


def test_nobody_migrates_before_the_roles_are_made() -> None:
    """The image of PostgreSQL runs `roles.sh` with a server that does not listen on any address."""
    asked = compose()["services"]["database"]["healthcheck"]["test"]
    assert asked[asked.index("--host") + 1] == "127.0.0.1"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_unit_makes_the_folder_of_the_database_socket(unit: Path) -> None:
    lines = set(unit.read_text("utf-8").splitlines())
    assert {
        "RuntimeDirectory=qianda",
        "RuntimeDirectoryPreserve=yes",
        "Environment=XDG_RUNTIME_DIR=/run/qianda",
    } <= lines


@pytest.mark.parametrize("timer", TIMERS, ids=lambda timer: timer.name)
def test_every_timer_starts_a_unit_that_ends(timer: Path) -> None:
    assert "Type=oneshot" in timer.with_suffix(".service").read_text("utf-8").splitlines()
    lines = timer.read_text("utf-8").splitlines()
    assert {"Persistent=yes", "WantedBy=timers.target"} <= set(lines) and f"now {timer.name}." in lines[0]


async def test_whether_the_pages_are_served_is_asked_of_serve_itself() -> None:
    """Caddy waits for the answer. It must not depend on a worker, which may start later."""
    services = compose()["services"]
    assert services["caddy"]["depends_on"] == {"serve": {"condition": "service_healthy"}}
    _, _, *program = services["serve"]["healthcheck"]["test"]
    async with running_hub(with_worker=False) as running:
        code = program[-1].replace("http://127.0.0.1:8080", running.origin)
        for asked, exit_code in ((code, 0), (code.replace("healthz", "healthy"), 1)):
            asking = await asyncio.create_subprocess_exec(sys.executable, program[0], asked, stderr=subprocess.DEVNULL)
            assert await asyncio.wait_for(asking.wait(), 30) == exit_code


def test_no_serving_container_knows_the_owner_of_the_database() -> None:
    services = compose()["services"]
    knowing = {name for name, each in services.items() if "QIANDA_DATABASE_OWNER" in each.get("environment", {})}
    assert knowing == {"migrate", "init", "backup", "erase"}
    assert {name for name, each in services.items() if each.get("profiles")} == {
        "backup",
        "erase",
    }  # `up` starts neither


def test_the_hub_believes_the_proxy_alone() -> None:
    services = compose()["services"]
    (trusted,) = json.loads(services["serve"]["environment"]["QIANDA_TRUSTED_PROXIES"])
    assert trusted == services["caddy"]["networks"]["front"]["ipv4_address"] + "/32"
    assert "ports" not in services["serve"] and "ports" not in services["database"]


def test_every_variable_of_the_containers_is_in_the_example() -> None:
    text = (DEPLOY / "compose" / "compose.yaml").read_text("utf-8")
    example = (DEPLOY / "compose" / "example.env").read_text("utf-8")
    assert set(re.findall(r"\$\{(\w+)", text)) == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


def test_the_image_copies_what_exists_and_installs_what_a_run_needs() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    copied = [words.split()[0] for words in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)]
    assert copied and all((ROOT / path).exists() for path in copied)
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert not {"hub", "qianda", "channels", "chats", "pyproject.toml", "README.md", "requirements"} & set(ignored)
    needed = re.search(r"^packages=\((.*)\)$", (ROOT / "install" / "system.sh").read_text("utf-8"), re.MULTILINE)
    assert needed and all(package in text for package in needed[1].split())
    assert "USER qianda" in text.split("FROM")[-1]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    assert wanted == ">=3.11", "Debian 12, on which the image stands, has Python 3.11"


def test_proxies_let_the_largest_upload_through() -> None:
    assert MAX_BODY_BYTES == 21 << 20
    assert "client_max_body_size 21m;" in (DEPLOY / "nginx.conf").read_text("utf-8")
    assert "max_size 21MB" in (DEPLOY / "Caddyfile").read_text("utf-8")


def test_nginx_speaks_http2_on_every_address_with_a_certificate() -> None:
    """As nginx 1.22 of Debian 12 writes it; Caddy speaks it unasked."""
    secured = re.findall(r"listen .*443.*;", (DEPLOY / "nginx.conf").read_text("utf-8"))
    assert secured and all(each.endswith(" ssl http2;") for each in secured)


def test_whoever_sets_a_proxy_up_is_told_of_every_path_that_is_a_secret() -> None:
    code = "\n".join(each.read_text("utf-8") for each in (ROOT / "hub" / "web").rglob("*.py"))
    secret = set(re.findall(r'"(/\w+/)(?:\{\w+\}/)*\{(?:ticket|poster|token|channel)\}', code))
    assert {"/s/", "/copy/", "/callbacks/"} < secret
    told = re.search(r"The access log of a proxy must not contain.*?secrets", OPERATING.read_text("utf-8"), re.DOTALL)
    notes = [re.search(r"# .*are secrets", (DEPLOY / name).read_text("utf-8")) for name in ("Caddyfile", "nginx.conf")]
    for note in (told, *notes):
        assert note and secret == set(re.findall(r"/\w+/", note[0])), secret


@pytest.mark.real
def test_caddy_accepts_its_file() -> None:
    done = subprocess.run(
        [program("caddy"), "validate", "--adapter", "caddyfile", "--config", DEPLOY / "Caddyfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.real
def test_nginx_accepts_its_file(tmp_path: Path) -> None:
    nginx = program("nginx")
    certificate, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=sign.school.example"]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    site = (
        (DEPLOY / "nginx.conf").read_text("utf-8").replace("/etc/letsencrypt/live/sign.school.example", str(tmp_path))
    )
    main = tmp_path / "nginx.conf"
    main.write_text(
        f"pid {tmp_path}/pid;\nerror_log {tmp_path}/errors;\nevents {{}}\nhttp {{\n{_temporary(tmp_path)}{site}}}\n"
    )
    done = subprocess.run([nginx, "-t", "-c", main], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _temporary(folder: Path) -> str:
    """Return nginx settings for its temporary folders, which by default belong to root."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)


@pytest.mark.real
def test_systemd_accepts_its_units(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    for unit in (*UNITS, *TIMERS):
        text = unit.read_text("utf-8").replace("/opt/qianda/bin/qianda", str(ROOT / ".venv/bin/qianda"))
        (tmp_path / unit.name).write_text(text.replace("=qianda\n", "=root\n"))
    done = subprocess.run(
        [analyze, "verify", "--man=no", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "qianda" in line]
    assert done.returncode == 0 and not ours, done.stderr
