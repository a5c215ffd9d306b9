"""Test vectors for developers of an app or a program that speaks the signing protocol.

`python -m tests.client.vectors` writes them to `docs/vectors/`. Everything in them is fixed: a second run writes the
same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from qianda.client import possession_statement
from tests.browser.update_cases import FIRST_CHANGES
from tests.browser.update_files import Revision, last_revision
from tests.client.prepared_parts import GAP, SHOWN, Prepared, page_content, prepared_over, signed_attributes
from tests.verify.odd_files import ODDITIES

FOLDER = Path(__file__).parents[2] / "docs" / "vectors"
ORIGIN = "https://sign.school.example"
CHALLENGE = hashlib.sha256(b"qianda test vector: challenge").digest()
UPDATE_CHECK = 5
CHANGES = (
    "page with other content",
    "content replaced",
    "annotation added",
    "other pages",
    "script on opening",
    "own field moved",
    "new object refers to a missing one",
)
Cases = list[tuple[str, int | None, Prepared]]


def key_of(purpose: str) -> ec.EllipticCurvePrivateKey:
    """Return a private key that everybody can compute."""
    scalar = int.from_bytes(hashlib.sha256(f"qianda test vector: {purpose}".encode()).digest(), "big")
    return ec.derive_private_key(scalar, ec.SECP256R1())


def certificate_of(key: ec.EllipticCurvePrivateKey, called: str, serial: int) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2026, 1, 31, tzinfo=UTC))
    )
    signed = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(serialization.Encoding.DER)


KEY, OTHER_KEY = key_of("signer"), key_of("somebody else")
CERTIFICATE, OTHER_CERTIFICATE = certificate_of(KEY, "Li Lei", 1), certificate_of(OTHER_KEY, "Han Mei", 2)


def text(content: bytes) -> str:
    return b64encode(content).decode()


def signed(content: bytes) -> dict[str, str]:
    """Sign by the rule of RFC 6979. A phone's signatures differ each time. Both forms of a signature contain the same
    two numbers."""
    der = KEY.sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    return {"der": text(der), "raw": text(r.to_bytes(32, "big") + s.to_bytes(32, "big"))}


def spki() -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return KEY.public_key().public_bytes(serialization.Encoding.DER, form)


def key_vectors() -> dict[str, Any]:
    """Return what the call `key` requires: the proof of possession, and what App Attest vouches for."""
    private = KEY.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    statement = possession_statement(CHALLENGE, ORIGIN, spki())
    return {
        "private_key_pkcs8": text(private),
        "spki": text(spki()),
        "origin": ORIGIN,
        "key_challenge": text(CHALLENGE),
        "origin_sha256": hashlib.sha256(ORIGIN.encode()).hexdigest(),
        "statement": text(statement),
        "statement_sha256": hashlib.sha256(statement).hexdigest(),
        "proof": signed(statement),
        "app_attest_client_data_hash": hashlib.sha256(CHALLENGE + spki()).hexdigest(),
    }


def cases() -> Cases:
    """Return the cases, each with the number of the check that refuses it; None if it may be signed."""
    good = prepared_over(SHOWN, CERTIFICATE)
    start, gap, resume, tail = good.byte_range
    written = good.file[:gap] + GAP.replace(b"0000>", b"0001>") + good.file[resume:]
    digest = hashlib.sha256(good.file[:gap] + good.file[resume:]).digest()
    return [
        ("an honest file", None, good),
        (
            "an honest file, with the issuer's name and serial number",
            None,
            prepared_over(SHOWN, CERTIFICATE, issuer_serial=CERTIFICATE),
        ),
        (
            "another text in the shown part",
            1,
            replace(prepared_over(SHOWN.replace(b"12,800", b"92,800"), CERTIFICATE), shown=SHOWN),
        ),
        ("the digest of something else", 2, replace(good, to_be_signed=signed_attributes(bytes(32), CERTIFICATE))),
        ("a byte range that ends before the file does", 2, replace(good, byte_range=(start, gap, resume, tail - 1))),
        ("a byte range that begins later", 2, replace(good, byte_range=(1, gap - 1, resume, tail))),
        ("something stands in the gap", 2, replace(good, file=written)),
        ("somebody else's certificate", 3, replace(good, to_be_signed=signed_attributes(digest, OTHER_CERTIFICATE))),
        ("a signing time among the attributes", 4, prepared_over(SHOWN, CERTIFICATE, extra=True)),
        ("another content type", 4, prepared_over(SHOWN, CERTIFICATE, content_type="signed_data")),
        (
            "the page's content is replaced behind the shown bytes",
            UPDATE_CHECK,
            prepared_over(SHOWN, CERTIFICATE, also={4: page_content(b"CNY 92,800.00")}),
        ),
    ]


def changed(change: Callable[[Revision], None], certificate: bytes = CERTIFICATE) -> Prepared:
    """Return the honest prepared file with its last revision changed. Byte range and digest are right."""
    revision = last_revision(SHOWN, prepared_over(SHOWN, certificate).file)
    revision.trailer = re.sub(rb"/Size \d+", b"/Size 2000", revision.trailer)
    change(revision)
    return attributed(revision.write(), certificate)


def attributed(file: bytes, certificate: bytes) -> Prepared:
    gap, resume = file.index(GAP), file.index(GAP) + len(GAP)
    digest = hashlib.sha256(file[:gap] + file[resume:]).digest()
    byte_range = (0, gap, resume, len(file) - resume)
    return Prepared(SHOWN, file, byte_range, signed_attributes(digest, certificate), certificate)


def file_cases() -> Cases:
    """Return files whose bytes readers understand differently, and files with changes besides the signature, by
    docs/file-format.md."""
    changes = {name: FIRST_CHANGES[name] for name in CHANGES}
    odd = {name: oddity.change for name, oddity in ODDITIES.items() if not name.startswith("a table with")}
    good = ("an honest file, written anew", None, changed(lambda revision: None))
    return [good, *((name, UPDATE_CHECK, changed(change)) for name, change in (changes | odd).items())]


def check_vectors(cases: Cases) -> dict[str, Any]:
    return {
        "shown": text(SHOWN),
        "shown_sha256": hashlib.sha256(SHOWN).hexdigest(),
        "certificate": text(CERTIFICATE),
        "cases": [
            {
                "name": name,
                "refused_by": refused_by,
                "prepared": text(case.file),
                "byte_range": list(case.byte_range),
                "to_be_signed": text(case.to_be_signed),
            }
            for name, refused_by, case in cases
        ],
    }


def signature_vectors() -> dict[str, Any]:
    """Return a set of signed attributes, its parts, and the signature over it."""
    good = prepared_over(SHOWN, CERTIFICATE)
    _, gap, resume, _ = good.byte_range
    return {
        "certificate": text(CERTIFICATE),
        "to_be_signed": text(good.to_be_signed),
        "to_be_signed_sha256": hashlib.sha256(good.to_be_signed).hexdigest(),
        "attributes": {
            "content_type": "1.2.840.113549.1.7.1",
            "message_digest": hashlib.sha256(good.file[:gap] + good.file[resume:]).hexdigest(),
            "signing_certificate_v2": hashlib.sha256(CERTIFICATE).hexdigest(),
        },
        "signature": signed(good.to_be_signed),
    }


def files() -> dict[str, str]:
    made = {
        "key": key_vectors(),
        "signature": signature_vectors(),
        "checks": check_vectors(cases()),
        "files": check_vectors(file_cases()),
    }
    return {f"{name}.json": json.dumps(value, indent=1) + "\n" for name, value in made.items()}


if __name__ == "__main__":
    for name, content in files().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
