"""The demo on a private address, for a phone in the same network."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import zxingcpp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

from hub.demo.tls import (
    AUTHORITY_LIFE,
    RENEWED_BEFORE,
    SERVER_LIFE,
    authority_file,
    code_on_terminal,
    make_certificates,
)
from hub.settings import Settings
from hub.store.server.embedded import EmbeddedPostgres
from tests.browser.conftest import CHROMIUM
from tests.checkout import ROOT
from tests.database import scratch_folder
from tests.processes.programs import Program, run

ADDRESS, PORT, KEY = "192.168.77.1", 8443, "a-key-for-the-lan"
NOW = datetime.now(UTC)
IN_A_NETWORK_OF_ITS_OWN = (
    "unshare",
    "--net",
    "sh",
    "-c",
    f'ip link set lo up && ip address add {ADDRESS}/24 dev lo && exec "$@"',
    "sh",
)


def settings(data: Path, host: str = ADDRESS) -> Settings:
    return Settings.load(data=data, host=host)


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def made(data: Path, host: str = ADDRESS, now: datetime = NOW) -> Path:
    folder = make_certificates(settings(data, host), now)
    assert folder is not None
    return folder


# ---- certificates


def test_on_the_machine_itself_there_are_none(tmp_path: Path) -> None:
    assert make_certificates(settings(tmp_path, "127.0.0.1"), NOW) is None
    assert list(tmp_path.iterdir()) == []


def test_they_are_kept_and_ours_alone(tmp_path: Path) -> None:
    folder = made(tmp_path)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert set(before) == {"authority.crt", "authority.key", "server.crt", "server.key"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    made(tmp_path, now=NOW + SERVER_LIFE - RENEWED_BEFORE - timedelta(days=1))
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_another_address_or_another_year_renew_the_servers_alone(tmp_path: Path) -> None:
    folder = made(tmp_path)
    authority, server = certificate(folder, "authority"), certificate(folder, "server")
    made(tmp_path, "10.1.2.3")
    moved = certificate(folder, "server")
    assert certificate(folder, "authority") == authority and moved != server
    names = moved.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.1.2.3")]
    later = NOW + SERVER_LIFE - timedelta(days=7)
    made(tmp_path, "10.1.2.3", later)
    assert certificate(folder, "authority") == authority
    assert certificate(folder, "server").not_valid_after_utc > later + RENEWED_BEFORE
    made(tmp_path, "10.1.2.3", NOW + AUTHORITY_LIFE)
    fresh = certificate(folder, "authority")
    assert fresh != authority
    certificate(folder, "server").verify_directly_issued_by(fresh)


@pytest.mark.parametrize(
    ("name", "is_fine"),
    [
        (x509.IPAddress(ip_address(ADDRESS)), True),
        (x509.IPAddress(ip_address("fd00::7")), True),
        (x509.IPAddress(ip_address("203.0.113.7")), False),
        (x509.DNSName("bank.example"), False),
    ],
    ids=str,
)
def test_a_stolen_authority_is_good_for_private_addresses_only(
    tmp_path: Path, name: x509.GeneralName, is_fine: bool
) -> None:
    folder = made(tmp_path)
    key = serialization.load_pem_private_key((folder / "authority.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    issuer = certificate(folder, "authority").subject
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "forged")])
    forged = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), 7, NOW, NOW + SERVER_LIFE)
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "forged.crt").write_bytes(forged.public_bytes(serialization.Encoding.PEM))
    command = ["openssl", "verify", "-CAfile", str(folder / "authority.crt"), str(tmp_path / "forged.crt")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode == 0) is is_fine, checked.stderr
    assert is_fine or "permitted subtree violation" in checked.stderr


# ---- the terminal


def test_the_terminals_code_leads_to_the_demo() -> None:
    lines = [
        line.partition("m\x1b[48;5;232m")[2].removesuffix("\x1b[0m")
        for line in code_on_terminal("https://192.168.77.1:8443/").splitlines()
    ]
    image = Image.new("1", (len(lines[0]), 2 * len(lines)))
    halves = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0), "\xa0": (0, 0)}
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            for half, light in enumerate(halves[character]):
                image.putpixel((column, 2 * row + half), light)
    decoded = zxingcpp.read_barcode(image.resize((image.width * 8, image.height * 8)).convert("L"))
    assert decoded is not None and decoded.text == "https://192.168.77.1:8443/"


# ---- the command


def test_an_address_that_is_not_ours_is_named(tmp_path: Path) -> None:
    refused = run(tmp_path / "data", "demo", QIANDA_HOST="10.255.254.253")
    assert refused.returncode == 2
    assert refused.stderr == "qianda: this machine has no address 10.255.254.253: use one of its own addresses\n"
    assert not (tmp_path / "data").exists()


@pytest.fixture
def demo() -> Iterator[Program]:
    """Run the demo on a private address, in a network namespace of its own."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can make a network namespace")
    if (
        not all(map(shutil.which, ("unshare", "nsenter", "ip")))
        or subprocess.run([*IN_A_NETWORK_OF_ITS_OWN, "true"], check=False).returncode
    ):
        pytest.skip("this machine makes no network namespaces")
    folder = Path(tempfile.mkdtemp(prefix="qianda-lan-", dir=scratch_folder()))
    folder.chmod(0o755)  # the database's account has to enter it
    variables = {"QIANDA_HOST": ADDRESS, "QIANDA_PORT": str(PORT), "QIANDA_DEMO_API_KEY": KEY}
    program = Program(folder / "data", "demo", become=IN_A_NETWORK_OF_ITS_OWN, variables=variables)
    try:
        yield program
    finally:
        program.clear()
        if (folder / "data" / "database").exists():
            EmbeddedPostgres(folder / "data" / "database").start().stop(remove=True)
        shutil.rmtree(folder)


@pytest.mark.real
def test_a_phone_in_the_same_network_comes_in(demo: Program) -> None:
    demo.wait_for("Press Ctrl-C to stop")
    origin = f"https://{ADDRESS}:{PORT}"
    for words in (f"demo: {origin}\n", f"{origin}/staff/", f"install {origin}/demo/authority.crt", "█▀▀"):
        assert words in demo.output
    data = Path(demo.data)
    visit = ["nsenter", f"--net=/proc/{demo.process.pid}/ns/net", sys.executable, "-m", "tests.processes.lan_visit"]
    came = subprocess.run(
        [*visit, origin, str(authority_file(data)), KEY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert came.returncode == 0, came.stderr + demo.output
    seen = json.loads(came.stdout)
    assert seen["link"].startswith(f"{origin}/s/")
    assert seen["authority"] == authority_file(data).read_text()
    if CHROMIUM is not None:
        assert (seen["secure"], seen["key"], seen["origin"]) == (True, "private", origin)
        assert "__Host-qianda" in seen["cookies"]
        assert seen["message"]["purpose"] == "code"
    assert demo.ctrl_c() == 0
