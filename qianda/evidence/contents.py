"""Check that an evidence package of Qianda is complete, and that its items are consistent.

The container's signature proves that the school's seal covers all items. These checks prove that the items agree: the
record is one chain, the hashes match, the file is the one that the record names, and each signer's signature and
application for a certificate were made with the certified key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from asn1crypto import pem
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from qianda.certificate_loading import load_certificate
from qianda.evidence import reasons
from qianda.evidence.container import MIMETYPE
from qianda.evidence.items import META
from qianda.evidence.reasons import BadPackage
from qianda.strict_json import read_json
from qianda.verify.findings import Reason

CONTRACT: Final = "contract/contract.json"
VERSIONS: Final = "contract/versions.json"
FINAL_FILE: Final = "contract/final.pdf"
ISSUED_FILE: Final = "contract/issued.pdf"
RECORD: Final = "record/record.jsonl"
HEAD: Final = "record/head.txt"
HASHES: Final = "hashes.txt"
# The states in which a contract has ended. Another word could claim anything in the report.
ENDED_STATES: Final = ("COMPLETED", "DECLINED", "EXPIRED", "VOIDED", "SIGNED_ON_PAPER")
_GENESIS = "0" * 64


def check_contents(items: Mapping[str, bytes]) -> dict[str, Any]:
    """Check the items against each other. Return the facts of `contract.json`. Raises BadPackage."""
    try:
        contract: dict[str, Any] = read_json(items[CONTRACT])
        if not all(isinstance(each, str) for each in (contract["number"], contract["state"], *contract["fields"])):
            raise TypeError
        if contract["state"] not in ENDED_STATES:
            raise ValueError
        check_hashes(items)
        entries = _check_record(items, contract)
        _check_file(items, contract, entries)
        for name in items:
            if name.startswith("signers/") and "/signature-" in name:
                _check_signature(items, name)
    except KeyError as error:
        raise BadPackage(
            reasons.NOT_OF_A_CONTRACT.about(what=Reason(f"缺少 {error}", f"{error} is missing"))
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise BadPackage(reasons.NOT_OF_A_CONTRACT.about(what=reasons.MALFORMED)) from error
    return contract


def check_hashes(items: Mapping[str, bytes]) -> None:
    """Check `hashes.txt`, which has the SHA-256 and SM3 of each other item."""
    listed = set()
    for line in items[HASHES].decode().splitlines():
        sha256, sm3, name = line.split(" ")
        fits = name in items and hashlib.sha256(items[name]).hexdigest() == sha256
        if not fits or ("sm3" in hashlib.algorithms_available and hashlib.new("sm3", items[name]).hexdigest() != sm3):
            raise BadPackage(reasons.HASHES_WRONG.about(name=name))
        listed.add(name)
    for name in items:
        if name not in listed and name not in (HASHES, MIMETYPE) and not name.startswith(META):
            raise BadPackage(reasons.HASHES_WRONG.about(name=name))


def _check_record(items: Mapping[str, bytes], contract: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Check that each entry follows the one before it, and that the head matches the last one."""
    previous, entries = _GENESIS, []
    for number, line in enumerate(items[RECORD].decode().removesuffix("\n").split("\n"), start=1):
        entry = read_json(line)
        if (entry["previous"], entry["sequence"], entry["contract"]) != (previous, number, contract["id"]):
            raise BadPackage(reasons.CHAIN_BROKEN.about(entry=number))
        previous = hashlib.sha256(line.encode()).hexdigest()
        entries.append(entry)
    head = f"contract {contract['number']}\nid {contract['id']}\nentries {len(entries)}\nsha256 {previous}\n"
    if items[HEAD].decode() != head:
        raise BadPackage(reasons.HEAD_WRONG)
    return entries


def _check_file(items: Mapping[str, bytes], contract: Mapping[str, Any], entries: list[dict[str, Any]]) -> None:
    """Check that the file is the one that its versions name; for a completed contract, the record as well."""
    completed = contract["state"] == "COMPLETED"
    sha256 = hashlib.sha256(items[FINAL_FILE if completed else ISSUED_FILE]).hexdigest()
    kind = "final" if completed else "issued"
    versions = [version["sha256"] for version in read_json(items[VERSIONS]) if version["kind"] == kind]
    recorded = [entry["facts"]["document_sha256"] for entry in entries if entry["kind"] == "completed"]
    if sha256 not in versions or recorded != ([sha256] if completed else []):
        raise BadPackage(reasons.FINAL_FILE_WRONG)


def _check_signature(items: Mapping[str, bytes], name: str) -> None:
    """Check a signer's signature, and their application for the certificate, with the key of that certificate."""
    folder, _, file = name.rpartition("/")
    part = file.removeprefix("signature-").removesuffix(".der")
    _, _, encoded = pem.unarmor(items[f"{folder}/certificate-{part}.pem"])
    signed = [(items[f"{folder}/attributes-{part}.der"], items[name])]
    if f"{folder}/application-{part}.bin" in items:
        signed.append((items[f"{folder}/application-{part}.bin"], items[f"{folder}/application-{part}.sig"]))
    for message, signature in signed:
        try:
            _verify(encoded, message, signature)
        except InvalidSignature as error:
            raise BadPackage(reasons.APPLICATION_WRONG.about(folder=folder)) from error


def _verify(certificate: bytes, message: bytes, signature: bytes) -> None:
    key = load_certificate(certificate).public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    else:
        raise InvalidSignature
