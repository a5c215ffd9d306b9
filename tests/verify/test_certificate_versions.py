"""A certificate or list whose version does not exist is bytes that cannot be read, and stops nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from qianda.agent.certificates import read_certificate
from qianda.certificate_loading import load_certificate, load_revocation_list
from qianda.verify import verify_bytes
from qianda.verify.trust import Trust
from tests.made_certificates import NOW, certificate, key
from tests.signing_parts import FinishedParts

_VERSION_3 = bytes.fromhex("a003020102")


def of_no_version() -> bytes:
    own = key()
    return certificate("x", own, "x", own).replace(_VERSION_3, _VERSION_3[:-1] + b"A", 1)


def list_of_no_version(by: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([])
    made = x509.CertificateRevocationListBuilder(name, NOW, NOW + timedelta(days=1)).sign(by, SHA256())
    der = made.public_bytes(Encoding.DER)
    return der.replace(b"\x02\x01\x01\x30", b"\x02\x01A\x30", 1)


@pytest.mark.parametrize(
    ("load", "content"),
    [
        (load_certificate, of_no_version()),
        (load_revocation_list, list_of_no_version(key())),
    ],
)
def test_it_cannot_be_loaded(load: Callable[[bytes], object], content: bytes) -> None:
    with pytest.raises(ValueError, match="65 is not a valid"):
        load(content)


def test_the_agent_does_not_offer_it() -> None:
    assert read_certificate(of_no_version(), b"1") is None


@pytest.mark.parametrize("place", range(6))
def test_a_contract_that_names_one_gets_a_verdict(contract: FinishedParts, trust: Trust, place: int) -> None:
    """Nobody has to sign for this: the certificates in a signature's value are outside its byte range."""
    version, others = _VERSION_3.hex().encode(), contract.final.split(_VERSION_3.hex().encode())
    assert len(others) > 7
    forged = version.join(others[: place + 1]) + version[:-2] + b"41" + version.join(others[place + 1 :])
    assert len(forged) == len(contract.final)
    assert verify_bytes(forged, trust).failed
