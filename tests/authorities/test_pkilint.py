"""What the built-in authority issues, checked by pkilint, which knows the profiles of RFC 5280 and RFC 6960.

pkilint's ASN.1 decoder refuses arcs of more than 32 bits (with a FATAL finding), and our identifiers, derived from
UUIDs by Rec. ITU-T X.667, have such arcs. So everything is linted twice: with short arcs in their place, and unchanged
with that one finding allowed.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509

from hub.authorities import Revoked, profile
from hub.authorities.builtin import BuiltinAuthority, make_root
from hub.authorities.ocsp import CertificateId
from hub.tokens.softkey import SoftKey
from qianda import passkey_binding
from qianda.passkey_binding import PasskeyBinding
from tests.signing_parts import ORGANISATION, ORIGIN, utc_now

pytestmark = pytest.mark.custody
PROGRAMS = Path(sys.executable).parent
BAD = {"FATAL", "ERROR", "WARNING"}
LONG_ARC = "OID contains arc which is larger than 32-bits"
Made = dict[str, tuple[str, tuple[str, ...], bytes]]


async def everything() -> Made:
    """Return, by name, the linting program, its options, and the DER."""
    key = SoftKey.generate("root")
    root = await make_root(key, utc_now, ORGANISATION)
    authority = BuiltinAuthority(key, root, utc_now, ORGANISATION, ORIGIN)
    spki = SoftKey.generate("s").spki
    signer = await authority.enrol(spki, "王小明", "P-1", timedelta(days=30))
    passkey = PasskeyBinding.to(spki, ORIGIN)
    revoked = Revoked(signer.serial, utc_now(), "key_compromise")
    certificates = {
        "root": root,
        "signer": signer.certificate,
        "signer with a passkey": (await authority.enrol(spki, "王小明", "P-1", passkey=passkey)).certificate,
        "seal": (await authority.enrol_seal(spki, ORGANISATION)).certificate,
        "timestamp": (await authority.enrol_timestamp(spki)).certificate,
    }
    found: Made = {name: ("lint_pkix_cert", (), der) for name, der in certificates.items()}
    for name, entries in (("list", [revoked]), ("empty list", [])):
        found[name] = ("lint_crl", ("-t", "CRL", "-p", "PKIX"), await authority.revocation_list(entries))
    for name, entry in (("good", None), ("revoked", revoked)):
        found[name] = ("lint_ocsp_response", (), await authority.answer([(_id(root, signer.serial), entry)]))
    return found


def _id(root: bytes, serial: int) -> CertificateId:
    parsed = x509.Certificate.load(root)
    key = parsed.public_key["public_key"].contents[1:]
    return CertificateId("sha1", hashlib.sha1(parsed.subject.dump()).digest(), hashlib.sha1(key).digest(), serial)


def findings(folder: Path, name: str, program: str, options: tuple[str, ...], der: bytes) -> list[str]:
    """Return the findings that are worse than a notice."""
    path = folder / name.replace(" ", "-")
    path.write_bytes(der)
    command = [str(PROGRAMS / program), "lint", *options, "-f", "JSON", "--document-format", "DER", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return [
        f"{each['severity']} {each['code']} {each.get('message', '')}"
        for result in report["results"]
        for each in result["finding_descriptions"]
        if each["severity"] in BAD
    ]


async def linted(folder: Path, make: Callable[[], Awaitable[Made]]) -> dict[str, list[str]]:
    made = await make()
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda item: findings(folder, item[0], *item[1]), made.items())
        return dict(zip(made, results, strict=True))


@pytest.mark.skipif(not (PROGRAMS / "lint_pkix_cert").exists(), reason="pkilint is not installed")
@pytest.mark.real
async def test_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_it_is = await linted(tmp_path, everything)
    assert [each for found in as_it_is.values() for each in found if LONG_ARC not in each] == []
    assert [name for name, found in as_it_is.items() if found] == [
        "root",
        "signer",
        "signer with a passkey",
        "seal",
        "timestamp",
    ]
    monkeypatch.setattr(profile, "TRIAL_POLICY_OID", "1.2.3.4")
    monkeypatch.setattr(passkey_binding, "_OID", bytes.fromhex("06032a0306"))  # 1.2.3.6
    monkeypatch.setattr(profile, "SEAL_POLICY_OID", "1.2.3.5")
    assert {name: found for name, found in (await linted(tmp_path, everything)).items() if found} == {}
