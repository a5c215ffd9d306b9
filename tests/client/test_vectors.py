"""The published vectors are what our code makes: they are made again and compared, and judged by the client library."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from typing import Any

import pytest
from asn1crypto import cms, tsp
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from qianda.checks import PreparedFile, RefusedToSign, check_prepared
from qianda.client import possession_statement
from qianda.holder import SoftwareKey
from qianda.update import check_update
from tests.client.vectors import FOLDER, UPDATE_CHECK, files

assert tsp  # importing it registers signing-certificate-v2 in the library


def vectors(name: str) -> Any:
    return json.loads((FOLDER / name).read_text("utf-8"))


def test_made_anew_they_are_the_same() -> None:
    assert {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")} == files()


def test_the_proof_of_possession() -> None:
    found = vectors("key.json")
    challenge, spki = b64decode(found["key_challenge"]), b64decode(found["spki"])
    statement = possession_statement(challenge, found["origin"], spki)
    assert statement == b64decode(found["statement"])
    assert statement == b"qianda-key-v1" + challenge + bytes.fromhex(found["origin_sha256"]) + spki
    assert hashlib.sha256(statement).hexdigest() == found["statement_sha256"]
    assert hashlib.sha256(challenge + spki).hexdigest() == found["app_attest_client_data_hash"]
    private = serialization.load_der_private_key(b64decode(found["private_key_pkcs8"]), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey) and SoftwareKey(private).spki == spki
    check_signature(spki, statement, found["proof"])


def test_the_attributes_and_the_signature_over_them() -> None:
    found = vectors("signature.json")
    to_be_signed = b64decode(found["to_be_signed"])
    values = {each["type"].native: each["values"][0] for each in cms.CMSAttributes.load(to_be_signed)}
    said = found["attributes"]
    assert values["content_type"].dotted == said["content_type"]
    assert values["message_digest"].native.hex() == said["message_digest"]
    (certificate,) = values["signing_certificate_v2"].native["certs"]
    assert certificate["cert_hash"].hex() == said["signing_certificate_v2"]
    assert hashlib.sha256(b64decode(found["certificate"])).hexdigest() == said["signing_certificate_v2"]
    check_signature(b64decode(vectors("key.json")["spki"]), to_be_signed, found["signature"])


def check_signature(spki: bytes, content: bytes, signature: dict[str, str]) -> None:
    raw, der = b64decode(signature["raw"]), b64decode(signature["der"])
    assert len(raw) == 64
    assert encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")) == der
    public = serialization.load_der_public_key(spki)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(der, content, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("whole", "case"),
    [
        pytest.param(whole, case, id=case["name"])
        for whole in (vectors("checks.json"), vectors("files.json"))
        for case in whole["cases"]
    ],
)
def test_the_library_comes_to_the_same_verdicts(whole: dict[str, Any], case: dict[str, Any]) -> None:
    shown, prepared = b64decode(whole["shown"]), b64decode(case["prepared"])
    assert verdict(shown, prepared, case, b64decode(whole["certificate"])) == case["refused_by"]


def verdict(shown: bytes, prepared: bytes, case: dict[str, Any], certificate: bytes) -> int | None:
    try:
        check_prepared(shown, PreparedFile(prepared, case["byte_range"], b64decode(case["to_be_signed"])), certificate)
    except RefusedToSign as refused:
        return refused.number
    try:
        check_update(shown, prepared)
    except RefusedToSign:
        return UPDATE_CHECK
    return None
